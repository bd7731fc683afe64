//! Errors of a configuration, each with its place.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// Nobody set it; it follows from another key.
    Derived(&'static str),
    /// A line of the configuration file, counted from 1.
    File(PathBuf, usize),
    /// The environment variable of that name.
    Variable(String),
    /// The command-line flag of that name.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::Derived(from) => write!(f, "derived from {from}"),
            Self::File(path, line) => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A configuration that a process must not start with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read; one that was named must exist.
    #[error("configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The offending text is left out, since it may be a secret.
    #[error("{} line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's message.
        reason: String,
    },
    /// There is no such key.
    #[error("unknown key `{key}` ({origin})")]
    UnknownKey {
        /// As it was written.
        key: String,
        /// Where.
        origin: Origin,
    },
    /// No key has this environment variable.
    #[error("unknown environment variable {name}: no configuration key has it")]
    UnknownVariable {
        /// Its name.
        name: String,
    },
    /// The value of an environment variable is not valid Unicode.
    #[error("environment variable {name} is not valid Unicode")]
    NotUnicode {
        /// Its name.
        name: String,
    },
    /// `--set` without `=`.
    #[error("flag --set expects section.key=value, found `{found}`")]
    MalformedSet {
        /// The beginning of the line.
        found: String,
    },
    /// Two flags set the same key.
    #[error("`{key}` is set twice, by flag {first} and by flag {second}")]
    SetTwice {
        /// The key.
        key: String,
        /// The flag that came first.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// A value has the wrong type, is out of range, or contradicts another one.
    #[error("bad value for `{key}` ({origin}): {reason}")]
    BadValue {
        /// The key.
        key: String,
        /// Where the value came from.
        origin: Origin,
        /// The fault.
        reason: String,
    },
}
