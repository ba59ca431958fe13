//! Reads JSON as strictly as RFC 8259 has it: what a script's parser would refuse is an error here.

use std::iter::Peekable;
use std::str::Chars;

/// A value. Numbers stay as they are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// # Errors
    /// What is wrong, and what follows it.
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut chars = text.chars().peekable();
        let value = value(&mut chars);
        let rest: String = chars.collect();
        match value {
            Ok(value) if rest.trim().is_empty() => Ok(value),
            Ok(_) => Err(format!("something follows: {rest:?}")),
            Err(error) => Err(format!("{error} before {rest:?}")),
        }
    }

    /// The member of an object, or the element of a list by its number.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Json::List(values) => values.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// What `jobs.0.name` and the like lead to.
    pub fn at(&self, path: &str) -> Option<&Json> {
        path.split('.').try_fold(self, |value, key| value.get(key))
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }
}

type Source<'a> = Peekable<Chars<'a>>;

fn skip(chars: &mut Source) {
    while chars.next_if(|c| " \t\r\n".contains(*c)).is_some() {}
}

fn expect(chars: &mut Source, wanted: &str) -> Result<(), String> {
    wanted.chars().try_for_each(|c| chars.next_if_eq(&c).map(drop).ok_or(format!("no {wanted}")))
}

fn value(chars: &mut Source) -> Result<Json, String> {
    skip(chars);
    let value = match chars.peek() {
        Some('n') => expect(chars, "null").map(|()| Json::Null),
        Some('t') => expect(chars, "true").map(|()| Json::Bool(true)),
        Some('f') => expect(chars, "false").map(|()| Json::Bool(false)),
        Some('"') => text(chars).map(Json::Text),
        Some('[') => list(chars, ']', value).map(Json::List),
        Some('{') => list(chars, '}', member).map(Json::Object),
        _ => number(chars),
    };
    skip(chars);
    value
}

fn member(chars: &mut Source) -> Result<(String, Json), String> {
    skip(chars);
    let name = text(chars)?;
    skip(chars);
    expect(chars, ":")?;
    Ok((name, value(chars)?))
}

fn list<T>(chars: &mut Source, end: char, read: fn(&mut Source) -> Result<T, String>) -> Result<Vec<T>, String> {
    chars.next();
    skip(chars);
    let mut found = Vec::new();
    if chars.next_if_eq(&end).is_some() {
        return Ok(found);
    }
    loop {
        found.push(read(chars)?);
        match chars.next() {
            Some(',') => {}
            Some(c) if c == end => return Ok(found),
            other => return Err(format!("{other:?} where , or {end} belongs")),
        }
    }
}

fn text(chars: &mut Source) -> Result<String, String> {
    expect(chars, "\"")?;
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(match chars.next() {
                Some(c @ ('"' | '\\' | '/')) => c,
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    code.and_then(char::from_u32).ok_or(format!("\\u{digits}"))?
                }
                other => return Err(format!("\\{other:?}")),
            }),
            Some(c) if c >= ' ' => text.push(c),
            other => return Err(format!("{other:?} in a text")),
        }
    }
}

fn number(chars: &mut Source) -> Result<Json, String> {
    let mut text = String::new();
    let digits = |chars: &mut Source, text: &mut String| {
        let before = text.len();
        while let Some(c) = chars.next_if(char::is_ascii_digit) {
            text.push(c);
        }
        text.len() - before
    };
    text.extend(chars.next_if_eq(&'-'));
    let whole = digits(chars, &mut text);
    let zero = text.trim_start_matches('-').starts_with('0');
    if whole == 0 || zero && whole > 1 {
        return Err(format!("no number: {text:?}"));
    }
    if chars.next_if_eq(&'.').is_some() {
        text.push('.');
        if digits(chars, &mut text) == 0 {
            return Err(format!("no number: {text:?}"));
        }
    }
    Ok(Json::Number(text))
}
