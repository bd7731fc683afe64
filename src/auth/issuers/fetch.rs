//! Asking an issuer for its keys: OpenID Connect Discovery 1.0, section 4, then the JWK set that it names.
//! Whatever comes back is bounded in size and time.

use std::time::Duration;

use chrono::DateTime;
use reqwest::{Response, header::DATE, redirect::Policy};
use serde::Deserialize;
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

    async fn keys_named_by(&self, answer: Response) -> Result<Vec<u8>, String> {
        let found: Discovered = serde_json::from_slice(&body(answer).await?)
            .map_err(|fault| format!("{} is no discovery document: {fault}", self.discovery))?;
        if found.issuer != self.issuer {
            return Err(format!(
                "{} says that the issuer is {:?}: set url to that",
                self.discovery, found.issuer
            ));
        }
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
