//! Who asks. A [`TenantScope`] is the right to reach one tenant's data, in the database and in the
//! content store; its [`Reach`] says how much of it. A [`Principal`] yields one, and so does a signed link; `tests/it/layers.rs` holds
//! who may make either, so no call reaches a tenant's data without somebody answering for it.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Action, BulkOperation, Execution, Grants, Meter, Reach, Refusal, Schedule, Scope, Webhook,
};

/// A tenant's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantId(Arc<str>);

/// The text cannot name a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant id has 1 to 64 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit"
)]
pub struct TenantIdError;

impl TenantId {
    /// The tenant's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant of a development server that was told no other.
    #[must_use]
    pub fn default_tenant() -> Self {
        static NAME: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());
        Self(Arc::clone(&NAME))
    }

    /// A name that was checked when it was stored.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let begins_well = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        if text.len() > 64 || !begins_well || !text.bytes().all(allowed) {
            return Err(TenantIdError);
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tenant of visitors, a name that none can have.
const VISITORS: &str = "~visitors";

/// The name of callers who need no proof.
const DEVELOPMENT: &str = "development";

/// Whoever a request or a running handler acts for. What is done for a request is counted by its meter.
#[derive(Debug, Clone)]
pub struct Principal {
    tenant: TenantId,
    actor: Arc<str>,
    grants: Grants,
    /// What is the principal's own.
    own: Reach,
    /// True for a person, to whom belongs whatever they begin.
    is_user: bool,
    /// What attempts may do that act for the principal; none where that is what the principal may do.
    attempts: Option<Grants>,
    meter: Option<Arc<Meter>>,
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.tenant == other.tenant
            && self.actor == other.actor
            && self.grants == other.grants
            && self.own == other.own
            && self.attempts == other.attempts
    }
}

impl Eq for Principal {}

impl Principal {
    /// The identity of every caller while the server listens on loopback only: it may do everything.
    #[must_use]
    pub(crate) fn development(tenant: TenantId) -> Self {
        static ACTOR: LazyLock<Arc<str>> = LazyLock::new(|| DEVELOPMENT.into());
        let actor = Arc::clone(&ACTOR);
        Self {
            tenant,
            own: Reach::User(Arc::clone(&actor)),
            actor,
            grants: Grants::all(),
            is_user: false,
            attempts: None,
            meter: None,
        }
    }

    /// Whoever has no proof, where that is enough for something. No tenant is called like theirs.
    #[must_use]
    pub(crate) fn visitor() -> Self {
        Self::proven(TenantId(VISITORS.into()), "visitor", Grants::none())
            .confined(Reach::nothing(), Grants::none())
    }

    /// Returns whether it is one of those.
    #[must_use]
    pub fn is_visitor(&self) -> bool {
        &*self.tenant.0 == VISITORS
    }

    /// Whoever has the machine with the database: what they do there is not checked.
    #[must_use]
    pub(crate) fn operator(tenant: TenantId) -> Self {
        Self::proven(tenant, "operator", Grants::all())
    }

    /// The holder of a proof, for whoever checked it. Their own is what belongs to the user of their name.
    #[must_use]
    pub(crate) fn proven(tenant: TenantId, actor: &str, grants: Grants) -> Self {
        let actor: Arc<str> = actor.into();
        Self {
            tenant,
            own: Reach::User(Arc::clone(&actor)),
            actor,
            grants,
            is_user: false,
            attempts: None,
            meter: None,
        }
    }

    /// The same, if it is a person.
    #[must_use]
    pub(crate) fn of_a_person(self) -> Self {
        Self {
            is_user: true,
            ..self
        }
    }

    /// The same, whose own is what `own` says, and for whom attempts may do what `attempts` says.
    #[must_use]
    pub(crate) fn confined(self, own: Reach, attempts: Grants) -> Self {
        Self {
            own,
            attempts: Some(attempts),
            ..self
        }
    }

    /// Whoever submitted an execution: what its attempts do is done for them, and may be done as far as they
    /// may. The runtime itself where the submitter is not recorded.
    #[must_use]
    pub(crate) fn on_behalf_of(execution: &Execution) -> Self {
        let user = execution.user_id.clone();
        Self {
            tenant: execution.intent.tenant_id.clone(),
            actor: execution.acts_for().into(),
            grants: execution.grants.clone(),
            own: user.map_or(Reach::Session(execution.intent.session_id), Reach::User),
            is_user: false,
            attempts: None,
            meter: None,
        }
    }

    /// Whoever made a schedule: what it submits is submitted for them, and may be done as far as they might then.
    #[must_use]
    pub(crate) fn of_schedule(schedule: &Schedule) -> Self {
        Self {
            tenant: schedule.tenant_id.clone(),
            actor: schedule.created_by.as_str().into(),
            grants: schedule.grants.clone(),
            own: Reach::Session(schedule.session_id),
            is_user: false,
            attempts: None,
            meter: None,
        }
    }

    /// Whoever asked for a bulk operation: it may change what they might then.
    #[must_use]
    pub(crate) fn of_operation(operation: &BulkOperation) -> Self {
        let grants = operation.grants.clone();
        Self::proven(operation.tenant_id.clone(), &operation.created_by, grants)
    }

    /// Whoever made a webhook: it is told what they might read then.
    #[must_use]
    pub(crate) fn of_webhook(webhook: &Webhook) -> Self {
        let grants = webhook.grants.clone();
        Self::proven(webhook.tenant_id.clone(), &webhook.created_by, grants)
    }

    /// The tenant of a test, whatever its name.
    #[cfg(test)]
    pub(crate) fn for_test(tenant: &str) -> Self {
        Self::development(TenantId::stored(tenant))
    }

    /// The tenant this principal belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The name that the log and histories record.
    #[must_use]
    pub fn actor(&self) -> &Arc<str> {
        &self.actor
    }

    /// The principal's own.
    pub fn own(&self) -> &Reach {
        &self.own
    }

    /// The user to whom belongs what this principal begins; none unless it is a person.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.is_user.then_some(&*self.actor)
    }

    /// All that this principal may do.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// What attempts may do that act for this principal.
    #[must_use]
    pub fn grants_of_attempts(&self) -> &Grants {
        self.attempts.as_ref().unwrap_or(&self.grants)
    }

    /// Returns how far the principal may do something.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when they may not at all.
    pub fn check(&self, action: Action) -> Result<Reach, Refusal> {
        self.grants.check(action, &self.own)
    }

    /// Refuses what the principal may not do with whatever the tenant has.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn check_all(&self, action: Action) -> Result<(), Refusal> {
        self.grants.check_all(action)
    }

    /// The sessions in which the principal may submit: those that they may write to, if any of their permissions
    /// ends at what is their own.
    pub fn reach_of_submits(&self) -> Reach {
        if self.is_confined() && !self.grants.permits(Action::WriteSessions) {
            return self.own.clone();
        }
        Reach::Tenant
    }

    /// The last 4 bytes of each execution id that this caller chooses. Those of other tenants, and of users that may
    /// not see each other's executions, have others: nobody can try whether an id of theirs is taken.
    #[must_use]
    pub fn execution_id_suffix(&self) -> [u8; 4] {
        let own = self.reach_of_submits().own_key(String::new());
        let digest = Sha256::new()
            .chain_update("execution id\0")
            .chain_update(self.tenant.as_str())
            .chain_update("\0")
            .chain_update(own)
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// Returns whether it is every caller's, since none needs a proof.
    #[must_use]
    pub fn needs_no_proof(&self) -> bool {
        *self.actor == *DEVELOPMENT
    }

    /// Returns whether it is a token's that a key has handed out.
    #[must_use]
    pub fn is_handed_out(&self) -> bool {
        self.attempts.is_some()
    }

    /// Returns whether what `known` has begun may go on by this proof: of the same caller, who may do no less.
    #[must_use]
    pub fn may_go_on_for(&self, known: &Self) -> bool {
        self.tenant == known.tenant
            && self.actor == known.actor
            && self.grants.covers(&known.grants)
            && (!known.is_confined() || self.own.includes(&known.own))
    }

    /// Returns whether some permission ends at what is the principal's own.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.is_handed_out() || self.grants.are_limited_to_own()
    }

    /// Refuses whoever may submit nothing.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn check_submits(&self) -> Result<(), Refusal> {
        if self.grants.permits_some_submit() {
            return Ok(());
        }
        Err(Refusal::lacking(Action::SubmitIntents))
    }

    /// Refuses to submit an intent of a type that the principal may not submit.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn check_submit(&self, intent_type: &str) -> Result<(), Refusal> {
        if self.grants.permits_submit(intent_type) {
            return Ok(());
        }
        Err(Refusal::Forbidden {
            scope: Scope::Submit(intent_type.into()),
        })
    }

    /// The same, for a request that is bounded by `meter`.
    #[must_use]
    pub fn metered(self, meter: Arc<Meter>) -> Self {
        Self {
            meter: Some(meter),
            ..self
        }
    }

    /// The right to reach the tenant's data.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        TenantScope {
            tenant: self.tenant.clone(),
            grants: self.grants.clone(),
            own: self.own.clone(),
            is_confined: self.is_confined(),
            meter: self.meter.clone(),
        }
    }
}

/// The right to reach one tenant's data, as far as the grants go. A request's scope counts what is read in it.
#[derive(Debug, Clone)]
pub struct TenantScope {
    tenant: TenantId,
    grants: Grants,
    own: Reach,
    is_confined: bool,
    meter: Option<Arc<Meter>>,
}

impl TenantScope {
    /// The right that a signed link gives, for the signer that found its signature good.
    pub(crate) fn of_link(tenant: TenantId) -> Self {
        Self {
            tenant,
            grants: Grants::none(),
            own: Reach::nothing(),
            is_confined: true,
            meter: None,
        }
    }

    /// The scope of a row that the server looks after by itself, as the content of a deleted artifact,
    /// for the storage that read it.
    pub(crate) fn of_row(tenant: TenantId) -> Self {
        Self {
            tenant,
            grants: Grants::none(),
            own: Reach::nothing(),
            is_confined: true,
            meter: None,
        }
    }

    /// Returns how far whoever asks may do something.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when they may not at all.
    pub fn check(&self, action: Action) -> Result<Reach, Refusal> {
        self.grants.check(action, &self.own)
    }

    /// Refuses what whoever asks may not do with whatever the tenant has.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn check_all(&self, action: Action) -> Result<(), Refusal> {
        self.grants.check_all(action)
    }

    /// The part of the tenant's data at which some permission ends, if one does.
    #[must_use]
    pub fn confined_to(&self) -> Option<&Reach> {
        self.is_confined.then_some(&self.own)
    }

    /// The tenant whose data may be reached.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns the meter of the reads in this scope; none where they are the server's own.
    #[must_use]
    pub fn meter(&self) -> Option<&Arc<Meter>> {
        self.meter.as_ref()
    }
}

impl PartialEq for TenantScope {
    fn eq(&self, other: &Self) -> bool {
        self.tenant == other.tenant
    }
}

impl Eq for TenantScope {}

impl Hash for TenantScope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_id_is_checked() {
        for good in ["default", "a", "Team-7.eu_west"] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }
}
