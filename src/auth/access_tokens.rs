//! Tokens of minutes that a key hands out, each for one session or some executions. They are not stored: a token says
//! by itself what it permits, under a signature, and counts as long as its key does.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{BrowserSessions, KeyText, is_actor_of_token};
use crate::{
    clock::Clock,
    model::{
        Action, ExecutionId, Fault, Grants, KeyId, KeyRing, Micros, Principal, Reach, Refusal,
        RingKey, Scope, SessionId, TenantId, hmac_by,
    },
    storage::{Error, Storage},
};

/// The texts of tokens begin with it.
pub(super) const MARK: &str = "tt_";

/// What the keys serve; no other signature is one of a token.
const PURPOSE: &str = "access tokens";

const TTL_SECONDS: i64 = 300;
const MIN_TTL_SECONDS: i64 = 60;
const MAX_TTL_SECONDS: i64 = 3600;

/// Most executions, and most intent types, of one token.
const MAX_NAMED: usize = 100;

/// A token to be made.
#[derive(Debug, Clone, Default)]
pub struct NewAccessToken {
    /// The session that may be read, and submitted in.
    pub session_id: Option<SessionId>,
    /// The executions that may be read instead.
    pub execution_ids: Vec<ExecutionId>,
    /// The intent types that may be submitted in the session.
    pub intent_types: Vec<String>,
    /// The name that histories record for what is done by it.
    pub actor: Option<String>,
    /// Its life.
    pub ttl_seconds: Option<i64>,
}

/// A token that was made.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// Its text.
    pub text: KeyText,
    /// When it ends.
    pub expires_at: Micros,
    /// What it permits, on its session or executions alone.
    pub grants: Grants,
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The key that handed it out; none where callers need no proof.
    #[serde(rename = "k")]
    pub(super) key: Option<KeyId>,
    #[serde(rename = "t")]
    pub(super) tenant: TenantId,
    #[serde(rename = "a")]
    pub(super) actor: String,
    #[serde(rename = "e")]
    pub(super) expires_at_s: i64,
    #[serde(rename = "g")]
    pub(super) grants: Grants,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    executions: Vec<ExecutionId>,
}

impl Claims {
    /// The part of the tenant's data that it concerns.
    pub(super) fn own(&self) -> Reach {
        match self.session {
            Some(session) => Reach::Session(session),
            None => Reach::Executions(self.executions.as_slice().into()),
        }
    }
}

/// Makes and reads tokens. Clones share the keys.
#[derive(Clone)]
pub struct AccessTokens {
    ring: KeyRing,
    clock: Clock,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens")
    }
}

impl AccessTokens {
    /// Tokens that are signed by the first key of the ring.
    #[must_use]
    pub fn new(ring: KeyRing, clock: Clock) -> Self {
        Self { ring, clock }
    }

    /// Sessions of browsers that are sealed by the same ring.
    pub(super) fn browser_sessions(&self) -> BrowserSessions {
        BrowserSessions::new(self.ring.clone(), self.clock.clone())
    }

    /// Makes a token for one session or some executions of the caller's.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the caller lacks what the token would permit; [`Refusal::InvalidInput`] for a
    /// faulty input, or a caller without a key; [`Refusal::NotFound`] for a session or an execution that is absent.
    pub async fn create(
        &self,
        storage: &Storage,
        principal: &Principal,
        new: NewAccessToken,
    ) -> Result<AccessToken, Error> {
        check_caller(principal)?;
        check_form(&new)?;
        let grants = grants_of(principal, &new)?;
        check_reached(storage, principal, &new).await?;
        let ttl = new.ttl_seconds.unwrap_or(TTL_SECONDS);
        let now_s = self.clock.now().div_euclid(1_000_000);
        let claims = Claims {
            key: principal.actor().parse().ok(),
            tenant: principal.tenant().clone(),
            actor: new.actor.unwrap_or_else(|| principal.actor().to_string()),
            expires_at_s: now_s.saturating_add(ttl),
            grants,
            session: new.session_id,
            executions: new.execution_ids,
        };
        Ok(AccessToken {
            text: KeyText::of_token(self.sign(&claims)),
            expires_at: claims.expires_at_s.saturating_mul(1_000_000),
            grants: claims.grants,
        })
    }

    fn sign(&self, claims: &Claims) -> String {
        // Plain data, which is always JSON.
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let claims = BASE64URL_NOPAD.encode(&claims);
        let key = self.ring.first();
        let mac = mac(key, &claims).finalize().into_bytes();
        format!(
            "{MARK}{}.{claims}.{}",
            key.id(),
            BASE64URL_NOPAD.encode(&mac)
        )
    }

    /// What a token says, if its signature is good; whether it has ended is not looked at.
    pub(super) fn read(&self, text: &str) -> Option<Claims> {
        let mut parts = text.strip_prefix(MARK)?.split('.');
        let (id, claims, given) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let key = self.ring.find(id)?;
        let given = BASE64URL_NOPAD.decode(given.as_bytes()).ok()?;
        // Compares in constant time.
        mac(key, claims).verify_slice(&given).ok()?;
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}

fn mac(key: &RingKey, claims: &str) -> Hmac<Sha256> {
    let mut mac = hmac_by(&key.bytes_for(PURPOSE));
    mac.update(claims.as_bytes());
    mac
}

/// Only a key hands tokens out, so that they end with it.
fn check_caller(principal: &Principal) -> Result<(), Refusal> {
    let has_key = principal.actor().parse::<KeyId>().is_ok() && !principal.is_handed_out();
    if has_key || principal.needs_no_proof() {
        return Ok(());
    }
    let message = "access tokens are handed out by the holder of a key";
    Err(Refusal::InvalidInput(vec![Fault::at([], message)]))
}

fn check_form(new: &NewAccessToken) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    let mut fault = |path: &str, message: String| faults.push(Fault::at([path], message));
    if new.session_id.is_some() != new.execution_ids.is_empty() {
        let message = "name a session or executions, one of the two".to_owned();
        fault("sessionId", message);
    }
    if new.execution_ids.len() > MAX_NAMED {
        fault("executionIds", format!("at most {MAX_NAMED} executions"));
    }
    if new.intent_types.len() > MAX_NAMED {
        fault("intentTypes", format!("at most {MAX_NAMED} intent types"));
    }
    if !new.intent_types.is_empty() && new.session_id.is_none() {
        let message = "intents are submitted in a session: name it".to_owned();
        fault("intentTypes", message);
    }
    if let Some(actor) = &new.actor
        && !is_actor_of_token(actor)
    {
        let message = "an actor has 1 to 255 characters, none of them a control character, and is not named as \
                       a key, operator, development or runtime";
        fault("actor", message.to_owned());
    }
    let ttl = new.ttl_seconds.unwrap_or(TTL_SECONDS);
    if !(MIN_TTL_SECONDS..=MAX_TTL_SECONDS).contains(&ttl) {
        let message = format!("a token lives {MIN_TTL_SECONDS} to {MAX_TTL_SECONDS} seconds");
        fault("ttlSeconds", message);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Refusal::InvalidInput(faults))
    }
}

/// What the token permits: reading, as far as the caller may, and submitting the intent types.
fn grants_of(principal: &Principal, new: &NewAccessToken) -> Result<Grants, Refusal> {
    let mut scopes = Vec::new();
    for (at, intent_type) in new.intent_types.iter().enumerate() {
        let scope = Scope::from_str(&format!("{}:{intent_type}", Action::SubmitIntents));
        let fault = |_| Refusal::invalid(["intentTypes", &at.to_string()], "not an intent type");
        scopes.push(scope.map_err(fault)?);
    }
    let read = [
        Action::ReadSessions,
        Action::ReadExecutions,
        Action::ReadArtifacts,
    ];
    let own = principal.grants();
    let read = read.into_iter().filter(|action| own.permits_own(*action));
    let read: Vec<Action> = read
        .filter(|action| new.session_id.is_some() || *action != Action::ReadSessions)
        .collect();
    if scopes.is_empty() && !read.contains(&Action::ReadExecutions) {
        return Err(Refusal::lacking(Action::ReadExecutions));
    }
    scopes.extend(read.into_iter().map(Scope::Own));
    if let Some(scope) = scopes.iter().find(|scope| !own.contains(scope)) {
        let scope = scope.clone();
        return Err(Refusal::Forbidden { scope });
    }
    let grants = Grants::of(scopes);
    grants.map_err(|fault| Refusal::invalid(["intentTypes"], fault.to_string()))
}

async fn check_reached(
    storage: &Storage,
    principal: &Principal,
    new: &NewAccessToken,
) -> Result<(), Error> {
    let scope = principal.scope();
    if let Some(id) = new.session_id {
        let reach = principal.reach_of_submits();
        let found = storage.find_sessions(&scope, &[id]).await?;
        if storage.reached_sessions(&reach, found).is_empty() {
            return Err(Refusal::not_found("session", "sessionId").into());
        }
        return Ok(());
    }
    let reach = principal.check(Action::ReadExecutions)?;
    let found = storage.find_executions(&scope, &new.execution_ids).await?;
    let reached = storage.reached_executions(&scope, &reach, found).await?;
    let is_reached = |id: &ExecutionId| reached.iter().any(|it| it.id == *id);
    if new.execution_ids.iter().all(is_reached) {
        return Ok(());
    }
    Err(Refusal::not_found("execution", "executionIds").into())
}
