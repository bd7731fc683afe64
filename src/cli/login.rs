//! `takeoff login`: a token of an issuer by a device code (RFC 8628), kept for one server.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::Args;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

use super::{
    output,
    tokens::{self, Kept},
};
use crate::clock::Clock;

/// An issuer that says nothing else is asked so often.
const INTERVAL_SECONDS: u64 = 5;
/// Each answer of an issuer comes within this time.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where to log in, and for which server.
#[derive(Debug, Clone, Args)]
pub(super) struct Login {
    /// The issuer of the tokens.
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The id by which the issuer knows this client.
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// The service that the token is for, where the issuer wants to know; sent as audience and as resource.
    #[arg(long)]
    audience: Option<String>,
    /// Further scopes to ask for, with spaces between.
    #[arg(long)]
    scope: Option<String>,
    /// The server that the token is kept for; it is sent to no other.
    #[arg(long, env = "TAKEOFF_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

/// The server whose token is forgotten.
#[derive(Debug, Clone, Args)]
pub(super) struct Logout {
    /// The server.
    #[arg(long, env = "TAKEOFF_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

#[derive(Deserialize)]
struct Discovered {
    device_authorization_endpoint: Option<String>,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Authorised {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<i64>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Login {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let issuer = self.issuer.trim_end_matches('/');
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let http = http.context("the HTTP client cannot be made")?;
        let place = format!("{issuer}/.well-known/openid-configuration");
        let found: Discovered = read(http.get(&place), "the issuer").await?;
        let Some(device_endpoint) = found.device_authorization_endpoint else {
            bail!("{issuer} gives no device codes; pass a token by --token or TAKEOFF_TOKEN");
        };
        let form = self.form();
        let device: Authorised = read(post(&http, &device_endpoint, &form), "the issuer").await?;
        let page = device.verification_uri_complete.as_ref();
        let page = page.unwrap_or(&device.verification_uri);
        output::say_text(&format!(
            "open {page} and confirm the code {}",
            device.user_code
        ));
        let answer = self.wait(&http, &found.token_endpoint, &device).await?;
        let token = answer.access_token.context("the issuer gave no token")?;
        let lasts = answer.expires_in.unwrap_or(i64::MAX);
        let now = Clock::System.now() / 1_000_000;
        let kept = Kept {
            token,
            expires_at_s: now.saturating_add(lasts),
        };
        let file = tokens::keep(&self.url, Some(kept))?;
        output::say_text(&format!("logged in; the token is in {}", file.display()));
        Ok(ExitCode::SUCCESS)
    }

    fn form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id);
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        if let Some(audience) = &self.audience {
            form.append_pair("audience", audience)
                .append_pair("resource", audience);
        }
        form.finish()
    }

    /// Asks until the user has confirmed or refused.
    async fn wait(
        &self,
        http: &reqwest::Client,
        endpoint: &str,
        device: &Authorised,
    ) -> anyhow::Result<Answer> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
            .append_pair("device_code", &device.device_code)
            .append_pair("client_id", &self.client_id)
            .finish();
        let mut interval = Duration::from_secs(device.interval.unwrap_or(INTERVAL_SECONDS).max(1));
        let end = Instant::now() + Duration::from_secs(device.expires_in);
        loop {
            sleep(interval).await;
            ensure!(Instant::now() < end, "the code was not confirmed in time");
            let sent = post(http, endpoint, &form).send().await;
            let answer = sent.context("the issuer does not answer")?;
            let answer: Answer = answer
                .json()
                .await
                .context("the issuer's answer is no JSON")?;
            match answer.error.as_deref() {
                None => return Ok(answer),
                Some("authorization_pending") => {}
                Some("slow_down") => interval += Duration::from_secs(INTERVAL_SECONDS),
                Some(error) => {
                    let why = answer.error_description.as_deref().unwrap_or(error);
                    bail!("the issuer refuses: {why}");
                }
            }
        }
    }
}

impl Logout {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        tokens::keep(&self.url, None)?;
        output::say_text("the token is forgotten; what it allows ends with it at the issuer");
        Ok(ExitCode::SUCCESS)
    }
}

fn post(http: &reqwest::Client, url: &str, form: &str) -> reqwest::RequestBuilder {
    http.post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.to_owned())
}

async fn read<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    who: &str,
) -> anyhow::Result<T> {
    let sent = request.send().await;
    let answer = sent.with_context(|| format!("{who} does not answer"))?;
    let status = answer.status();
    ensure!(
        status.is_success(),
        "{who} answers {status} to {}",
        answer.url()
    );
    let read = answer.json().await;
    read.with_context(|| format!("the answer of {who} cannot be read"))
}
