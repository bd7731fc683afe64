//! Text that is stored as it is: names, keys, reasons. Control characters are refused, since
//! PostgreSQL cannot store all of them and no terminal should be sent any.

use super::{Fault, Refusal};

const MAX_REASON_CHARS: usize = 1000;

/// 1 to `max_chars` characters, none of them a control character.
pub(crate) fn is_name(text: &str, max_chars: usize) -> bool {
    !text.is_empty() && is_within(text, max_chars) && !text.chars().any(char::is_control)
}

/// At most `max_chars` characters, in lines.
pub(crate) fn is_prose(text: &str, max_chars: usize) -> bool {
    let written = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    is_within(text, max_chars) && text.chars().all(written)
}

fn is_within(text: &str, max_chars: usize) -> bool {
    text.chars().nth(max_chars).is_none()
}

/// Why something was asked for, in the words of whoever asked.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), Refusal> {
    if reason.is_none_or(|reason| is_prose(reason, MAX_REASON_CHARS)) {
        return Ok(());
    }
    let message = "a reason has at most 1000 characters, none of them a control character";
    Err(Refusal::InvalidInput(vec![Fault::at(["reason"], message)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_in_one_line() {
        assert!(is_name("Ü", 1) && is_name("a b", 3));
        for (text, max) in [("", 3), ("ab", 1), ("a\0", 9), ("\u{1}", 9), ("a\n", 9)] {
            assert!(!is_name(text, max), "{text:?}");
        }
    }

    #[test]
    fn prose_has_lines_and_no_other_control_characters() {
        assert!(is_prose("", 0) && is_prose("a\r\n\tb", 5));
        for (text, max) in [("ab", 1), ("\0", 9), ("\u{1}", 9), ("\u{1b}[2J", 9)] {
            assert!(!is_prose(text, max), "{text:?}");
        }
    }
}
