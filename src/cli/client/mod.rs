//! A client of the GraphQL API: what the commands know of a server goes through here.

mod error;
pub(super) mod operations;
mod socket;

use std::fmt;

use clap::Args;
pub(super) use error::{Error, Problem, refusal};
use graphql_client::{GraphQLQuery, Response};

use super::tokens;

/// The server, and who asks it.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// The server's address.
    #[arg(long, env = "TAKEOFF_URL", default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,
    /// The tenant to act for.
    #[arg(long, env = "TAKEOFF_TENANT")]
    pub(super) tenant: Option<String>,
    /// The token that proves who asks; else the one of `takeoff login` for this server.
    #[arg(long, env = "TAKEOFF_TOKEN", hide_env_values = true)]
    pub(super) token: Option<Token>,
    /// Print JSON, errors included.
    #[arg(long)]
    pub(super) json: bool,
}

/// A token. It is not shown.
#[derive(Clone)]
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Token {
    /// As `Authorization` has it.
    fn bearer(&self) -> String {
        format!("Bearer {}", self.0.trim())
    }
}

/// A client of one server.
#[derive(Debug, Clone)]
pub(super) struct Client {
    base: String,
    tenant: Option<String>,
    token: Option<Token>,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(target: &Target) -> Self {
        Self {
            base: target.url.trim_end_matches('/').to_owned(),
            tenant: target.tenant.clone(),
            token: target
                .token
                .clone()
                .or_else(|| tokens::find(&target.url).map(Token)),
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
        if let Some(token) = &self.token {
            request = request.header("authorization", token.bearer());
        }
        let answer = request.send().await.map_err(|e| self.unreachable(e))?;
        let bytes = answer.bytes().await.map_err(|e| self.unreachable(e))?;
        let answer: Response<Q::ResponseData> =
            serde_json::from_slice(&bytes).map_err(|e| Error::Protocol(e.to_string()))?;
        data_of(answer)
    }

    /// A link that the server gave, whether it is absolute or a path.
    fn resolved(&self, url: &str) -> String {
        if url.starts_with('/') {
            format!("{}{url}", self.base)
        } else {
            url.to_owned()
        }
    }

    /// Puts bytes where an upload's URL says.
    pub(super) async fn put(&self, url: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let sent = self.http.put(self.resolved(url)).body(bytes).send().await;
        let answer = sent.map_err(|e| self.unreachable(e))?;
        self.checked(answer).await.map(drop)
    }

    /// Begins to fetch what a download's URL gives.
    pub(super) async fn get(&self, url: &str) -> Result<reqwest::Response, Error> {
        let sent = self.http.get(self.resolved(url)).send().await;
        let answer = sent.map_err(|e| self.unreachable(e))?;
        self.checked(answer).await
    }

    async fn checked(&self, answer: reqwest::Response) -> Result<reqwest::Response, Error> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.text().await.map_err(|e| self.unreachable(e))?;
        Err(Error::Refused(vec![Problem::of_body(status, &text)]))
    }
}

fn data_of<D>(answer: Response<D>) -> Result<D, Error> {
    if let Some(errors) = answer.errors.filter(|errors| !errors.is_empty()) {
        return Err(Error::Refused(errors.iter().map(Problem::of).collect()));
    }
    answer
        .data
        .ok_or_else(|| Error::Protocol("it has neither data nor errors".to_owned()))
}
