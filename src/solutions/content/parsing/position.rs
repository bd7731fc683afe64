//! Lines of a text, and places in it as people count them, which are computed only when there is a fault
//! to report.

/// A line and a column, both from 1. A line ends with `\n`, `\r\n` or `\r`; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

impl Position {
    /// The place of the byte at `offset` in `text`; the end of the text if the offset lies beyond it.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let bytes = before.as_bytes();
        let mut line = 1;
        let mut line_start = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let ends_line = match byte {
                b'\n' => true,
                b'\r' => text.as_bytes().get(index + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends_line {
                line += 1;
                line_start = index + 1;
            }
        }
        let column = before[line_start..].chars().count() as u64 + 1;
        Self { line, column }
    }
}

/// The first line without its line break, and what follows the break.
pub(super) fn split_line(text: &str) -> (&str, &str) {
    let Some(end) = text.find(['\n', '\r']) else {
        return (text, "");
    };
    let rest = &text[end..];
    let after = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
    (&text[..end], after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, offset: usize) -> (u64, u64) {
        let Position { line, column } = Position::of(text, offset);
        (line, column)
    }

    #[test]
    fn every_kind_of_line_break_counts_once() {
        assert_eq!(place("a\nb\r\nc\rd", 7), (4, 1));
        assert_eq!(place("a\r\nb", 1), (1, 2));
    }

    #[test]
    fn columns_are_characters_and_the_end_is_a_place() {
        assert_eq!(place("\u{e9}\u{e9}x", 4), (1, 3));
        assert_eq!(place("ab", 99), (1, 3));
    }
}
