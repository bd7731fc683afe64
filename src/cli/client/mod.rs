//! A client of the GraphQL API: what the commands know of a server goes through here.

pub(super) mod operations;
mod socket;

use clap::Args;
use graphql_client::{GraphQLQuery, Response};
use serde::Serialize;

/// How to reach the server.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// The server's address.
    #[arg(long, env = "TAKEOFF_URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,
    /// The tenant to act for.
    #[arg(long, env = "TAKEOFF_TENANT")]
    pub(super) tenant: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Why a command got no answer that it can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The server cannot be reached, or something in between broke.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses the operation.
    #[error("{0}")]
    Refused(String),
    /// The answer is not what the protocol says.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(String),
}

impl Error {
    /// Whether coming back may help.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// A client of one server.
#[derive(Debug, Clone)]
pub(super) struct Client {
    base: String,
    tenant: Option<String>,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            base: target.url.trim_end_matches('/').to_owned(),
            tenant: target.tenant.clone(),
            http: reqwest::Client::new(),
        }
    }

    fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Unreachable {
            url: self.base.clone(),
            source: source.into(),
        }
    }

    /// Runs a query or a mutation.
    pub(super) async fn run<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Q::ResponseData, Error> {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.base))
            .json(&Q::build_query(variables));
        if let Some(tenant) = &self.tenant {
            request = request.header("x-takeoff-tenant", tenant);
        }
        let answer = request.send().await.map_err(|e| self.unreachable(e))?;
        let bytes = answer.bytes().await.map_err(|e| self.unreachable(e))?;
        let answer: Response<Q::ResponseData> =
            serde_json::from_slice(&bytes).map_err(|e| Error::Protocol(e.to_string()))?;
        data_of(answer)
    }

    /// Puts bytes where an upload's URL says.
    pub(super) async fn put(&self, url: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let url = if url.starts_with('/') {
            format!("{}{url}", self.base)
        } else {
            url.to_owned()
        };
        let sent = self.http.put(url).body(bytes).send().await;
        let answer = sent.map_err(|e| self.unreachable(e))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let text = answer.text().await.map_err(|e| self.unreachable(e))?;
        Err(Error::Refused(format!("the upload was refused: {text}")))
    }
}

fn data_of<D>(answer: Response<D>) -> Result<D, Error> {
    if let Some(errors) = answer.errors.filter(|errors| !errors.is_empty()) {
        let messages: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
        return Err(Error::Refused(messages.join("; ")));
    }
    answer
        .data
        .ok_or_else(|| Error::Protocol("it has neither data nor errors".to_owned()))
}

/// The user errors of a mutation as one refusal, each with its code and path.
pub(super) fn refusal<F: Serialize>(faults: &[F]) -> Result<(), Error> {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let fault = serde_json::to_value(fault).unwrap_or_default();
            let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            let path: Vec<&str> = fault["path"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|p| p.as_str())
                .collect();
            let place = if path.is_empty() {
                String::new()
            } else {
                format!(" at {}", path.join("."))
            };
            format!("{}{place}: {}", text("code"), text("message"))
        })
        .collect();
    if lines.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(lines.join("\n")))
    }
}
