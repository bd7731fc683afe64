//! Each entry of a transaction is linked to the one before it in its stream by its hash. What a stream belongs to
//! is locked while entries are appended, and keeps the hash of the last one; so links are right however many
//! nodes write, and whatever is in one batch.

use super::{super::Error, super::convert::EventRow, working::Working};
use crate::model::{
    ArtifactId, ChainHash, Event, ExecutionId, KeyId, OperationId, ScheduleId, SessionKey,
    StreamKind, WebhookId,
};

impl Working {
    /// The rows of entries, each with its hash.
    pub(super) fn link<'a>(&mut self, events: &'a [Event]) -> Result<Vec<EventRow<'a>>, Error> {
        let row = |event| {
            let mut row = EventRow::of(event)?;
            if let Some(last) = self.last_hash(event) {
                row.hash = Some(row.entry().hash(*last));
                *last = row.hash;
            }
            Ok(row)
        };
        events.iter().map(row).collect()
    }

    /// The hash of the last entry of the stream that an entry is for.
    fn last_hash(&mut self, event: &Event) -> Option<&mut Option<ChainHash>> {
        let id = event.stream_id;
        match event.stream_kind {
            StreamKind::Execution => {
                let row = self.executions.change(&ExecutionId(id))?;
                Some(&mut row.last_hash)
            }
            StreamKind::Session => {
                let key = SessionKey {
                    id: event.session_id,
                    tenant_id: event.tenant_id.clone(),
                };
                Some(&mut self.sessions.change(&key)?.last_hash)
            }
            StreamKind::Artifact => Some(&mut self.artifacts.change(&ArtifactId(id))?.last_hash),
            StreamKind::Key => Some(&mut self.api_keys.change(&KeyId(id))?.last_hash),
            StreamKind::Schedule => Some(&mut self.schedules.change(&ScheduleId(id))?.last_hash),
            StreamKind::Operation => {
                let row = self.operations.change(&OperationId(id))?;
                Some(&mut row.last_hash)
            }
            StreamKind::Webhook => Some(&mut self.webhooks.change(&WebhookId(id))?.last_hash),
        }
    }
}
