//! People who log in at an issuer: an authorization code with PKCE (RFC 6749, section 4.1; RFC 7636), which the server
//! exchanges for tokens.

use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore};
use url::{Url, form_urlencoded};

use super::{
    fetch::{Endpoints, Source},
    settings::LoginSettings,
};

/// The time for which what an issuer says of itself is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);
/// An issuer that did not say is not asked again for so long.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// Forms that are sent to one issuer at the same time.
const AT_ONCE: usize = 4;

/// Characters of what an issuer says that are written down.
const MAX_WORDS_CHARS: usize = 200;

/// Why an issuer has given no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginFault {
    /// The issuer does not answer, or not as it should.
    #[error("the issuer cannot be asked: {0}")]
    Unavailable(String),
    /// The issuer gives no token.
    #[error("the issuer gives no token: {0}")]
    Refused(String),
}

/// What a login asks for.
pub(in crate::auth) struct Asked<'a> {
    /// Where the issuer sends the browser back to.
    pub(in crate::auth) redirect_uri: &'a str,
    /// Comes back with the code.
    pub(in crate::auth) state: &'a str,
    /// Comes back in the ID token.
    pub(in crate::auth) nonce: &'a str,
    /// Of which the issuer gets a digest, and what exchanges the code the whole.
    pub(in crate::auth) verifier: &'a str,
}

/// What an issuer gives.
pub(in crate::auth) struct Tokens {
    /// What proves who it is.
    pub(in crate::auth) proof: String,
    /// True if that is the ID token.
    pub(in crate::auth) is_id_token: bool,
    /// What gives another one.
    pub(in crate::auth) refresh: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    id_token: Option<String>,
    refresh_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A client of an issuer.
#[derive(Debug)]
pub(in crate::auth) struct Login {
    settings: LoginSettings,
    source: Source,
    /// Who asks while another asks waits for the same.
    endpoints: Mutex<Remembered>,
    turns: Semaphore,
}

/// What an issuer has said of itself.
#[derive(Debug, Default)]
struct Remembered {
    asked_at: Option<Instant>,
    /// What it said last.
    found: Option<Endpoints>,
    /// Why it has not said it again.
    fault: Option<String>,
}

impl Login {
    pub(super) fn new(issuer: &str, settings: LoginSettings) -> Result<Self, String> {
        Ok(Self {
            settings,
            source: Source::new(issuer)?,
            endpoints: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// The last part of the address to which the issuer leads back: the name, of letters, digits and hyphens. No two
    /// issuers have the same, so that what one of them leads back to is not taken for another's.
    pub(in crate::auth) fn place(&self) -> String {
        place_of(&self.settings.name)
    }

    /// Returns whether the issuer says who it is when it leads back (RFC 9207).
    pub(in crate::auth) async fn names_itself(&self) -> Result<bool, LoginFault> {
        Ok(self.endpoints().await?.names_itself)
    }

    /// The address at which the browser logs in.
    pub(in crate::auth) async fn address(&self, asked: &Asked<'_>) -> Result<Url, LoginFault> {
        let mut address = self.endpoints().await?.authorization;
        let digest = Sha256::digest(asked.verifier.as_bytes());
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", asked.redirect_uri)
            .append_pair("scope", &self.settings.scope)
            .append_pair("state", asked.state)
            .append_pair("nonce", asked.nonce)
            .append_pair("code_challenge", &BASE64URL_NOPAD.encode(&digest))
            .append_pair("code_challenge_method", "S256");
        if let Some(audience) = &self.settings.audience {
            address
                .query_pairs_mut()
                .append_pair("audience", audience)
                .append_pair("resource", audience);
        }
        Ok(address)
    }

    /// The tokens for a code.
    pub(in crate::auth) async fn exchange(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Tokens, LoginFault> {
        self.ask(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ])
        .await
    }

    /// Fresh tokens.
    pub(in crate::auth) async fn refresh(&self, token: &str) -> Result<Tokens, LoginFault> {
        self.ask(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    /// Gives a refresh token back (RFC 7009), where the issuer takes it.
    pub(in crate::auth) async fn revoke(&self, token: &str) -> Result<(), LoginFault> {
        let endpoints = self.endpoints().await?;
        let Some(place) = endpoints.revocation.clone() else {
            return Ok(());
        };
        let pairs = [("token", token), ("token_type_hint", "refresh_token")];
        let (is_accepted, _) = self.post(&endpoints, &place, &pairs).await?;
        let refused = || LoginFault::Refused("it does not take the token back".to_owned());
        is_accepted.then_some(()).ok_or_else(refused)
    }

    async fn ask(&self, pairs: &[(&str, &str)]) -> Result<Tokens, LoginFault> {
        let endpoints = self.endpoints().await?;
        let settings = &self.settings;
        let mut pairs = pairs.to_vec();
        if let Some(audience) = &settings.audience {
            pairs.push(("resource", audience));
        }
        let (is_accepted, body) = self.post(&endpoints, &endpoints.token, &pairs).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| LoginFault::Unavailable("its answer is no JSON object".to_owned()))?;
        if !is_accepted || answer.error.is_some() {
            let why = answer.error_description.or(answer.error);
            return Err(LoginFault::Refused(plain(&why.unwrap_or_default())));
        }
        let is_id_token = settings.is_by_id_token;
        let (proof, name) = if is_id_token {
            (answer.id_token, "id_token")
        } else {
            (answer.access_token, "access_token")
        };
        let lacks = || LoginFault::Refused(format!("its answer has no {name}"));
        Ok(Tokens {
            proof: proof.ok_or_else(lacks)?,
            is_id_token,
            refresh: answer.refresh_token,
        })
    }

    /// Sends a form as this client.
    async fn post(
        &self,
        endpoints: &Endpoints,
        place: &Url,
        pairs: &[(&str, &str)],
    ) -> Result<(bool, Vec<u8>), LoginFault> {
        let (form, authorization) = self.form(endpoints, pairs);
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let sent = self.source.post(place, form, authorization);
        sent.await.map_err(LoginFault::Unavailable)
    }

    /// A form with what shows that it is this client's, and the header that does so otherwise.
    fn form(&self, endpoints: &Endpoints, pairs: &[(&str, &str)]) -> (String, Option<String>) {
        let settings = &self.settings;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        match &settings.client_secret {
            Some(secret) if is_by_header(endpoints) => {
                return (form.finish(), Some(basic(&settings.client_id, secret)));
            }
            Some(secret) => {
                form.append_pair("client_id", &settings.client_id)
                    .append_pair("client_secret", secret);
            }
            None => {
                form.append_pair("client_id", &settings.client_id);
            }
        }
        (form.finish(), None)
    }

    async fn endpoints(&self) -> Result<Endpoints, LoginFault> {
        let mut known = self.endpoints.lock().await;
        let pause = match known.fault {
            Some(_) => LEFT_ALONE,
            None => REMEMBERED,
        };
        if known.asked_at.is_none_or(|at| at.elapsed() >= pause) {
            match self.source.endpoints().await {
                Ok(found) => {
                    known.found = Some(found);
                    known.fault = None;
                }
                Err(why) => known.fault = Some(why),
            }
            known.asked_at = Some(Instant::now());
        }
        let why = || LoginFault::Unavailable(known.fault.clone().unwrap_or_default());
        known.found.clone().ok_or_else(why)
    }
}

/// The part of an address that stands for a name.
pub(super) fn place_of(name: &str) -> String {
    let mut place = String::new();
    for char in name.chars().flat_map(char::to_lowercase) {
        if char.is_ascii_alphanumeric() {
            place.push(char);
        } else if !place.is_empty() && !place.ends_with('-') {
            place.push('-');
        }
    }
    place.trim_end_matches('-').to_owned()
}

/// The words of an issuer, for the log.
fn plain(text: &str) -> String {
    let plain = text.chars().filter(|char| !char.is_control());
    plain.take(MAX_WORDS_CHARS).collect()
}

/// An issuer that does not say how takes the secret in the header (OpenID Connect Discovery 1.0, section 3).
fn is_by_header(endpoints: &Endpoints) -> bool {
    let methods = endpoints.methods.as_ref();
    methods.is_none_or(|all| all.iter().any(|method| method == "client_secret_basic"))
}

/// Both are encoded as in a form first (RFC 6749, section 2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    format!("Basic {}", BASE64.encode(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_name_is_plain() {
        for (name, place) in [
            ("Acme", "acme"),
            ("login.acme.example", "login-acme-example"),
            ("  Acme & Söhne! ", "acme-s-hne"),
            ("日本", ""),
        ] {
            assert_eq!(place_of(name), place);
        }
    }

    #[test]
    fn the_secret_of_a_client_is_encoded_before_it_is_sent() {
        let encoded = basic("a:b", "c d%");
        let text = BASE64.decode(encoded.strip_prefix("Basic ").unwrap().as_bytes());
        assert_eq!(text.unwrap(), b"a%3Ab:c+d%25");
    }
}
