//! Asking an issuer for its keys: OpenID Connect Discovery 1.0, section 4, then the JWK set that it names; and for tokens.
//! Whatever comes back is bounded in size and time.

use std::time::Duration;

use chrono::DateTime;
use reqwest::{
    Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue},
    redirect::Policy,
};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::settings::check_url;
use crate::clock::Clock;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 1 << 20;

/// So far the clocks of the issuer and of this machine may be apart at the start.
const MOST_APART_SECONDS: i64 = 300;

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// Where people log in, and where a code is exchanged for tokens.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    /// Where tokens are given back, if that is possible.
    pub(super) revocation: Option<Url>,
    /// True if it says who it is when it leads a browser back.
    pub(super) names_itself: bool,
    /// Names of the ways in which a client may show its secret; the default is not written down.
    pub(super) methods: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct DiscoveredEndpoints {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// An issuer that is asked.
#[derive(Debug)]
pub(super) struct Source {
    issuer: String,
    discovery: Url,
    http: reqwest::Client,
}

impl Source {
    pub(super) fn new(issuer: &str) -> Result<Self, String> {
        let below = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // Where the keys are is said by the issuer alone.
            .redirect(Policy::none())
            .build();
        Ok(Self {
            issuer: issuer.to_owned(),
            discovery: check_url(&below)?,
            http: http.map_err(|error| format!("the HTTP client cannot be made: {error}"))?,
        })
    }

    /// The keys at the start, when the clocks must agree.
    pub(super) async fn first(&self, clock: &Clock) -> Result<Vec<u8>, String> {
        let answer = self.get(&self.discovery).await?;
        if let Some(apart) = apart(&answer, clock) {
            return Err(format!(
                "the clock of this machine is {apart} s off that of the issuer: set the clock"
            ));
        }
        self.keys_named_by(answer).await
    }

    /// The keys.
    pub(super) async fn keys(&self) -> Result<Vec<u8>, String> {
        let answer = self.get(&self.discovery).await?;
        self.keys_named_by(answer).await
    }

    /// Where people log in.
    pub(super) async fn endpoints(&self) -> Result<Endpoints, String> {
        let answer = self.get(&self.discovery).await?;
        let found: DiscoveredEndpoints = self.discovered(&body(answer).await?)?;
        self.check_issuer(&found.issuer)?;
        let place = |name: &str, url: Option<String>| {
            let url = url.ok_or_else(|| format!("{} has no {name}", self.discovery))?;
            check_url(&url).map_err(|fault| format!("its {name}: {fault}"))
        };
        Ok(Endpoints {
            authorization: place("authorization_endpoint", found.authorization_endpoint)?,
            token: place("token_endpoint", found.token_endpoint)?,
            revocation: found
                .revocation_endpoint
                .and_then(|url| check_url(&url).ok()),
            names_itself: found.authorization_response_iss_parameter_supported,
            methods: found.token_endpoint_auth_methods_supported,
        })
    }

    /// Sends a form and returns the body of the answer, with whether it was accepted.
    pub(super) async fn post(
        &self,
        url: &Url,
        form: String,
        authorization: Option<String>,
    ) -> Result<(bool, Vec<u8>), String> {
        let request = self.http.post(url.clone()).body(form);
        let mut request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            let value = HeaderValue::try_from(authorization);
            let mut value = value.map_err(|_| "the secret of the client cannot be sent")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let sent = request.send().await;
        let answer =
            sent.map_err(|error| format!("{url} does not answer: {}", error.without_url()))?;
        let is_accepted = answer.status().is_success();
        Ok((is_accepted, body(answer).await?))
    }

    fn discovered<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, String> {
        let read = serde_json::from_slice(body);
        read.map_err(|fault| format!("{} is no discovery document: {fault}", self.discovery))
    }

    fn check_issuer(&self, named: &str) -> Result<(), String> {
        if named == self.issuer {
            return Ok(());
        }
        Err(format!(
            "{} says that the issuer is {named:?}: set url to that",
            self.discovery
        ))
    }

    async fn keys_named_by(&self, answer: Response) -> Result<Vec<u8>, String> {
        let found: Discovered = self.discovered(&body(answer).await?)?;
        self.check_issuer(&found.issuer)?;
        let place = check_url(&found.jwks_uri).map_err(|fault| format!("its jwks_uri: {fault}"))?;
        body(self.get(&place).await?).await
    }

    async fn get(&self, url: &Url) -> Result<Response, String> {
        let sent = self.http.get(url.clone()).send().await;
        // Without the URL, which comes before.
        let answer =
            sent.map_err(|error| format!("{url} does not answer: {}", error.without_url()))?;
        if !answer.status().is_success() {
            return Err(format!("{url} answers {}", answer.status()));
        }
        Ok(answer)
    }
}

/// The seconds that the clocks are apart, if they are too many.
fn apart(answer: &Response, clock: &Clock) -> Option<i64> {
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    let theirs = DateTime::parse_from_rfc2822(date).ok()?.timestamp();
    let apart = (clock.now() / 1_000_000).abs_diff(theirs);
    let apart = i64::try_from(apart).unwrap_or(i64::MAX);
    (apart > MOST_APART_SECONDS).then_some(apart)
}

async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    loop {
        let part = answer.chunk().await;
        match part.map_err(|error| format!("the answer breaks off: {}", error.without_url()))? {
            Some(part) if all.len() + part.len() <= MAX_BYTES => all.extend_from_slice(&part),
            Some(_) => return Err(format!("an answer of it has more than {MAX_BYTES} bytes")),
            None => return Ok(all),
        }
    }
}
