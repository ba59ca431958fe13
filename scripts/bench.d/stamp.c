/* Plays rsync for the benchmark: appends "WHAT NANOSECONDS PID" (CLOCK_MONOTONIC) to the file $STAMPS when it starts, when
 * it ends, when SIGTERM arrives, and when it is asked for its version. $STAMP_MODE: "quick" (default) ends at once; "silent"
 * writes one line after 0.3 s and nothing more; "holder" leaves a process behind that holds its pipes. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int out;

static void stamp(const char *what)
{
	struct timespec t;
	char line[64];

	clock_gettime(CLOCK_MONOTONIC, &t);
	int n = snprintf(line, sizeof line, "%s %lld %d\n", what, t.tv_sec * 1000000000LL + t.tv_nsec, (int)getpid());
	if (write(out, line, n) != n)
		_exit(99);
}

static void on_term(int signal)
{
	(void)signal;
	stamp("term");
	_exit(20);
}

int main(int argc, char **argv)
{
	const char *mode = getenv("STAMP_MODE"), *file = getenv("STAMPS");

	out = open(file ? file : "/dev/null", O_WRONLY | O_APPEND | O_CREAT, 0600);
	if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		stamp("asked");
		puts("rsync  version 3.2.7  protocol version 31");
		return 0;
	}
	stamp("start");
	if (mode && !strcmp(mode, "silent")) {
		struct timespec at_work = {0, 300000000};

		signal(SIGTERM, on_term);
		nanosleep(&at_work, NULL);
		stamp("wrote");
		if (write(1, "building file list\n", 19) != 19)
			return 98;
		for (;;)
			pause();
	}
	if (mode && !strcmp(mode, "holder") && fork() == 0) {
		sleep(60);
		_exit(0);
	}
	stamp("end");
	_exit(0);
}
