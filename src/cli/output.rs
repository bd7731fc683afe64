//! The output of commands. Text from a server or a file is cleaned on its way out, so that no name
//! and no message can move a terminal's cursor, colour it, or turn the direction of its text. A
//! reader that has gone away ends the command quietly.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write as _},
};

use chrono::DateTime;

use crate::clock::Clock;

/// The look of a part of a line on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Warning,
    Busy,
    Faint,
}

impl Tone {
    /// The tone of a status or a lifecycle state.
    pub(super) fn of(state: &str) -> Self {
        match state {
            "COMPLETED" | "READY" | "ACTIVE" | "UPGRADED" => Self::Good,
            "FAILED" => Self::Bad,
            "CANCELLED" | "DELETED" | "EXPIRED" => Self::Warning,
            "RUNNING" | "PENDING" => Self::Busy,
            "ARCHIVED" | "CLOSED" => Self::Faint,
            _ => Self::Plain,
        }
    }

    fn paint(self, text: &str) -> String {
        let styled = console::style(text);
        match self {
            Self::Plain => text.to_owned(),
            Self::Good => styled.green().to_string(),
            Self::Bad => styled.red().to_string(),
            Self::Warning => styled.yellow().to_string(),
            Self::Busy => styled.cyan().to_string(),
            Self::Faint => styled.dim().to_string(),
        }
    }
}

/// A line made of parts, each of them clean.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of one part.
    pub(super) fn of(text: &str) -> Self {
        Self::default().then(text)
    }

    /// Goes on with a part as it is.
    pub(super) fn then(self, text: &str) -> Self {
        self.toned(Tone::Plain, text)
    }

    /// Goes on with a part in a tone.
    pub(super) fn toned(mut self, tone: Tone, text: &str) -> Self {
        self.0.push((tone, clean(text)));
        self
    }

    /// Goes on with the parts of another line.
    pub(super) fn followed_by(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Goes on with a part that fills a column of `width`, and a space.
    pub(super) fn column(self, tone: Tone, text: &str, width: usize) -> Self {
        let text = clean(text);
        let missing = width.saturating_sub(console::measure_text_width(&text));
        self.toned(tone, &text)
            .then(&" ".repeat(missing.saturating_add(1)))
    }

    /// The text; with colours if they are wanted and the terminal has them.
    pub(super) fn rendered(&self, is_for_terminal: bool) -> String {
        let mut text = String::new();
        for (tone, part) in &self.0 {
            if is_for_terminal && console::colors_enabled() {
                text.push_str(&tone.paint(part));
            } else {
                text.push_str(part);
            }
        }
        text.trim_end().to_owned()
    }
}

/// Returns whether a person is likely to read the output.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// One line for the user.
pub(super) fn say(line: &Line) {
    write_out(&line.rendered(is_terminal()));
}

/// One line of one part.
pub(super) fn say_text(text: &str) {
    say(&Line::of(text));
}

/// Text of several lines.
pub(super) fn say_lines(text: &str) {
    for line in text.lines() {
        say_text(line);
    }
}

/// A JSON document.
pub(super) fn say_json(value: &impl serde::Serialize, pretty: bool) {
    write_out(&json(value, pretty));
}

/// One line about what went wrong, or what is worth knowing besides the output.
pub(super) fn complain(text: &str) {
    for line in text.lines() {
        let _ = writeln!(std::io::stderr().lock(), "takeoff: {}", clean(line));
    }
}

/// The same as JSON.
pub(super) fn complain_json(value: &impl serde::Serialize) {
    let _ = writeln!(std::io::stderr().lock(), "{}", json(value, false));
}

fn write_out(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Returns whether a character does something to a terminal besides being shown: control
/// characters, and those that set the direction of text or break lines.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of one line without what acts on a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' => Some(' '),
            c if acts(c) => None,
            c => Some(c),
        })
        .collect()
}

/// JSON in which such characters are written as escapes, so that nothing of a value is lost.
pub(super) fn json(value: &impl serde::Serialize, pretty: bool) -> String {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    let text = text.unwrap_or_default();
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && acts(c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Characters at the end of an id that a terminal shows; every command takes them for the id.
const SHOWN_OF_AN_ID: usize = 6;

/// An id: short on a terminal, whole in a pipe.
pub(super) fn id(id: &str) -> String {
    if is_terminal() {
        short_id(id)
    } else {
        id.to_owned()
    }
}

fn short_id(id: &str) -> String {
    match id.split_once('_') {
        Some((kind, rest)) if rest.len() > SHOWN_OF_AN_ID && rest.is_ascii() => {
            format!("{kind}_…{}", &rest[rest.len() - SHOWN_OF_AN_ID..])
        }
        _ => id.to_owned(),
    }
}

/// A time: how long ago on a terminal, whole in a pipe.
pub(super) fn time(text: &str) -> String {
    if !is_terminal() {
        return text.to_owned();
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(then) => ago(Clock::System.now().saturating_sub(then.timestamp_micros())),
        Err(_) => text.to_owned(),
    }
}

fn ago(micros: i64) -> String {
    let (seconds, word) = (micros / 1_000_000, if micros < 0 { "ahead" } else { "ago" });
    let seconds = seconds.unsigned_abs();
    let (count, unit) = match seconds {
        0..=99 => (seconds, "s"),
        100..=5_999 => (seconds / 60, "min"),
        6_000..=172_799 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count} {unit} {word}")
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_is_said() {
        let hostile = "a\u{1b}[2J\u{7}\u{9b}31m\u{202e}cod\u{2066}.exe\u{200f}\nb\rc\td\u{7f}";
        assert_eq!(clean(hostile), "a[2J31mcod.exe b c d");
        let line = Line::of(hostile).toned(Tone::Bad, hostile);
        assert_eq!(line.rendered(false).matches('\u{1b}').count(), 0);
        let written = json(&serde_json::json!({"name": hostile}), true);
        assert!(!written.chars().any(|c| c != '\n' && acts(c)), "{written}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["name"], hostile);
    }

    #[test]
    fn ids_times_and_numbers_are_short_for_people() {
        assert_eq!(short_id("exe_01m8abcdefghjkmnpqrstvwxyz"), "exe_…tvwxyz");
        assert_eq!(short_id("exe_1"), "exe_1");
        for (seconds, text) in [
            (5, "5 s ago"),
            (-5, "5 s ahead"),
            (120, "2 min ago"),
            (7_200, "2 h ago"),
            (864_000, "10 d ago"),
        ] {
            assert_eq!(ago(seconds * 1_000_000), text);
        }
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (4_883, "4,883"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_column_is_as_wide_as_its_text_looks() {
        let line = Line::default().column(Tone::Plain, "日本", 6).then("|");
        assert_eq!(line.rendered(false), "日本   |");
    }
}
