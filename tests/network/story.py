"""A story is a function that is given a laboratory; what it returns is printed beside its name."""

STORIES = {}


class Story:
    """Its name is the function's, as a sentence."""

    def __init__(self, tell, short):
        self.tell, self.short = tell, short


def story(short):
    """Takes a function among the stories; short: it takes less than a minute and is told by `scripts/test` as well."""

    def take(function):
        STORIES[function.__name__.replace("_", " ")] = Story(function, short)
        return function

    return take
