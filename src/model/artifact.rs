//! Artifacts: the canonical output of intents. Identity, meaning (the semantic descriptor) and
//! storage (materializations) are three separate things.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ArtifactId, ExecutionId, IntentId, MaterializationId, Micros, RawJson, SessionId, TenantId,
};

/// Where an artifact is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ArtifactState {
    /// Registered, not yet a record of fact.
    Pending,
    /// Usable.
    Ready,
    /// Could not be made.
    Failed,
    /// Put away; still resolves.
    Archived,
    /// A tombstone that keeps lineage whole.
    Deleted,
}

impl ArtifactState {
    /// Every state, in the order of [`Self::code`].
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Ready,
        Self::Failed,
        Self::Archived,
        Self::Deleted,
    ];

    /// Returns whether an artifact may go from this state to `next`.
    #[must_use]
    pub fn can_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Ready | Self::Failed)
                | (Self::Ready, Self::Archived)
                | (Self::Archived, Self::Ready | Self::Deleted)
                | (Self::Failed, Self::Deleted)
        )
    }

    /// The steps from this state to the end of the life.
    #[must_use]
    pub fn steps_to_deleted(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Failed, Self::Deleted],
            Self::Ready => &[Self::Archived, Self::Deleted],
            Self::Archived | Self::Failed => &[Self::Deleted],
            Self::Deleted => &[],
        }
    }

    /// The name that clients know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
            Self::Archived => "ARCHIVED",
            Self::Deleted => "DELETED",
        }
    }

    /// Returns whether an artifact in this state resolves.
    #[must_use]
    pub fn resolves(self) -> bool {
        matches!(self, Self::Ready | Self::Archived)
    }

    /// The number that the database keeps.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The state with that number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// An artifact as it stands, without its materializations, parents and history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// Its kind, e.g. `parsed_content`.
    pub artifact_type: String,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The session of the execution that produced it.
    pub session_id: SessionId,
    /// The execution that produced it.
    pub execution_id: ExecutionId,
    /// The intent that produced it.
    pub intent_id: IntentId,
    /// The type of that intent.
    pub intent_type: String,
    /// Where it is in its life.
    pub state: ArtifactState,
    /// Its meaning: schema, record count, parser; open JSON, never storage facts.
    pub semantic_descriptor: RawJson,
    /// A name for people.
    pub display_name: Option<String>,
    /// Who it belongs to, as the handler says.
    pub owner: Option<String>,
    /// Its purpose, as the handler says.
    pub purpose: Option<String>,
    /// 0 without parents, else one more than the highest of theirs.
    pub generation: i64,
    /// The artifacts without parents it descends from, itself when it has none; at most 100.
    pub roots: Vec<ArtifactId>,
    /// SHA-256 (hex) of what was registered, to tell a repetition from another content.
    pub content_hash: String,
    /// Grows by one with every change of state, from 1 at registration.
    pub version: i64,
    /// Sequence of the next entry in its own stream of the log.
    pub next_seq: i64,
    /// When it was registered.
    pub created_at: Micros,
    /// When it last changed state.
    pub updated_at: Micros,
    /// The user of the execution that produced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Arc<str>>,
}

/// One stored form of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Materialization {
    /// Its id.
    pub id: MaterializationId,
    /// The artifact it is a form of.
    pub artifact_id: ArtifactId,
    /// `content` for the content store.
    pub storage_type: String,
    /// Where it is, in terms of the storage type.
    pub uri: String,
    /// The form of the bytes, e.g. `csv`, `ndjson`.
    pub format: String,
    /// Their compression, if they are compressed.
    pub compression: Option<String>,
    /// Their number.
    pub size_bytes: i64,
    /// Their SHA-256 in hex.
    pub digest: String,
    /// When it was recorded.
    pub created_at: Micros,
}

/// One step of an artifact's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactTransition {
    /// The artifact.
    pub artifact_id: ArtifactId,
    /// The state before; none at registration.
    pub from: Option<ArtifactState>,
    /// The state after.
    pub to: ArtifactState,
    /// The time.
    pub at: Micros,
    /// The actor.
    pub actor: String,
    /// Why, if a reason was given.
    pub reason: Option<String>,
}

/// An artifact that a handler wants registered when its execution completes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewArtifact {
    /// The id it will have; derived from what makes it, so that a repetition finds it.
    pub id: ArtifactId,
    /// Its kind.
    pub artifact_type: String,
    /// PENDING or READY.
    pub state: ArtifactState,
    /// Its meaning.
    pub semantic_descriptor: RawJson,
    /// The artifacts that it was made from; each exists already in the same tenant.
    pub parents: Vec<ArtifactId>,
    /// Its stored forms.
    pub materializations: Vec<NewMaterialization>,
    /// A name for people.
    pub display_name: Option<String>,
    /// Who it belongs to.
    pub owner: Option<String>,
    /// Its purpose.
    pub purpose: Option<String>,
}

/// A stored form of an artifact to be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMaterialization {
    /// `content` for the content store.
    pub storage_type: String,
    /// Where it is.
    pub uri: String,
    /// The form of the bytes.
    pub format: String,
    /// Their compression, if they are compressed.
    pub compression: Option<String>,
    /// Their number.
    pub size_bytes: i64,
    /// Their SHA-256 in hex.
    pub digest: String,
}

/// A change of state that a handler or a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionRequest {
    /// The artifact.
    pub artifact_id: ArtifactId,
    /// The wanted state.
    pub to: ArtifactState,
    /// Who asks.
    pub actor: String,
    /// The reason.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ArtifactState::{Archived, Deleted, Failed, Pending, Ready};

    #[test]
    fn exactly_the_six_transitions_of_the_contract_are_allowed() {
        let allowed = [
            (Pending, Ready),
            (Pending, Failed),
            (Ready, Archived),
            (Archived, Ready),
            (Archived, Deleted),
            (Failed, Deleted),
        ];
        for from in ArtifactState::ALL {
            for to in ArtifactState::ALL {
                assert_eq!(
                    from.can_become(to),
                    allowed.contains(&(from, to)),
                    "{from:?} {to:?}"
                );
            }
        }
    }
}
