//! Bulk operations: one change of many executions or artifacts, those that fit a filter.

use serde::{Deserialize, Serialize};

use super::{Action, Grants, Micros, OperationId, RawJson, TenantId, coded::codes};

codes! {
    /// The change that a bulk operation makes.
    OperationKind {
        /// Executions are cancelled, with their children.
        CancelExecutions = 0,
        /// Intents of executions that have ended are run again.
        RerunExecutions = 1,
        /// Artifacts are archived.
        ArchiveArtifacts = 2,
    }
}

impl OperationKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [
        Self::CancelExecutions,
        Self::RerunExecutions,
        Self::ArchiveArtifacts,
    ];

    /// The permission to make the change.
    #[must_use]
    pub fn changes(self) -> Action {
        match self {
            Self::CancelExecutions | Self::RerunExecutions => Action::ControlExecutions,
            Self::ArchiveArtifacts => Action::WriteArtifacts,
        }
    }

    /// The permission to read what is changed.
    #[must_use]
    pub fn reads(self) -> Action {
        match self {
            Self::CancelExecutions | Self::RerunExecutions => Action::ReadExecutions,
            Self::ArchiveArtifacts => Action::ReadArtifacts,
        }
    }
}

codes! {
    /// How far a bulk operation is.
    OperationStatus {
        /// It goes on.
        Running = 0,
        /// It has been through all that fits.
        Completed = 1,
        /// Somebody has stopped it.
        Cancelled = 2,
        /// It could not go on.
        Failed = 3,
    }
}

/// Why one thing was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationRefusal {
    /// The id of the execution or the artifact.
    pub id: String,
    /// The code of the refusal.
    pub code: String,
    /// The refusal in words.
    pub message: String,
}

/// What has become of the things that a bulk operation has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OperationCounts {
    /// Those that it has come to.
    pub matched: i64,
    /// Those that were changed.
    pub done: i64,
    /// Those for which there was nothing to do any more.
    pub skipped: i64,
    /// Those whose change was refused.
    pub refused: i64,
}

/// A bulk operation as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkOperation {
    /// Its id.
    pub id: OperationId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The change that it makes.
    pub kind: OperationKind,
    /// The filter as it was asked for, in the words of the services.
    pub filter: RawJson,
    /// Why, as far as whoever asked has said.
    pub reason: Option<String>,
    /// Who asked; it acts for them.
    pub created_by: String,
    /// What it may do: what whoever asked might when they did.
    pub grants: Grants,
    /// Whether it runs, or how it ended.
    pub status: OperationStatus,
    /// The things that fitted when it began, as far as they were counted, and whether those are all.
    pub expected: i64,
    /// False if there were more than that.
    pub expected_exact: bool,
    /// The place in the list of what fits up to which `batch` goes; none before the first one.
    pub position: Option<String>,
    /// The ids of those that it has come to and is not known to have changed.
    pub batch: Vec<String>,
    /// True once nothing is behind `batch`.
    pub is_walked: bool,
    /// What has become of the things that it has come to.
    pub counts: OperationCounts,
    /// Some of the refusals, the first ones.
    pub refusals: Vec<OperationRefusal>,
    /// Why it could not go on.
    pub error: Option<String>,
    /// When a node looks at it next; none once it has ended.
    pub due_at: Option<Micros>,
    /// Since when it does not go on, as what fits cannot be read, or a type is unknown to the nodes that have tried.
    pub failing_since: Option<Micros>,
    /// Grows with each change of the row: what was decided on an older one is not written.
    pub version: i64,
    /// The number of its next entry in the log.
    pub next_seq: i64,
    /// When it began: it changes what was there by then.
    pub created_at: Micros,
    /// When it last went on.
    pub updated_at: Micros,
    /// When it ended.
    pub finished_at: Option<Micros>,
}
