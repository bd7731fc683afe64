//! What a command says. A reader that has gone away ends the command quietly.

use std::io::Write;

/// One line for the user.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line about what went wrong.
pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "takeoff: {line}");
}

/// A JSON document.
pub(super) fn say_json(value: &impl serde::Serialize, pretty: bool) {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    say(&text.unwrap_or_default());
}
