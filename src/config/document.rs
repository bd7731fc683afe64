//! The configuration as text: the documented file, and the effective one.

use std::fmt::Write as _;

use super::{Origin, key::Key, layers::Entry, sections};

const HEAD: &str = "\
# Configuration of Takeoff. Every key is here with its default; a key that is unset or derived by
# default is commented out, with an example. The command takeoff config prints what is in effect and why.
#
# Later wins: defaults, this file (takeoff.toml in the working directory, or --config PATH),
# environment variables, flags. The variable of section.key is TAKEOFF_SECTION_KEY, as in
# TAKEOFF_RUNTIME_POLL_MS, but for telemetry.log, whose variable is TAKEOFF_LOG. The flag
# for any key is --set section.key=value. An unknown key or variable is an error.
";

/// The file that sets every key to its default.
pub(super) fn documented(defaults: &[Entry]) -> String {
    let mut out = HEAD.to_owned();
    for section in sections::ALL {
        heading(&mut out, section.path, section.docs);
        for entry in of_section(defaults, section.path) {
            out.push('\n');
            for line in entry.key.docs {
                comment(&mut out, line);
            }
            range(&mut out, entry.key);
            default_line(&mut out, entry);
        }
    }
    out
}

/// Returns the values in effect, with their origins.
pub(super) fn effective(entries: &[Entry]) -> String {
    let mut out = String::new();
    for section in sections::ALL {
        heading(&mut out, section.path, &[]);
        for entry in of_section(entries, section.path) {
            let name = entry.key.name;
            let _ = match &entry.shown {
                Some(text) => writeln!(out, "{name} = {} # {}", value(entry, text), entry.origin),
                None => writeln!(out, "# {name} is not set ({})", entry.origin),
            };
        }
    }
    out
}

fn of_section<'a>(entries: &'a [Entry], path: &'a str) -> impl Iterator<Item = &'a Entry> {
    entries
        .iter()
        .filter(move |entry| entry.key.section == path)
}

fn heading(out: &mut String, path: &str, docs: &[&str]) {
    if path.is_empty() {
        return;
    }
    out.push('\n');
    for line in docs {
        comment(out, line);
    }
    let _ = writeln!(out, "[{path}]");
}

fn comment(out: &mut String, line: &str) {
    let _ = writeln!(out, "# {}", line.trim().replace('`', ""));
}

fn range(out: &mut String, key: &Key) {
    if let Some((least, most)) = key.range {
        let _ = writeln!(out, "# From {least} to {most}.");
    }
}

fn default_line(out: &mut String, entry: &Entry) {
    let name = entry.key.name;
    let _ = match &entry.shown {
        Some(text) if entry.origin == Origin::Default => {
            writeln!(out, "{name} = {}", value(entry, text))
        }
        _ => writeln!(out, "#{name} = {}", value(entry, entry.key.example)),
    };
}

fn value(entry: &Entry, text: &str) -> String {
    if entry.kind == "string" {
        return toml::Value::from(text).to_string();
    }
    text.to_owned()
}
