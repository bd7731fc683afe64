//! What removals have in common: the log is trimmed, and what its removed entries told of artifacts that stay is told
//! again.

use std::collections::BTreeMap;

use entity::removed_entry;
use uuid::Uuid;

use super::{
    super::retention::{Ended, Kept},
    ops::EndedRow,
    working::Working,
};
use crate::model::{ArtifactId, Cursor, EventBody, Materialization, RemovedEntry, TenantId};

/// Entries of a tenant's log that are removed with their streams.
#[derive(Debug, Clone, Default)]
pub(in crate::storage) struct RemovedLog {
    /// The place of the last one.
    pub(in crate::storage) last: Cursor,
    /// Those whose hashes stay; none where the log is not signed.
    pub(in crate::storage) entries: Vec<RemovedEntry>,
}

/// An artifact whose registration, or a change of it, is in a stream that is removed.
#[derive(Debug, Clone)]
pub(in crate::storage) struct RetoldArtifact {
    pub(in crate::storage) id: ArtifactId,
    pub(in crate::storage) parents: Vec<ArtifactId>,
    pub(in crate::storage) materializations: Vec<Materialization>,
    /// Who registered it.
    pub(in crate::storage) actor: String,
}

/// The rows that retention removes, by table, and what it leaves of them.
#[derive(Debug, Default)]
pub(super) struct Removals {
    pub(super) executions: Vec<Uuid>,
    /// The keys of children that are removed.
    pub(super) child_keys: Vec<(TenantId, String)>,
    /// Whatever else has ended.
    pub(super) ended: Vec<(TenantId, Ended, EndedRow)>,
    /// What is kept under checkpoints.
    pub(super) kept: Vec<Kept>,
    pub(super) entries: Vec<removed_entry::Model>,
    /// The last place of a tenant's log at which an entry was removed.
    pub(super) trims: BTreeMap<TenantId, Cursor>,
}

impl Removals {
    pub(super) fn is_empty(&self) -> bool {
        self.trims.is_empty() && self.kept.is_empty()
    }
}

impl Working {
    /// Removes entries of a tenant's log; their streams are removed by whoever asks for it.
    pub(super) fn trim(&mut self, tenant: &TenantId, log: &RemovedLog) {
        let removals = &mut self.changes.removals;
        let trimmed = removals.trims.entry(tenant.clone()).or_default();
        *trimmed = (*trimmed).max(log.last);
        let entries = log.entries.iter().cloned();
        removals.entries.extend(entries.map(Into::into));
    }

    /// Tells artifacts in their own streams, as they are now.
    pub(super) fn retell(&mut self, artifacts: &[RetoldArtifact]) {
        for retold in artifacts {
            let Some(row) = self.artifacts.see(&retold.id) else {
                continue;
            };
            let body = EventBody::ArtifactRegistered {
                artifact: row.artifact.clone(),
                parents: retold.parents.clone(),
                materializations: retold.materializations.clone(),
                actor: retold.actor.clone(),
            };
            self.append_to_artifact(retold.id, body);
        }
    }
}
