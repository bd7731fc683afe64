//! Takes what can run: rows leave `ready`, a new epoch begins, a lease is written.

use std::borrow::Cow;

use super::super::{
    super::{Error, places::alone_queue},
    lifecycle::{Ending, deadline_error},
    operation::{Needs, Operation},
    queue::Wanted,
    shares::Shares,
    working::Working,
};
use crate::model::{Execution, ExecutionId, Micros, NodeId, Queue, TenantId};

/// Takes up to `slots` executions for a node.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The incarnation that will run them.
    pub node_id: NodeId,
    /// The queue that it takes from, one of nodes.
    pub queue: Queue,
    /// True to take what must run alone, instead of all else.
    pub alone: bool,
    /// The number that it can run.
    pub slots: usize,
    /// The number of them that may be without a parent.
    pub roots: usize,
    /// The tenant after which turns go on.
    pub after: Option<TenantId>,
    /// Who holds how many slots.
    pub shares: Shares,
}

/// The executions that a claim took.
#[derive(Debug, Default)]
pub struct ClaimedBatch {
    /// To be run by the node.
    pub executions: Vec<Execution>,
    /// The database's clock when they were taken.
    pub at: Micros,
    /// The tenant after which the next turn begins.
    pub last: Option<TenantId>,
    /// True if something may still wait.
    pub more_wait: bool,
    /// True if another claim may find something for the slots that are left.
    pub go_on: bool,
}

impl Claim {
    fn queue(&self) -> Cow<'static, str> {
        if self.alone {
            alone_queue(&self.queue)
        } else {
            self.queue.name()
        }
    }
}

impl Operation for Claim {
    type Output = ClaimedBatch;

    fn needs(&self, needs: &mut Needs) {
        needs.claims.push(Wanted {
            queue: self.queue(),
            slots: self.slots,
            roots: self.roots,
            after: self.after.clone(),
            shares: self.shares.clone(),
        });
    }

    fn decide(&self, working: &mut Working) -> Result<ClaimedBatch, Error> {
        let claimed = working.claimed.remove(&self.queue()).unwrap_or_default();
        let started = claimed.picked.into_iter();
        Ok(ClaimedBatch {
            executions: started
                .filter_map(|id| start_or_end(working, id, self.node_id, self.alone))
                .collect(),
            at: working.now,
            last: claimed.last,
            more_wait: claimed.more_wait,
            go_on: claimed.go_on,
        })
    }

    /// One that is cancelled in the same transaction is handed out as cancelled.
    fn settle(&self, claimed: &mut ClaimedBatch, working: &Working) {
        for execution in &mut claimed.executions {
            working.refresh(execution);
        }
    }
}

/// Starts an execution that still wants to run; ends one whose time has passed.
fn start_or_end(
    working: &mut Working,
    id: ExecutionId,
    node: NodeId,
    alone: bool,
) -> Option<Execution> {
    if working.heed_mark(id) {
        return None;
    }
    let execution = working.executions.see(&id)?;
    if execution.status.is_terminal() {
        return None;
    }
    if execution.cancel_requested_at.is_some() {
        working.finish(id, Ending::Cancelled);
        return None;
    }
    if execution.deadline_at.is_some_and(|at| at <= working.now) {
        let error = deadline_error(execution);
        working.finish(id, Ending::Failed(error));
        return None;
    }
    working.start(id, node, alone)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::recover::Recover, Claim};
    use crate::{
        model::{ExecutionStatus, Queue},
        storage::{
            read_tests::on_each_database,
            write::tests::{Scene, add_node, alone, fence, force, stored, told},
        },
    };

    #[tokio::test]
    async fn a_claim_starts_what_has_waited_longest_up_to_its_slots() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let mut waiting = Vec::new();
            for _ in 0..3 {
                let submitted = alone(world, scene.submit()).await.unwrap();
                waiting.push(submitted.execution.id);
            }
            let mut started = Vec::new();
            for expected in [&waiting[..2], &waiting[2..], &[]] {
                let claimed = alone(world, scene.claim(2)).await.unwrap().executions;
                let ids: BTreeSet<_> = claimed.iter().map(|one| one.id).collect();
                assert_eq!(ids, expected.iter().copied().collect());
                started.extend(claimed);
            }
            let held = world.storage.leases_of(scene.node).await.unwrap();
            for one in &started {
                assert_eq!(
                    (one.status, one.epoch, one.attempt),
                    (ExecutionStatus::Running, 1, 1)
                );
                assert!(held.contains(&fence(one)));
                let expected = ["execution.created", "execution.started"];
                assert_eq!(told(world, one.id).await, expected);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_claim_without_room_for_roots_starts_children_alone() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let parent = scene.running(world).await;
            alone(world, scene.submit()).await.unwrap();
            let child = alone(world, scene.child(&parent, "child")).await.unwrap();
            let mut claim = scene.claim(5);
            claim.roots = 0;
            let claimed = alone(world, claim).await.unwrap();
            assert!(claimed.more_wait);
            let ids = claimed.executions.iter().map(|one| one.id);
            assert!(ids.eq([child.execution.id]));
        })
        .await;
    }

    #[tokio::test]
    async fn what_has_waited_for_long_goes_before_what_came_with_a_better_priority() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 4).await;
            let mut ids = Vec::new();
            for (priority, minutes) in [(9, 10), (9, 1), (0, 0)] {
                let mut submit = scene.submit();
                submit.execution.priority = priority;
                let id = alone(world, submit).await.unwrap().execution.id;
                let micros = minutes * 60_000_000_i64;
                let age = format!(
                    "UPDATE ready SET ready_at = ready_at - {micros} WHERE execution_id = \
                     (SELECT id FROM execution ORDER BY created_at DESC, id DESC LIMIT 1)"
                );
                force(world, &age).await;
                ids.push(id);
            }
            let mut order = Vec::new();
            while let [one] = alone(world, scene.claim(1))
                .await
                .unwrap()
                .executions
                .as_slice()
            {
                order.push(one.id);
            }
            assert_eq!(order, [ids[0], ids[2], ids[1]]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_claim_takes_from_its_queue_alone() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 4).await;
            let labelled = Queue::of_labels("gpu=true".parse().unwrap());
            let plain = alone(world, scene.submit()).await.unwrap().execution.id;
            let mut submit = scene.submit();
            submit.execution.queue = labelled.clone();
            let bound = alone(world, submit).await.unwrap().execution.id;
            let claim = |queue: &Queue| Claim {
                queue: queue.clone(),
                ..scene.claim(5)
            };
            for (queue, expected) in [(&labelled, bound), (&Queue::Node, plain)] {
                let claimed = alone(world, claim(queue)).await.unwrap().executions;
                let ids: Vec<_> = claimed.iter().map(|one| one.id).collect();
                assert_eq!(ids, [expected]);
                assert_eq!(claimed[0].queue, *queue);
            }
            // One that is to run alone stays with nodes that have the labels.
            add_node(world, scene.node, false).await;
            force(world, "UPDATE execution SET crashes = 1").await;
            assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 2);
            for (queue, expected) in [(&labelled, bound), (&Queue::Node, plain)] {
                assert!(world.storage.something_waits_alone(queue).await.unwrap());
                let mut lonely = claim(queue);
                lonely.alone = true;
                let claimed = alone(world, lonely).await.unwrap().executions;
                let ids: Vec<_> = claimed.iter().map(|one| one.id).collect();
                assert_eq!(ids, [expected]);
            }
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }

    #[tokio::test]
    async fn an_execution_whose_time_has_passed_fails_instead_of_being_started() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 3).await;
            let mut late = scene.submit();
            late.execution.timeout_micros = Some(1);
            let late = alone(world, late).await.unwrap().execution;
            let claimed = alone(world, scene.claim(1)).await.unwrap();
            assert!(claimed.executions.is_empty());
            let late = stored(world, &late).await;
            assert_eq!(late.status, ExecutionStatus::Failed);
            assert_eq!(late.error.unwrap().code, "EXECUTION_TIMEOUT");
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }
}
