//! People who log in at an issuer to open the console: what is sealed into a cookie while they are there, the session that
//! is begun by what they bring back, and the fresh proofs by which it goes on.
//!
//! Invariant: a code is exchanged only for the browser that has begun the login, which the cookie shows, at the issuer that
//! it was sent to; and what an issuer gives counts only if it is a token of that issuer.

use std::{fmt, net::IpAddr};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    Authenticator, BrowserSession, BrowserSessions, Unproven,
    browser_sessions::Renewal,
    issuers::{Asked, Login, LoginFault, Tokens},
    key_text::secret_text,
};
use crate::model::Micros;

/// What the keys serve.
const PURPOSE: &str = "logins";

/// The time that somebody has at the issuer.
const LIFE_SECONDS: i64 = 600;

/// Cookies of browsers have no more bytes.
const MAX_COOKIE_BYTES: usize = 3_800;

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no login at the issuer.
    #[error("there is no login at this issuer")]
    NoIssuer,
    /// An address is too long for the cookie.
    #[error("the address of the page is too long")]
    TooLong,
    /// The browser has not begun it, or too long ago.
    #[error("the login was not begun by this browser, or too long ago")]
    NotBegun,
    /// The issuer has let nobody in.
    #[error("the issuer has refused: {0}")]
    Denied(String),
    /// The issuer has not given a token.
    #[error(transparent)]
    Fault(#[from] LoginFault),
    /// The token is not good here.
    #[error("the token of the issuer is refused: {0}")]
    Token(&'static str),
    /// Who asks has to wait, or the database is away.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The token is too long for a cookie.
    #[error("the token does not fit into a cookie")]
    TokenTooLong,
}

/// A login that was begun.
pub struct BegunLogin {
    /// Where the browser goes.
    pub address: String,
    /// What it keeps meanwhile.
    pub cookie: String,
}

impl fmt::Debug for BegunLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BegunLogin")
    }
}

/// What the browser brings back from the issuer.
pub struct Returned<'a> {
    /// What it has kept.
    pub cookie: &'a str,
    /// The part of the address that names the issuer.
    pub place: &'a str,
    /// What it was sent there with.
    pub state: &'a str,
    /// Who says so, if the issuer tells (RFC 9207).
    pub issuer: Option<&'a str>,
    /// What is exchanged for tokens, or why there is none.
    pub code: Result<&'a str, &'a str>,
}

impl fmt::Debug for Returned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returned")
    }
}

/// A session that was begun by a login.
pub struct FinishedLogin {
    /// Its text for the cookie.
    pub text: String,
    /// The page that it was begun on.
    pub page: String,
}

impl fmt::Debug for FinishedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinishedLogin")
    }
}

/// What is sealed while somebody is at the issuer.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    issuer: String,
    redirect_uri: String,
    page: String,
    expires_at_s: i64,
}

#[derive(Deserialize)]
struct Nonce {
    nonce: String,
}

/// A token that is good here.
struct Checked {
    expires_at: Micros,
    /// Whose it is, as a digest.
    who: String,
}

impl Authenticator {
    /// The issuers at which people log in to open the console: the identifier of each, and what people know it by.
    #[must_use]
    pub fn logins(&self) -> Vec<(String, String)> {
        let all = self.0.issuers.logins();
        all.map(|(url, name)| (url.to_owned(), name.to_owned()))
            .collect()
    }

    /// Begins a login for a browser at an address. The issuer will send it back to a place below `folder`, and this
    /// server to `page`.
    ///
    /// # Errors
    /// When there is no such issuer, it does not answer, an address is too long, or too many proofs of the browser's
    /// address were bad.
    pub async fn begin_login(
        &self,
        issuer: &str,
        folder: &str,
        page: String,
        from: IpAddr,
    ) -> Result<BegunLogin, LoginError> {
        self.check_attempts(from)?;
        let login = self.login(issuer)?;
        let begun = Begun {
            state: secret_text(),
            nonce: secret_text(),
            verifier: secret_text(),
            issuer: issuer.to_owned(),
            redirect_uri: format!("{folder}{}", login.place()),
            page,
            expires_at_s: self.now_s().saturating_add(LIFE_SECONDS),
        };
        let cookie = self.0.browser_sessions.seal(PURPOSE, &begun);
        let cookie = cookie.filter(|text| text.len() <= MAX_COOKIE_BYTES);
        let cookie = cookie.ok_or(LoginError::TooLong)?;
        let asked = Asked {
            redirect_uri: &begun.redirect_uri,
            state: &begun.state,
            nonce: &begun.nonce,
            verifier: &begun.verifier,
        };
        let address = login.address(&asked).await?.into();
        Ok(BegunLogin { address, cookie })
    }

    /// Begins the session of a browser that comes back from an issuer. An error tells whether the browser had begun
    /// the login.
    ///
    /// # Errors
    /// When the browser has not begun the login, the issuer gives no token for the code, or the token is not good here.
    pub async fn finish_login(
        &self,
        returned: &Returned<'_>,
        from: IpAddr,
    ) -> Result<FinishedLogin, (LoginError, bool)> {
        let attempts = self.check_attempts(from);
        attempts.map_err(|error| (error.into(), false))?;
        let Some(begun) = self.begun(returned) else {
            self.0.attempts.failed(from);
            return Err((LoginError::NotBegun, false));
        };
        let finished = self.finished(&begun, returned, from).await;
        if matches!(finished, Err(LoginError::Fault(_) | LoginError::NotBegun)) {
            self.0.attempts.failed(from);
        }
        finished.map_err(|error| (error, true))
    }

    /// The login that the browser has begun, if that is the one that it comes back from.
    fn begun(&self, returned: &Returned<'_>) -> Option<Begun> {
        let begun = self
            .0
            .browser_sessions
            .opened::<Begun>(PURPOSE, returned.cookie)?;
        let (sent, brought) = (begun.state.as_bytes(), returned.state.as_bytes());
        let is_same: bool = sent.ct_eq(brought).into();
        (is_same && self.now_s() < begun.expires_at_s).then_some(begun)
    }

    async fn finished(
        &self,
        begun: &Begun,
        returned: &Returned<'_>,
        from: IpAddr,
    ) -> Result<FinishedLogin, LoginError> {
        let login = self.login(&begun.issuer)?;
        let is_from = match returned.issuer {
            Some(issuer) => issuer == begun.issuer,
            None => !login.names_itself().await?,
        };
        if !is_from || returned.place != login.place() {
            return Err(LoginError::NotBegun);
        }
        let code = returned
            .code
            .map_err(|why| LoginError::Denied(why.to_owned()))?;
        // Those that waited together were all allowed before the first of them was bad.
        self.check_attempts(from)?;
        let tokens = login
            .exchange(code, &begun.redirect_uri, &begun.verifier)
            .await?;
        let checked = self.checked(&begun.issuer, &tokens).await?;
        if tokens.is_id_token {
            let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Nonce>(&tokens.proof);
            if !claims.is_ok_and(|claims| claims.nonce == begun.nonce) {
                return Err(LoginError::Token("it was not given for this login"));
            }
        }
        let renewal = self.renewal(&begun.issuer, &tokens, tokens.refresh.as_deref(), checked);
        let sessions = &self.0.browser_sessions;
        let opened = sessions.begin_renewed(&tokens.proof, renewal);
        let (text, _) = opened.map_err(|_| LoginError::TokenTooLong)?;
        let page = begun.page.clone();
        Ok(FinishedLogin { text, page })
    }

    /// The same session with a fresh proof of its issuer, and its text for the cookie. A browser that comes with the
    /// cookie of before gets what another request of it was given.
    ///
    /// # Errors
    /// When the session was ended or there is nobody to ask, and those of [`Self::finish_login`].
    pub async fn renew(
        &self,
        session: &BrowserSession,
    ) -> Result<(String, BrowserSession), LoginError> {
        self.check_open(session).await?;
        let (this, session) = (self.clone(), session.clone());
        // A task, since a browser that goes away must not lose what the issuer gives once.
        let renewing = tokio::spawn(async move { this.renewed(&session).await });
        let ended = |_| LoginFault::Unavailable("the node stops".to_owned());
        Ok(renewing.await.map_err(ended)??)
    }

    async fn renewed(
        &self,
        session: &BrowserSession,
    ) -> Result<(String, BrowserSession), LoginFault> {
        let mut last = session.renewed().await;
        if let Some(known) = session.outcome(last.as_ref(), self.clock().now()) {
            return known;
        }
        let Some(renewal) = session.renewal() else {
            return Err(LoginFault::Refused("nothing renews it".to_owned()));
        };
        let outcome = self.asked_for(session, renewal).await;
        let outcome = outcome.map_err(|error| match error {
            LoginError::Fault(fault) => fault,
            other => LoginFault::Refused(other.to_string()),
        });
        *last = Some(BrowserSession::remembered(renewal.token.clone(), &outcome));
        outcome
    }

    async fn asked_for(
        &self,
        session: &BrowserSession,
        renewal: &Renewal,
    ) -> Result<(String, BrowserSession), LoginError> {
        let issuer = &renewal.issuer;
        let tokens = self.login(issuer)?.refresh(&renewal.token).await?;
        let checked = self.checked(issuer, &tokens).await?;
        // An issuer that gives no other one takes the same again (RFC 6749, section 6).
        let refresh = tokens.refresh.as_deref().unwrap_or(&renewal.token);
        if checked.who != renewal.who {
            self.revoke(issuer, refresh);
            return Err(LoginError::Token("it is somebody else's"));
        }
        let next = self.renewal(issuer, &tokens, Some(refresh), checked);
        let sessions = &self.0.browser_sessions;
        let renewed = sessions.renewed(session, &tokens.proof, next);
        let (text, renewed) = renewed.map_err(|_| LoginError::TokenTooLong)?;
        // Whoever has logged out meanwhile has given back what was there before.
        if let Err(error) = self.check_open(&renewed).await {
            self.give_back(&renewed);
            return Err(error.into());
        }
        Ok((text, renewed))
    }

    /// Gives back what a session is renewed by, after it was ended.
    pub(super) fn give_back(&self, session: &BrowserSession) {
        if let Some(renewal) = session.renewal() {
            self.revoke(&renewal.issuer, &renewal.token);
        }
    }

    /// Gives a refresh token back, in a while.
    fn revoke(&self, issuer: &str, token: &str) {
        let (this, issuer, token) = (self.clone(), issuer.to_owned(), token.to_owned());
        tokio::spawn(async move {
            let Ok(login) = this.login(&issuer) else {
                return;
            };
            if let Err(error) = login.revoke(&token).await {
                tracing::info!(%error, "a refresh token was not given back");
            }
        });
    }

    fn login(&self, issuer: &str) -> Result<&Login, LoginError> {
        self.0.issuers.login(issuer).ok_or(LoginError::NoIssuer)
    }

    /// Checks that an issuer's proof is a token of its own, which is good here.
    async fn checked(&self, issuer: &str, tokens: &Tokens) -> Result<Checked, LoginError> {
        let this = &*self.0;
        let now = this.clock.now();
        let holder = this
            .issuers
            .verify_of(issuer, &tokens.proof, &this.roles, now);
        let holder = holder.await.map_err(LoginError::Token)?;
        let who = format!("{}\n{}", holder.tenant, holder.actor);
        let digest: [u8; 32] = Sha256::digest(who.as_bytes()).into();
        Ok(Checked {
            expires_at: holder.expires_at,
            who: HEXLOWER.encode(&digest[..8]),
        })
    }

    /// Asked for when three quarters of the life of the proof are over. What has no room in a cookie is given back.
    fn renewal(
        &self,
        issuer: &str,
        tokens: &Tokens,
        refresh: Option<&str>,
        checked: Checked,
    ) -> Option<Renewal> {
        let token = refresh?;
        if !BrowserSessions::has_room(&tokens.proof, issuer, token) {
            tracing::info!(
                "the tokens of a login are too long for a cookie: its session ends with the first"
            );
            self.revoke(issuer, token);
            return None;
        }
        let (now_s, end_s) = (self.now_s(), checked.expires_at.div_euclid(1_000_000));
        let life = (end_s - now_s).min(self.0.browser_sessions.life_seconds());
        Some(Renewal {
            issuer: issuer.to_owned(),
            token: token.to_owned(),
            at_s: now_s.saturating_add(life * 3 / 4),
            who: checked.who,
        })
    }

    fn now_s(&self) -> i64 {
        self.clock().now().div_euclid(1_000_000)
    }
}
