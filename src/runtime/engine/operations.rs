//! Going on with bulk operations. What is due is held for the time of a lease, which is written down, so one node works
//! on it; when that node dies, another one does when the time has passed.
//!
//! The batch that is worked on is written down before anything of it is changed, and what has become of it afterwards,
//! together with the next one. Whoever comes to a batch again finds what was changed already by the name of the
//! operation: a re-run by its idempotency key, a cancellation and an archived artifact by the reason that they have. So
//! each thing is changed and counted once.

mod changing;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures::{StreamExt as _, stream};
use tokio::sync::OnceCell;

use changing::Tried;

use super::{
    super::{Error, operations::Wanted},
    Engine, lock,
};
use crate::{
    model::{
        BulkOperation, Micros, OperationCounts, OperationId, OperationRefusal, OperationStatus,
        Principal, Refusal,
    },
    storage::{self, AdvanceOperation},
};

/// Bulk operations that a node holds and works on at the same time.
const AT_ONCE: u32 = 4;
/// The things of one batch.
const BATCH: u32 = 100;
/// The things of a batch that are changed at the same time.
const CHANGED_AT_ONCE: usize = 16;
/// The batches after which an operation stands back for others that are due.
const BATCHES_IN_TURN: usize = 10;
/// What cannot be changed for the moment is tried again after this time, if nothing says when.
const TRIED_AGAIN_MICROS: Micros = 5_000_000;
/// Where the list of what fits cannot be read, the pauses grow up to this one, and the operation fails after that time.
const LONGEST_PAUSE_MICROS: Micros = 300_000_000;
const GIVEN_UP_AFTER_MICROS: Micros = 3_600_000_000;
/// For so long another node may come to what this one has no handler for, and this one looks at it after such pauses.
const LEFT_TO_OTHERS_MICROS: Micros = 600_000_000;
const LOOKED_AT_AGAIN_MICROS: Micros = 30_000_000;

/// Why an operation fails that could not go on for too long.
const UNREADABLE: &str =
    "what it changes next could not be read for an hour; the server's log says why";

/// What became of a batch.
#[derive(Default)]
struct Worked {
    counts: OperationCounts,
    refusals: Vec<OperationRefusal>,
    /// The things that are to be tried again, and when.
    left: Vec<String>,
    not_before: Option<Micros>,
    /// True if some of them are left to other nodes.
    is_left_to_others: bool,
}

impl Engine {
    pub(super) async fn operation_loop(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            if let Err(error) = self.move_due_operations().await {
                tracing::warn!(%error, "bulk operations could not go on");
            }
            tokio::select! {
                () = self.operations_begun.notified() => {}
                () = tokio::time::sleep(self.settings.poll) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Goes on with what is due, until nothing is.
    async fn move_due_operations(self: &Arc<Self>) -> Result<(), storage::Error> {
        while !self.draining.is_cancelled() {
            let now = self.clock.now();
            let due = self.due_operations(now).await?;
            let held = self.hold_operations(due, now).await?;
            if held.is_empty() {
                return Ok(());
            }
            let moving = stream::iter(held).for_each_concurrent(None, |operation| async {
                let id = operation.id;
                if let Err(error) = self.move_operation(operation).await {
                    tracing::warn!(%error, operation_id = %id, "a bulk operation did not go on");
                }
            });
            moving.await;
        }
        Ok(())
    }

    /// What is due, without what this node has left to others: it would be the first to come back to it.
    async fn due_operations(&self, now: Micros) -> Result<Vec<(OperationId, i64)>, storage::Error> {
        let left = {
            let mut left = lock(&self.left_operations);
            left.retain(|_, until| *until > now);
            left.clone()
        };
        let most = AT_ONCE.saturating_add(u32::try_from(left.len()).unwrap_or(u32::MAX));
        let mut due = self.storage.due_operations(now, most).await?;
        due.retain(|seen| !left.contains_key(seen));
        due.truncate(AT_ONCE as usize);
        Ok(due)
    }

    /// Holds what is due. One that cannot be read does not keep the others.
    async fn hold_operations(
        &self,
        due: Vec<(OperationId, i64)>,
        now: Micros,
    ) -> Result<Vec<BulkOperation>, storage::Error> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let until = self.held_until(now);
        match self.storage.hold_operations(due.clone(), until).await {
            Err(storage::Error::Corrupt { .. }) => {}
            held => return held,
        }
        let mut held = Vec::new();
        for one in due {
            match self.storage.hold_operations(vec![one], until).await {
                Ok(mut one) => held.append(&mut one),
                Err(error) => {
                    tracing::error!(%error, operation_id = %one.0, "a bulk operation cannot be read");
                }
            }
        }
        Ok(held)
    }

    /// Entries of operations and of webhooks in the log are unknown to nodes of a version before this one. `what` would be
    /// done once there are none.
    pub(in crate::runtime) async fn refuse_beside_other_versions(
        &self,
        what: &str,
    ) -> Result<(), Error> {
        if self.all_run_this_version().await? {
            return Ok(());
        }
        let message = format!("{what} once all nodes run the same version");
        Err(Refusal::invalid([], message).into())
    }

    fn held_until(&self, now: Micros) -> Micros {
        let lease = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
        now.saturating_add(lease)
    }

    /// Works on the batches of an operation that this node holds, and stands back after some.
    async fn move_operation(self: &Arc<Self>, mut operation: BulkOperation) -> Result<(), Error> {
        let principal = Principal::of_operation(&operation);
        let scope = principal.scope();
        for turn in 1..=BATCHES_IN_TURN {
            let worked = self.work_on(&principal, &operation).await;
            let mut next = operation.clone();
            let (mut counts, mut not_before) = (worked.counts, worked.not_before);
            next.batch = worked.left;
            let mut end = None;
            if next.batch.is_empty() {
                let taken = self.take_batch(&principal, &mut next).await;
                match taken {
                    Ok(()) => counts.matched = i64::try_from(next.batch.len()).unwrap_or(i64::MAX),
                    Err(Error::Refused(refusal)) => {
                        end = Some((OperationStatus::Failed, Some(refusal.to_string())));
                    }
                    Err(error) => match self.pause_of(&operation, &mut next, &error) {
                        Some(pause) => not_before = Some(pause),
                        None => end = Some((OperationStatus::Failed, Some(UNREADABLE.to_owned()))),
                    },
                }
                if end.is_none() && next.batch.is_empty() && next.is_walked {
                    end = Some((OperationStatus::Completed, None));
                }
            }
            let now = self.clock.now();
            if worked.is_left_to_others {
                next.failing_since.get_or_insert(now);
            }
            let goes_on = turn < BATCHES_IN_TURN && !self.draining.is_cancelled();
            next.due_at = Some(match not_before {
                Some(at) => at,
                None if goes_on => self.held_until(now),
                None => now,
            });
            let advance = AdvanceOperation {
                scope: scope.clone(),
                worked_on: operation.batch,
                operation: next,
                counts,
                refusals: worked.refusals,
                end,
            };
            let Some(moved) = self.storage.advance_operation(advance).await? else {
                return Ok(());
            };
            if worked.is_left_to_others {
                let until = now.saturating_add(LOOKED_AT_AGAIN_MICROS);
                lock(&self.left_operations).insert((moved.id, moved.version), until);
            }
            if moved.status != OperationStatus::Running || not_before.is_some() || !goes_on {
                return Ok(());
            }
            operation = moved;
        }
        Ok(())
    }

    /// Takes the next batch of what fits.
    async fn take_batch(
        &self,
        principal: &Principal,
        operation: &mut BulkOperation,
    ) -> Result<(), Error> {
        if operation.is_walked {
            return Ok(());
        }
        let wanted = Wanted::of(operation);
        let wanted =
            wanted.map_err(|_| Refusal::invalid(["filter"], "the filter cannot be read"))?;
        let scope = principal.scope();
        let part = wanted.part(self, &scope, operation, BATCH).await?;
        operation.failing_since = None;
        operation.is_walked = !part.has_next;
        if part.end.is_some() {
            operation.position = part.end;
        }
        operation.batch = part.ids;
        Ok(())
    }

    /// When the next batch is looked for again that could not be taken; none when that has failed for too long.
    fn pause_of(
        &self,
        operation: &BulkOperation,
        next: &mut BulkOperation,
        error: &Error,
    ) -> Option<Micros> {
        tracing::warn!(%error, operation_id = %operation.id, "what a bulk operation changes next cannot be read");
        let now = self.clock.now();
        // It may be known since when a batch was left to other nodes, which has ended.
        let known = operation
            .failing_since
            .filter(|_| operation.batch.is_empty());
        let since = known.unwrap_or(now);
        next.failing_since = Some(since);
        let failing_for = now.saturating_sub(since);
        let pause = failing_for.clamp(TRIED_AGAIN_MICROS, LONGEST_PAUSE_MICROS);
        (failing_for < GIVEN_UP_AFTER_MICROS).then(|| now.saturating_add(pause))
    }

    /// Returns whether another node may have a handler that this one lacks.
    async fn is_left_to_others(&self, operation: &BulkOperation) -> bool {
        let now = self.clock.now();
        let since = operation.failing_since.unwrap_or(now);
        if self.settings.is_alone || now.saturating_sub(since) >= LEFT_TO_OTHERS_MICROS {
            return false;
        }
        let others = self.storage.labels_at_work(Some(self.node_id())).await;
        !others.is_ok_and(|others| others.is_empty())
    }

    /// Changes the things of a batch.
    async fn work_on(self: &Arc<Self>, principal: &Principal, operation: &BulkOperation) -> Worked {
        let reach = principal.check(operation.kind.changes());
        let is_held_up = AtomicBool::new(false);
        // What is left is changed under a new hold: another node takes an operation over whose hold is over.
        let (begun, most) = (Instant::now(), self.settings.lease / 2);
        let later = || self.clock.now().saturating_add(TRIED_AGAIN_MICROS);
        let others = OnceCell::new();
        let changes = operation.batch.iter().map(|id| {
            let (reach, is_held_up, others) = (reach.clone(), &is_held_up, &others);
            async move {
                if is_held_up.load(Ordering::Relaxed) {
                    return (id, Tried::Later(later()));
                }
                if begun.elapsed() > most {
                    return (id, Tried::Later(self.clock.now()));
                }
                let tried = match reach {
                    Ok(reach) => self.try_one(principal, &reach, operation, id).await,
                    Err(refusal) => Tried::Refused(refusal),
                };
                if let Tried::Refused(Refusal::UnknownIntentType { .. }) = tried {
                    let asked = others.get_or_init(|| self.is_left_to_others(operation));
                    if *asked.await {
                        return (id, Tried::Elsewhere);
                    }
                }
                if matches!(tried, Tried::Later(_)) {
                    // Whatever it is, the others would meet with it, too.
                    is_held_up.store(true, Ordering::Relaxed);
                }
                (id, tried)
            }
        });
        let changes: Vec<_> = changes.collect();
        let tried: Vec<_> = stream::iter(changes)
            .buffered(CHANGED_AT_ONCE)
            .collect()
            .await;
        let mut worked = Worked::default();
        for (id, tried) in tried {
            match tried {
                Tried::Done => worked.counts.done += 1,
                Tried::Skipped => worked.counts.skipped += 1,
                Tried::Refused(refusal) => {
                    worked.counts.refused += 1;
                    worked.refusals.push(OperationRefusal {
                        id: id.clone(),
                        code: refusal.code().to_owned(),
                        message: refusal.to_string(),
                    });
                }
                Tried::Failed => {
                    worked.counts.refused += 1;
                    worked.refusals.push(OperationRefusal {
                        id: id.clone(),
                        code: "NOT_FOUND".into(),
                        message: "what belongs to it cannot be read; the server's log says why"
                            .into(),
                    });
                }
                Tried::Later(at) => {
                    worked.left.push(id.clone());
                    worked.not_before = worked.not_before.max(Some(at));
                }
                Tried::Elsewhere => {
                    worked.left.push(id.clone());
                    worked.is_left_to_others = true;
                    worked.not_before = worked.not_before.max(Some(later()));
                }
            }
        }
        worked
    }
}
