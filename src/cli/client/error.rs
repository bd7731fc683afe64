//! Why a command got no answer that it can use.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One thing that a server refuses.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Problem {
    /// Its stable code.
    pub(in crate::cli) code: String,
    /// In words.
    pub(in crate::cli) message: String,
    /// The way to what is faulty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) path: Vec<String>,
}

impl Problem {
    /// An error of a GraphQL request.
    pub(super) fn of(error: &graphql_client::Error) -> Self {
        let extensions = error.extensions.as_ref();
        let code = extensions.and_then(|all| all.get("code")?.as_str());
        Self {
            code: code.unwrap_or("REFUSED").to_owned(),
            message: error.message.clone(),
            path: Vec::new(),
        }
    }

    /// The answer of a signed link.
    pub(super) fn of_body(status: reqwest::StatusCode, text: &str) -> Self {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let read = |name: &str| body[name].as_str().map(str::to_owned);
        Self {
            code: read("error_code").unwrap_or_else(|| "REFUSED".to_owned()),
            message: read("error").unwrap_or_else(|| format!("the server answers {status}")),
            path: Vec::new(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path.join("."))?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a command got no answer that it can use.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Error {
    /// The server cannot be reached, or something in between broke.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// The address.
        url: String,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses the operation.
    #[error("{}", lines(.0))]
    Refused(Vec<Problem>),
    /// The answer is not what the protocol says.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(String),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Error {
    /// Returns whether another try may help.
    pub(in crate::cli) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Each thing that went wrong, for programs.
    pub(in crate::cli) fn problems(&self, text: &str) -> Vec<Problem> {
        let one = |code: &str| {
            vec![Problem {
                code: code.to_owned(),
                message: text.to_owned(),
                path: Vec::new(),
            }]
        };
        match self {
            Self::Refused(problems) => problems.clone(),
            Self::Unreachable { .. } => one("UNREACHABLE"),
            Self::Protocol(_) => one("PROTOCOL"),
        }
    }
}

/// The user errors of a mutation as one refusal, each with its code and path.
pub(in crate::cli) fn refusal<F: Serialize>(faults: &[F]) -> Result<(), Error> {
    let problems: Vec<Problem> = faults
        .iter()
        .map(|fault| {
            let fault = serde_json::to_value(fault).unwrap_or_default();
            let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            let path = fault["path"].as_array().into_iter().flatten();
            Problem {
                code: text("code"),
                message: text("message"),
                path: path.filter_map(|p| p.as_str().map(str::to_owned)).collect(),
            }
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(problems))
    }
}
