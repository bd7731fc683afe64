//! Removes what has ended besides executions.

use uuid::Uuid;

use super::super::{
    super::{
        Error,
        retention::{Ended, session_key},
    },
    operation::{Needs, Operation},
    removal::RemovedLog,
    working::Working,
};
use crate::model::{
    ArtifactId, ArtifactState, Cursor, OperationId, RemovedEntry, TenantId, WebhookId,
};

/// A row that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) struct EndedRow {
    pub(in crate::storage) id: Uuid,
    /// Its stream of the log.
    pub(in crate::storage) stream_id: Uuid,
    /// The number of the next entry of its stream, where that is kept.
    pub(in crate::storage) next_seq: i64,
}

/// Removes rows of one kind, with their streams.
#[derive(Debug, Clone)]
pub(in crate::storage) struct RemoveEnded {
    pub(in crate::storage) tenant: TenantId,
    pub(in crate::storage) kind: Ended,
    pub(in crate::storage) rows: Vec<EndedRow>,
    /// Their entries of the log.
    pub(in crate::storage) entries: Vec<RemovedEntry>,
}

impl RemoveEnded {
    fn is_as_it_was(&self, working: &Working, row: &EndedRow) -> bool {
        match self.kind {
            Ended::ClosedSessions | Ended::ExpiredSessions => {
                let found = working.sessions.see(&session_key(&self.tenant, row));
                found.is_some_and(|found| {
                    !found.session.status.accepts_writes() && found.next_seq == row.next_seq
                })
            }
            Ended::DeletedArtifacts => {
                let found = working.artifacts.see(&ArtifactId(row.id));
                let found = found.map(|found| &found.artifact);
                found.is_some_and(|found| {
                    found.state == ArtifactState::Deleted && found.next_seq == row.next_seq
                })
            }
            Ended::Operations => {
                let found = working.operations.see(&OperationId(row.id));
                let found = found.map(|found| &found.operation);
                found.is_some_and(|found| {
                    found.finished_at.is_some() && found.next_seq == row.next_seq
                })
            }
            Ended::Webhooks => {
                let found = working.webhooks.see(&WebhookId(row.id));
                let found = found.map(|found| &found.webhook);
                found.is_some_and(|found| {
                    found.deleted_at.is_some() && found.next_seq == row.next_seq
                })
            }
            // Nothing of them changes any more.
            Ended::ApiKeys | Ended::Uploads => true,
        }
    }
}

impl Operation for RemoveEnded {
    /// The number of rows: all of them, or none if one was changed meanwhile.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.trimmed.push(self.tenant.clone());
        match self.kind {
            Ended::ClosedSessions | Ended::ExpiredSessions => {
                let keys = self.rows.iter().map(|row| session_key(&self.tenant, row));
                needs.sessions_locked.extend(keys);
            }
            Ended::DeletedArtifacts => {
                let ids = self.rows.iter().map(|row| ArtifactId(row.id));
                needs.artifacts_locked.extend(ids);
            }
            Ended::Operations => {
                let ids = self.rows.iter().map(|row| OperationId(row.id));
                needs.operations.extend(ids);
            }
            Ended::Webhooks => {
                let ids = self.rows.iter().map(|row| WebhookId(row.id));
                needs.webhooks.extend(ids);
            }
            Ended::ApiKeys | Ended::Uploads => {}
        }
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        if !self.rows.iter().all(|row| self.is_as_it_was(working, row)) {
            return Ok(0);
        }
        // No feed shows entries of these streams, so no cursor ends with them.
        let log = RemovedLog {
            last: Cursor::default(),
            entries: self.entries.clone(),
        };
        working.trim(&self.tenant, &log);
        let rows = self.rows.iter();
        let rows = rows.map(|row| (self.tenant.clone(), self.kind, *row));
        working.changes.removals.ended.extend(rows);
        Ok(self.rows.len())
    }
}
