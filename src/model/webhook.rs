//! Webhooks: addresses outside to which events of a tenant are delivered.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Cursor, ExecutionId, Grants, Micros, SessionId, TenantId, WebhookId, coded::codes};

codes! {
    /// Whether events are delivered to a webhook.
    WebhookStatus {
        /// They are.
        Active = 0,
        /// Somebody has paused it.
        Paused = 1,
        /// The runtime has given it up.
        Disabled = 2,
    }
}

codes! {
    /// Why the runtime has given a webhook up.
    DisabledReason {
        /// Nothing was accepted for too long.
        Failing = 0,
        /// The receiver has answered 410.
        Gone = 1,
    }
}

codes! {
    /// What somebody has done to a webhook.
    WebhookChangeKind {
        /// Its name, its address or its filter was changed.
        Updated = 0,
        /// It was paused.
        Paused = 1,
        /// It was resumed.
        Resumed = 2,
        /// It has another secret.
        SecretRotated = 3,
        /// It goes on from another place.
        Redelivered = 4,
    }
}

/// Which events of a tenant's executions are wanted; all conditions hold together, and an empty list means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Of these types, e.g. `execution.completed`.
    pub types: Vec<String>,
    /// Of executions of intents of these types.
    pub intent_types: Vec<String>,
    /// Of this session.
    pub session_id: Option<SessionId>,
}

/// The sealed secrets by which deliveries are signed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// The present one.
    pub current: String,
    /// The one before, and until when it signs as well.
    pub former: Option<(String, Micros)>,
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecrets")
    }
}

/// How far the deliveries of a webhook are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The place in the tenant's feed up to which every event was acknowledged.
    pub place: Cursor,
    /// The executions some of whose events behind that place were acknowledged, each with the sequence of the last one.
    pub ahead: BTreeMap<ExecutionId, i64>,
    /// The number of times in a row that nothing was acknowledged.
    pub failures: i64,
    /// The first of those times, and later by the time in which nobody tried.
    pub failing_since: Option<Micros>,
    /// When something was last acknowledged.
    pub last_success_at: Option<Micros>,
    /// When something was last not acknowledged.
    pub last_failure_at: Option<Micros>,
    /// Why not: a status, or a short text.
    pub last_failure: Option<String>,
    /// When a node looks at it next; none unless it is active.
    pub due_at: Option<Micros>,
}

/// A webhook as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// A name for people.
    pub name: Option<String>,
    /// Where events are delivered.
    pub url: String,
    /// Which events.
    pub filter: EventFilter,
    /// Whether they are delivered.
    pub status: WebhookStatus,
    /// Why not, where the runtime has given it up.
    pub disabled_reason: Option<DisabledReason>,
    /// Who made it; it reads for them.
    pub created_by: String,
    /// What it may do: what whoever made it might when they did.
    pub grants: Grants,
    /// The secrets that sign.
    pub secrets: WebhookSecrets,
    /// Its place in the feed, and what has failed.
    pub delivery: Delivery,
    /// Grows with each change that somebody makes: whoever delivers begins anew with what it is then.
    pub version: i64,
    /// Grows with each change of its filter, its place or its status: what a round of an older generation has delivered is
    /// not written down.
    pub generation: i64,
    /// The number of its next entry in the log.
    pub next_seq: i64,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed by somebody, or disabled.
    pub updated_at: Micros,
    /// When it was deleted. Then nobody sees it, and retention removes what is left.
    pub deleted_at: Option<Micros>,
}
