// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the arguments of calls in a model's code.

/// Length of the first argument of a call, of the text behind its bracket.
pub fn first_argument(text: &str) -> usize {
    let (mut depth, mut quoted) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Some(mark), _) => quoted = Some(mark).filter(|mark| *mark != c),
            (None, '"' | '\'') => quoted = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ',' | ')') if depth == 0 => return at,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

/// All arguments of a call, and what follows its closing bracket.
pub fn arguments(mut text: &str) -> Option<(Vec<&str>, &str)> {
    let mut found = Vec::new();
    loop {
        let (argument, behind) = text.split_at(first_argument(text));
        if !argument.trim().is_empty() {
            found.push(argument.trim());
        }
        text = behind.strip_prefix(',').unwrap_or_default();
        if let Some(rest) = behind.strip_prefix(')') {
            return Some((found, rest));
        }
        if behind.is_empty() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_where_their_call_does() {
        assert_eq!(
            arguments("torch.cat([a, b], 1), CONSTANTS.c0, \"(,\", [1, 1])[0] + f(x)"),
            Some((vec!["torch.cat([a, b], 1)", "CONSTANTS.c0", "\"(,\"", "[1, 1]"], "[0] + f(x)"))
        );
        assert_eq!(arguments("x, )\n"), Some((vec!["x"], "\n")));
        assert_eq!(arguments(")"), Some((vec![], "")));
        assert_eq!(arguments("x, (y"), None);
    }
}
