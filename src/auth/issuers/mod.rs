//! Tokens of issuers that the server trusts: JWTs (RFC 7519) by OpenID Connect or with keys from a file.
//!
//! Invariant: nothing of a token counts before its signature was found good by a key of the issuer that it
//! names, under an algorithm that is allowed for that issuer; and no token makes an issuer be asked more often
//! than [`keys::UNKNOWN_EVERY`].

mod fetch;
mod keys;
mod login;
mod settings;

use std::sync::Arc;

use futures::future::join_all;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use login::LoginFault;
pub(crate) use settings::check_url;
pub use settings::{IssuerSettings, LoginSettings, TenantSource};

pub(super) use self::login::{Asked, Login, Tokens};
use self::{keys::IssuerKeys, login::place_of, settings::Checked};
use super::{Roles, is_actor_of_token, revocation::Revocation};
use crate::{
    clock::Clock,
    model::{Grants, KeyRights, Micros, TenantId},
};

/// Most values of a claim that names roles.
const MAX_ROLES: usize = 100;

/// An issuer cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the issuer {url}: {reason}")]
pub struct IssuerError {
    url: String,
    reason: String,
}

/// The issuers that are trusted.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Issuer>);

#[derive(Debug)]
struct Issuer {
    checked: Checked,
    keys: IssuerKeys,
    login: Option<Login>,
}

/// The holder of a token that was found good.
#[derive(Debug)]
pub(super) struct TokenHolder {
    pub(super) tenant: TenantId,
    pub(super) actor: String,
    pub(super) grants: Grants,
    pub(super) expires_at: Micros,
    /// Comes when the issuer takes the key back by which the token is signed.
    pub(super) revocation: Arc<Revocation>,
}

/// Why a token proves nothing; for the log.
pub(super) type Reason = &'static str;

#[derive(Deserialize)]
struct Named {
    iss: String,
}

impl Issuers {
    /// Issuers with the keys that they have now.
    ///
    /// # Errors
    /// When one is faulty, has no key that can be used, does not answer, or has another time.
    pub async fn start(
        all: Vec<IssuerSettings>,
        roles: &Roles,
        clock: &Clock,
    ) -> Result<Self, IssuerError> {
        let mut issuers = Vec::new();
        for settings in all {
            let url = settings.url.clone();
            let failed = |reason| IssuerError { url, reason };
            let issuer = Issuer::start(settings, roles, clock).await;
            issuers.push(issuer.map_err(failed)?);
        }
        let mut urls: Vec<&str> = issuers.iter().map(|it| it.checked.url.as_str()).collect();
        urls.sort_unstable();
        if let Some(pair) = urls.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(IssuerError {
                url: pair[0].to_owned(),
                reason: "it is configured twice".to_owned(),
            });
        }
        let issuers = Self(issuers);
        issuers.check_logins()?;
        Ok(issuers)
    }

    /// What one issuer leads back to must not be taken for another's.
    fn check_logins(&self) -> Result<(), IssuerError> {
        let mut places = std::collections::HashSet::new();
        for (url, name) in self.logins() {
            let place = place_of(name);
            let reason = if place.is_empty() {
                "set name of console to one with letters or digits"
            } else if !places.insert(place) {
                "another issuer has the same name: set name of console"
            } else {
                continue;
            };
            return Err(IssuerError {
                url: url.to_owned(),
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The issuers at which people log in: the identifier of each, and what people know it by.
    pub(super) fn logins(&self) -> impl Iterator<Item = (&str, &str)> {
        let with = self
            .0
            .iter()
            .filter_map(|it| Some((it, it.login.as_ref()?)));
        with.map(|(issuer, login)| (issuer.checked.url.as_str(), login.name()))
    }

    /// The login of an issuer, if there is one.
    pub(super) fn login(&self, url: &str) -> Option<&Login> {
        self.0
            .iter()
            .find(|it| it.checked.url == url)?
            .login
            .as_ref()
    }

    /// Asks the issuers for their keys again.
    pub(super) async fn refresh(&self) {
        join_all(self.0.iter().map(|issuer| issuer.keys.refresh())).await;
    }

    /// The holder of a token.
    pub(super) async fn verify(
        &self,
        token: &str,
        roles: &Roles,
        now: Micros,
    ) -> Result<TokenHolder, Reason> {
        let header = decode_header(token).map_err(|_| "it is not formed like a JWT")?;
        let named: Named = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_| "it names no issuer")?;
        let issuer = self.0.iter().find(|it| it.checked.url == named.iss);
        let issuer = issuer.ok_or("its issuer is not one of auth.issuers")?;
        issuer.verify(token, &header, roles, now).await
    }

    /// The holder of a token that one issuer has given.
    pub(super) async fn verify_of(
        &self,
        url: &str,
        token: &str,
        roles: &Roles,
        now: Micros,
    ) -> Result<TokenHolder, Reason> {
        let header = decode_header(token).map_err(|_| "it is not formed like a JWT")?;
        let issuer = self.0.iter().find(|it| it.checked.url == url);
        let issuer = issuer.ok_or("its issuer is not one of auth.issuers")?;
        issuer.verify(token, &header, roles, now).await
    }
}

impl Issuer {
    async fn start(settings: IssuerSettings, roles: &Roles, clock: &Clock) -> Result<Self, String> {
        let checked = settings.check(roles)?;
        let keys = IssuerKeys::start(&checked, clock).await?;
        let login = checked.login.clone();
        let login = login.map(|settings| Login::new(&checked.url, settings));
        Ok(Self {
            login: login.transpose()?,
            checked,
            keys,
        })
    }

    async fn verify(
        &self,
        token: &str,
        header: &Header,
        roles: &Roles,
        now: Micros,
    ) -> Result<TokenHolder, Reason> {
        if !self.checked.algorithms.contains(&header.alg) {
            return Err("its algorithm is not allowed");
        }
        let kid = header.kid.as_deref().ok_or("it names no key")?;
        let key = self.keys.find(kid).await;
        let key = key.ok_or("its issuer has no such key")?;
        if !key.signs(header.alg) {
            return Err("its key is for another algorithm");
        }
        let decoded = decode::<Map<String, Value>>(token, &key.decoding, &self.validation(header));
        let claims = decoded.map_err(|fault| reason_of(fault.kind()))?.claims;
        let expires_at = self.check_times(&claims, now)?;
        Ok(TokenHolder {
            tenant: self.tenant(&claims)?,
            actor: self.actor(&claims)?,
            grants: self.grants(&claims, roles)?,
            expires_at,
            revocation: Arc::clone(&key.revocation),
        })
    }

    /// The times are checked by the clock of the server.
    fn validation(&self, header: &Header) -> Validation {
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.checked.url]);
        validation.set_audience(&self.checked.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_exp = false;
        validation
    }

    /// When the token ends.
    fn check_times(&self, claims: &Map<String, Value>, now: Micros) -> Result<Micros, Reason> {
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => micros_of(value)
                .map(Some)
                .ok_or("one of its times is no number"),
        };
        let leeway = self.checked.leeway_micros;
        let expires_at = time("exp")?.ok_or("it does not expire")?;
        let expires_at = expires_at.saturating_add(leeway);
        if now >= expires_at {
            return Err("it has expired");
        }
        if time("nbf")?.is_some_and(|begin| now.saturating_add(leeway) < begin) {
            return Err("it is not valid yet");
        }
        Ok(expires_at)
    }

    fn tenant(&self, claims: &Map<String, Value>) -> Result<TenantId, Reason> {
        let (claim, allowed) = match &self.checked.tenant {
            TenantSource::Fixed(tenant) => return Ok(tenant.clone()),
            TenantSource::Claim(claim, allowed) => (claim, allowed),
        };
        let named = claims.get(claim).and_then(Value::as_str);
        let tenant: TenantId = named
            .ok_or("it names no tenant")?
            .parse()
            .map_err(|_| "what it names cannot be a tenant")?;
        if allowed.is_empty() || allowed.contains(&tenant) {
            return Ok(tenant);
        }
        Err("its issuer may not name this tenant")
    }

    fn actor(&self, claims: &Map<String, Value>) -> Result<String, Reason> {
        let actor = claims
            .get(&self.checked.actor_claim)
            .and_then(Value::as_str);
        let actor = actor.ok_or("it names no actor")?;
        if !is_actor_of_token(actor) {
            return Err("what it names cannot be an actor");
        }
        Ok(actor.to_owned())
    }

    fn grants(&self, claims: &Map<String, Value>, roles: &Roles) -> Result<Grants, Reason> {
        let claim = self.checked.roles_claim.as_ref();
        let given = match claim.and_then(|claim| claims.get(claim)) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err("what names its roles is neither text nor a list"),
        };
        if given.len() > MAX_ROLES {
            return Err("it has too many roles");
        }
        let meant = given.iter().filter_map(|role| self.checked.role(role));
        let all = meant.chain(self.checked.default_roles.iter().map(String::as_str));
        let rights = KeyRights {
            roles: all.map(str::to_owned).collect(),
            scopes: Grants::none(),
        };
        let grants = roles.grants(&rights);
        grants.map_err(|_| "its roles name too many intent types")
    }
}

/// Seconds since 1970, which may have a fraction (RFC 7519, section 2).
fn micros_of(seconds: &Value) -> Option<Micros> {
    const MOST: f64 = 9e12;
    let seconds = seconds.as_f64().filter(|it| (0.0..MOST).contains(it))?;
    #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds")]
    let micros = (seconds * 1e6) as Micros;
    Some(micros)
}

fn reason_of(kind: &jsonwebtoken::errors::ErrorKind) -> Reason {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "its signature is not good",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "its issuer is another one",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss or aud",
        ErrorKind::InvalidAlgorithm => "its algorithm is not that of its key",
        _ => "it is not formed like a JWT that can be checked",
    }
}

/// Reads a set of keys, for fuzzing.
#[cfg(any(test, fuzzing))]
pub(super) fn read_keys(bytes: &[u8]) {
    use jsonwebtoken::Algorithm::{ES256, EdDSA, RS256};
    let _ = keys::read(bytes, &[RS256, ES256, EdDSA]);
}
