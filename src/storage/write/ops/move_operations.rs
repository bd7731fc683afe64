//! How bulk operations go on: a node holds those that are due for a while, changes the things of their batches, and
//! writes down what has become of these together with the next batch. Each change of a row gives it another version;
//! what was decided on an older one is not written.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    BulkOperation, EventBody, Micros, OperationCounts, OperationId, OperationRefusal,
    OperationStatus, Refusal, TenantScope,
};

/// The refusals that are kept of each bulk operation.
const MOST_REFUSALS: usize = 20;

impl Working {
    /// A bulk operation of the tenant, if it is there.
    fn operation(&self, scope: &TenantScope, id: OperationId) -> Result<&BulkOperation, Error> {
        let row = self.operations.see(&id).map(|row| &row.operation);
        let row = row.filter(|it| it.tenant_id == *scope.tenant());
        Ok(row.ok_or_else(|| Refusal::not_found("operation", "id"))?)
    }

    fn change_operation(
        &mut self,
        id: OperationId,
        change: impl FnOnce(&mut BulkOperation),
    ) -> Result<BulkOperation, Error> {
        let row = self.operations.change(&id);
        let row = row.ok_or_else(|| Refusal::not_found("operation", "id"))?;
        row.operation.version += 1;
        change(&mut row.operation);
        Ok(row.operation.clone())
    }

    /// Ends a bulk operation that goes on.
    fn end_operation(
        &mut self,
        id: OperationId,
        status: OperationStatus,
        actor: Option<&Arc<str>>,
        reason: Option<String>,
    ) -> Result<(), Error> {
        let now = self.now;
        let ended = self.change_operation(id, |it| {
            it.status = status;
            (it.due_at, it.finished_at, it.updated_at) = (None, Some(now), now);
        })?;
        let body = EventBody::OperationEnded {
            status,
            counts: ended.counts,
            reason,
        };
        self.append_to_operation(id, actor, body, None);
        Ok(())
    }
}

/// Holds bulk operations that are due: no other node looks at them before `until`.
#[derive(Debug, Clone)]
pub(in crate::storage) struct HoldOperations {
    /// The operations with the versions that were seen as due.
    pub(in crate::storage) seen: Vec<(OperationId, i64)>,
    /// When they are due again if this node does not go on with them.
    pub(in crate::storage) until: Micros,
}

impl Operation for HoldOperations {
    /// Those that were held.
    type Output = Vec<BulkOperation>;

    fn needs(&self, needs: &mut Needs) {
        needs.operations.extend(self.seen.iter().map(|(id, _)| *id));
    }

    fn decide(&self, working: &mut Working) -> Result<Vec<BulkOperation>, Error> {
        let mut held = Vec::with_capacity(self.seen.len());
        for (id, version) in &self.seen {
            let row = working.operations.see(id).map(|row| &row.operation);
            let is_due = row.is_some_and(|it| it.version == *version && it.due_at.is_some());
            if is_due {
                held.push(working.change_operation(*id, |it| it.due_at = Some(self.until))?);
            }
        }
        Ok(held)
    }
}

/// How far a bulk operation has come, and where it goes on.
#[derive(Debug, Clone)]
pub struct AdvanceOperation {
    /// The tenant.
    pub scope: TenantScope,
    /// The operation as it was held, with all that moves set anew: its place in the list, its batch, when a node looks
    /// at it. Its counts are those that it was held with.
    pub operation: BulkOperation,
    /// The batch that it was held with.
    pub worked_on: Vec<String>,
    /// What has become of the things of that batch, and the number of those in the next one.
    pub counts: OperationCounts,
    /// The refusals among them.
    pub refusals: Vec<OperationRefusal>,
    /// How it ends, if it does.
    pub end: Option<(OperationStatus, Option<String>)>,
}

impl AdvanceOperation {
    /// Somebody has stopped it while the batch was worked on.
    fn is_late(&self, known: &BulkOperation) -> bool {
        known.status == OperationStatus::Cancelled && known.batch == self.worked_on
    }

    fn add_to(&self, known: &mut BulkOperation) {
        known.counts.done += self.counts.done;
        known.counts.skipped += self.counts.skipped;
        known.counts.refused += self.counts.refused;
        let room = MOST_REFUSALS.saturating_sub(known.refusals.len());
        let refusals = self.refusals.iter().take(room).cloned();
        known.refusals.extend(refusals);
    }
}

impl Operation for AdvanceOperation {
    /// None when it is not this node's to go on with any more; then nothing but what has become of its batch is
    /// written, if somebody has stopped it meanwhile.
    type Output = Option<BulkOperation>;

    fn needs(&self, needs: &mut Needs) {
        needs.operations.push(self.operation.id);
    }

    fn decide(&self, working: &mut Working) -> Result<Option<BulkOperation>, Error> {
        let (new, now) = (&self.operation, working.now);
        let id = new.id;
        let Ok(known) = working.operation(&self.scope, id) else {
            return Ok(None);
        };
        let is_held = known.version == new.version;
        if !is_held && !self.is_late(known) {
            return Ok(None);
        }
        let before = known.counts;
        let changed = working.change_operation(id, |it| {
            self.add_to(it);
            it.batch.clone_from(&new.batch);
            it.updated_at = now;
            if is_held {
                it.counts.matched += self.counts.matched;
                it.position.clone_from(&new.position);
                it.is_walked = new.is_walked;
                it.due_at = new.due_at;
                it.failing_since = new.failing_since;
            } else {
                it.batch.clear();
            }
        })?;
        let has_moved = OperationCounts {
            matched: 0,
            ..changed.counts
        } != OperationCounts {
            matched: 0,
            ..before
        };
        if has_moved {
            let body = EventBody::OperationProgressed {
                counts: changed.counts,
            };
            working.append_to_operation(id, None, body, None);
        }
        if !is_held {
            return Ok(None);
        }
        if let Some((status, error)) = &self.end {
            working.change_operation(id, |it| it.error.clone_from(error))?;
            working.end_operation(id, *status, None, error.clone())?;
        }
        Ok(Some(working.operation(&self.scope, id)?.clone()))
    }
}

/// Stops a bulk operation. One that has ended stays as it is.
#[derive(Debug, Clone)]
pub struct CancelOperation {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The operation.
    pub id: OperationId,
    /// The reason.
    pub reason: Option<String>,
}

impl Operation for CancelOperation {
    type Output = BulkOperation;

    fn needs(&self, needs: &mut Needs) {
        needs.operations.push(self.id);
    }

    fn decide(&self, working: &mut Working) -> Result<BulkOperation, Error> {
        let known = working.operation(&self.scope, self.id)?;
        if known.status == OperationStatus::Running {
            let (actor, reason) = (Some(&self.actor), self.reason.clone());
            working.end_operation(self.id, OperationStatus::Cancelled, actor, reason)?;
        }
        Ok(working.operation(&self.scope, self.id)?.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Grants, OperationKind, RawJson},
        storage::{
            CreateOperation, OperationFilter,
            read_tests::{World, on_each_database, scope_of},
            write::tests::{ACTOR, TENANT, alone, refusal},
        },
    };
    use uuid::Uuid;

    fn operation(id: u128, most: i64) -> CreateOperation {
        let operation = BulkOperation {
            id: OperationId(Uuid::from_u128(id)),
            tenant_id: scope_of(TENANT).tenant().clone(),
            kind: OperationKind::CancelExecutions,
            filter: RawJson::empty_object(),
            reason: None,
            created_by: ACTOR.to_owned(),
            grants: Grants::all(),
            status: OperationStatus::Running,
            expected: 3,
            expected_exact: true,
            position: None,
            batch: Vec::new(),
            is_walked: false,
            counts: OperationCounts::default(),
            refusals: Vec::new(),
            error: None,
            due_at: Some(5),
            failing_since: None,
            version: 0,
            next_seq: 0,
            created_at: 0,
            updated_at: 0,
            finished_at: None,
        };
        CreateOperation {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            operation,
            most,
        }
    }

    /// Takes a batch, or tells what has become of one.
    fn advance(held: &BulkOperation, next: &[&str], done: i64) -> AdvanceOperation {
        let mut operation = held.clone();
        operation.batch = next.iter().map(|&id| id.to_owned()).collect();
        operation.due_at = Some(100);
        AdvanceOperation {
            scope: scope_of(TENANT),
            worked_on: held.batch.clone(),
            operation,
            counts: OperationCounts {
                matched: i64::try_from(next.len()).unwrap(),
                done,
                ..OperationCounts::default()
            },
            refusals: Vec::new(),
            end: None,
        }
    }

    async fn found(world: &World, id: OperationId) -> BulkOperation {
        let scope = scope_of(TENANT);
        let among = OperationFilter {
            kinds: vec![(OperationKind::CancelExecutions, None)],
        };
        let found = world.storage.find_operation(&scope, &among, id).await;
        found.unwrap().unwrap()
    }

    fn stop(id: OperationId) -> CancelOperation {
        CancelOperation {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            id,
            reason: None,
        }
    }

    #[tokio::test]
    async fn one_of_those_who_saw_it_due_holds_it_and_what_it_did_counts_once() {
        on_each_database(async |world| {
            let made = alone(world, operation(1, 9)).await.unwrap();
            let storage = &world.storage;
            assert_eq!(storage.due_operations(4, 9).await.unwrap(), []);
            let seen = storage.due_operations(5, 9).await.unwrap();
            assert_eq!(seen, [(made.id, made.version)]);
            let held = storage.hold_operations(seen.clone(), 50).await.unwrap();
            assert_eq!(storage.hold_operations(seen, 50).await.unwrap(), []);
            let take = advance(&held[0], &["a", "b"], 0);
            let taken = storage.advance_operation(take).await.unwrap().unwrap();
            assert_eq!((taken.counts.matched, taken.counts.done), (2, 0));
            let tell = advance(&taken, &[], 2);
            let told = storage.advance_operation(tell.clone()).await.unwrap();
            assert_eq!(told.unwrap().counts.done, 2);
            assert_eq!(storage.advance_operation(tell).await.unwrap(), None);
            assert_eq!(found(world, made.id).await.counts.done, 2);
        })
        .await;
    }

    #[tokio::test]
    async fn what_became_of_a_batch_counts_when_it_was_stopped_meanwhile() {
        on_each_database(async |world| {
            let made = alone(world, operation(1, 9)).await.unwrap();
            let taken = alone(world, advance(&made, &["a", "b"], 0)).await;
            let taken = taken.unwrap().unwrap();
            let mut theirs = stop(made.id);
            theirs.scope = scope_of("theirs");
            let absent = Refusal::not_found("operation", "id");
            assert_eq!(refusal(alone(world, theirs).await), absent);
            let stopped = alone(world, stop(made.id)).await.unwrap();
            assert_eq!(stopped.status, OperationStatus::Cancelled);
            assert_eq!(stopped.due_at, None);
            let late = advance(&taken, &["c"], 2);
            for _ in 0..2 {
                assert_eq!(alone(world, late.clone()).await.unwrap(), None);
            }
            let ended = found(world, made.id).await;
            assert_eq!((ended.counts.matched, ended.counts.done), (2, 2));
            assert_eq!((ended.due_at, ended.batch), (None, Vec::new()));
            assert_eq!(ended.status, OperationStatus::Cancelled);
            let again = alone(world, stop(made.id)).await.unwrap();
            assert_eq!(again.finished_at, stopped.finished_at);
        })
        .await;
    }

    #[tokio::test]
    async fn so_many_go_on_and_one_that_has_ended_makes_room() {
        on_each_database(async |world| {
            let first = alone(world, operation(1, 2)).await.unwrap();
            alone(world, operation(2, 2)).await.unwrap();
            let third = alone(world, operation(3, 2)).await;
            assert!(matches!(refusal(third), Refusal::InvalidInput(_)));
            let mut end = advance(&first, &[], 0);
            end.end = Some((OperationStatus::Completed, None));
            let ended = alone(world, end).await.unwrap().unwrap();
            assert_eq!(ended.status, OperationStatus::Completed);
            assert!(ended.finished_at.is_some() && ended.due_at.is_none());
            alone(world, operation(3, 2)).await.unwrap();
        })
        .await;
    }
}
