//! What is wrong with the policies of a folder, and where.

use std::fmt;

use miette::Diagnostic;

/// A fault of a file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, from the folder on; the folder itself where it cannot be read.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The fault.
    pub message: String,
}

impl Fault {
    pub(super) fn of(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            message: message.into(),
        }
    }

    /// A fault that Cedar found in the text of a file.
    pub(super) fn found(file: &str, text: &str, fault: &dyn Diagnostic) -> Self {
        let offset = fault.labels().and_then(|mut labels| labels.next());
        let line = offset.map(|label| {
            let before = text.as_bytes().iter().take(label.offset());
            before.filter(|byte| **byte == b'\n').count() + 1
        });
        let mut message = fault.to_string();
        if let Some(help) = fault.help() {
            message = format!("{message} ({help})");
        }
        Self {
            line,
            ..Self::of(file, message)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// The faults of a folder; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("\n"))
    }
}

impl std::error::Error for Faults {}
