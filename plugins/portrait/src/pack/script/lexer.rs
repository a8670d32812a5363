// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serialized TorchScript as tokens: the plain subset that libtorch writes. Whatever two lexers could read in two ways
//! (comments, tabs, other quotes, continued lines) is refused, so that what is checked is what libtorch compiles.

/// Columns of one level of indentation.
const INDENT: usize = 2;

/// Levels of brackets or of indentation: libtorch's parser takes a stack frame for each.
pub const MAX_DEPTH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'s> {
    /// An identifier or a keyword.
    Name(&'s str),
    /// Digits, without a sign.
    Number(&'s str),
    /// What stands between the quotes, with its escapes.
    Text(&'s str),
    /// A bracket or another sign.
    Sign(char),
    Arrow,
    Newline,
    /// The block below begins: it takes the place of a newline.
    Indent,
    /// A block ends; a newline stands before it.
    Dedent,
    End,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(text) | Self::Number(text) => write!(f, "{text}"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Sign(sign) => write!(f, "{sign}"),
            Self::Arrow => write!(f, "->"),
            Self::Newline => write!(f, "a line's end"),
            Self::Indent | Self::Dedent => write!(f, "an indentation"),
            Self::End => write!(f, "the end"),
        }
    }
}

/// A token and the line on which it stands, from 1.
pub type Placed<'s> = (Token<'s>, usize);

/// Splits a source file.
///
/// # Errors
/// The line, and what on it is not read.
pub fn tokens(source: &str) -> Result<Vec<Placed<'_>>, (usize, String)> {
    let mut tokens = Vec::new();
    let (mut level, mut nesting) = (0usize, 0usize);
    for (number, line) in source.split_terminator('\n').enumerate() {
        let number = number + 1;
        let fail = |what: String| Err((number, what));
        let text = line.trim_start_matches(' ');
        if text.is_empty() {
            return fail("an empty line".to_owned());
        }
        if nesting == 0 {
            let indent = line.len() - text.len();
            let now = indent / INDENT;
            if indent % INDENT != 0 || now > level + 1 || now > MAX_DEPTH {
                return fail(format!("an indentation of {indent}"));
            }
            if now > level {
                tokens.push((Token::Indent, number));
            } else if number > 1 {
                tokens.push((Token::Newline, number));
                tokens.extend((now..level).map(|_| (Token::Dedent, number)));
            }
            level = now;
        }
        let mut rest = text;
        while !rest.is_empty() {
            let Some((token, length)) = first(rest) else {
                return fail(format!("{:?}", rest.chars().next().unwrap_or_default()));
            };
            match token {
                Token::Sign('(' | '[') if nesting == MAX_DEPTH => {
                    return fail("too many brackets".to_owned());
                }
                Token::Sign('(' | '[') => nesting += 1,
                Token::Sign(')' | ']') if nesting == 0 => return fail("a bracket too many".to_owned()),
                Token::Sign(')' | ']') => nesting -= 1,
                _ => {}
            }
            tokens.push((token, number));
            rest = rest.get(length..).unwrap_or_default().trim_start_matches(' ');
        }
    }
    let last = tokens.last().map_or(1, |&(_, line)| line);
    if nesting > 0 {
        return Err((last, "an open bracket".to_owned()));
    }
    tokens.push((Token::Newline, last));
    tokens.extend((0..level).map(|_| (Token::Dedent, last)));
    tokens.push((Token::End, last));
    Ok(tokens)
}

/// The token at the start of a text, and its length.
fn first(text: &str) -> Option<(Token<'_>, usize)> {
    let bytes = text.as_bytes();
    let (&start, after) = bytes.split_first()?;
    let run = |from: usize, of: fn(&u8) -> bool| {
        from + bytes.get(from..).unwrap_or_default().iter().take_while(|b| of(b)).count()
    };
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    match start {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            let end = run(0, is_name);
            Some((Token::Name(text.get(..end)?), end))
        }
        b'0'..=b'9' => {
            let mut end = run(0, u8::is_ascii_digit);
            if bytes.get(end) == Some(&b'.') {
                end = run(end + 1, u8::is_ascii_digit);
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                let exponent = run(signed, u8::is_ascii_digit);
                (exponent > signed).then_some(())?;
                end = exponent;
            }
            // `0x1`, `1j`, `1..x`: what else a C library would take for one number.
            let ends = bytes.get(end).is_none_or(|b| !is_name(b) && *b != b'.');
            ends.then_some((Token::Number(text.get(..end)?), end))
        }
        b'"' => {
            let length = quoted(after)?;
            // Another quote would make a triple one, or a text of two parts.
            (after.get(length + 1) != Some(&b'"')).then_some(())?;
            Some((Token::Text(text.get(1..=length)?), length + 2))
        }
        b'-' if after.first() == Some(&b'>') => Some((Token::Arrow, 2)),
        b'(' | b')' | b'[' | b']' | b',' | b':' | b'=' | b'.' | b'-' => {
            Some((Token::Sign(char::from(start)), 1))
        }
        _ => None,
    }
}

/// Bytes up to the closing quote.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => match text.get(at + 1)? {
                b'\\' | b'"' | b'\'' | b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' => at += 2,
                _ => return None,
            },
            b' '..=b'~' => at += 1,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_as_libtorch_writes_it_is_read() {
        let source = "def f(x: Tensor,\n    y: int=-1) -> Tensor:\n  if y:\n    z = x\n  else:\n    pass\n  return z\n";
        let kinds: Vec<String> = tokens(source).unwrap().iter().map(|(t, _)| t.to_string()).collect();
        assert_eq!(
            kinds.join(" "),
            "def f ( x : Tensor , y : int = - 1 ) -> Tensor : an indentation if y : an indentation z = x a line's end \
             an indentation else : an indentation pass a line's end an indentation return z a line's end an indentation \
             the end"
        );
        let numbers = tokens("a = [1, 2., 1e-10, 1.5e+3]\n").unwrap();
        let numbers = numbers.iter().filter(|(t, _)| matches!(t, Token::Number(_)));
        assert_eq!(numbers.count(), 4);
        let escaped = tokens("a = \"say \\\"x\\\"\\n\"\n").unwrap();
        assert_eq!(escaped[2].0, Token::Text("say \\\"x\\\"\\n"));
    }

    /// Each of these libtorch's lexer would read, some of them otherwise than they look.
    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for source in [
            "x = 1 # a comment\n",
            "x = \\\n1\n",
            "x = 'a'\n",
            "x = \"\"\"a\n\"\"\"\n",
            "x = \"a\"\"b\"\n",
            "x = \"\\x41\"\n",
            "x\t= 1\n",
            "x = 1\r\n",
            "x = 0x10\n",
            "x = 1j\n",
            "x = 1_0\n",
            "x = {}\n",
            "x = 1; y = 2\n",
            "x = \u{e9}\n",
            "x += 1\n",
            "x = y @ z\n",
            "\n\nx = 1\n",
            "x = (1\n",
            "x = 1)\n",
            "   x = 1\n",
        ] {
            assert!(tokens(source).is_err(), "{source:?}");
        }
        assert!(tokens(&format!("x = {}1{}\n", "(".repeat(99), ")".repeat(99))).is_err(), "a deep stack");
    }
}
