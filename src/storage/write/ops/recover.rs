//! Reclaims what dead nodes hold: their executions go back to `ready` under a new epoch.

use super::super::{
    super::{Error, places::TimerKind},
    lifecycle::{Ending, lost_delay_micros},
    operation::{Needs, Operation},
    rows::Lost,
    working::Working,
};
use crate::model::{EventBody, Execution, ExecutionError, ExecutionId};

/// An execution that was lost so many times in a row with its process, the last time alone, is to
/// blame.
const MAX_CRASHES: i64 = 3;

/// Takes back up to `limit` executions that dead incarnations hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Recover {
    pub(in crate::storage) limit: usize,
}

impl Operation for Recover {
    /// The number of executions that were taken back.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.lost = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let lost = std::mem::take(&mut working.lost);
        for one in &lost {
            take_back(working, one);
        }
        Ok(lost.len())
    }
}

fn take_back(working: &mut Working, lost: &Lost) {
    let id = lost.id;
    working.changes.drop_lease(id);
    if working.heed_mark(id) {
        return;
    }
    let Some(execution) = working.executions.change(&id) else {
        return;
    };
    if execution.status.is_terminal() {
        return;
    }
    if execution.cancel_requested_at.is_some() {
        working.finish(id, Ending::Cancelled);
        return;
    }
    execution.lost_attempts += 1;
    execution.crashes += i64::from(lost.process_gone);
    execution.interruptions += i64::from(!lost.process_gone);
    if lost.process_gone && lost.was_alone && execution.crashes >= MAX_CRASHES {
        let error = crash_error(execution);
        working.finish(id, Ending::Failed(error));
        return;
    }
    put_back(working, id, lost.process_gone);
}

/// To the queue, at once after a crash: whoever caused it is found by running again.
fn put_back(working: &mut Working, id: ExecutionId, process_gone: bool) {
    let now = working.now;
    let Some(execution) = working.executions.change(&id) else {
        return;
    };
    let delay_micros = if process_gone {
        0
    } else {
        lost_delay_micros(execution.interruptions)
    };
    let (attempt, error) = (execution.attempt, lost_error(execution));
    let crashes = Some(execution.crashes);
    working.release(id);
    if delay_micros == 0 {
        working.enqueue(id);
    } else {
        working.set_timer(id, TimerKind::Retry, now + delay_micros);
    }
    let body = EventBody::ExecutionRetrying {
        attempt,
        error,
        next_attempt_at: now + delay_micros,
        lost: true,
        crashes,
    };
    working.append(id, body, None);
}

/// The error of an execution that ends the processes that run it.
fn crash_error(execution: &Execution) -> ExecutionError {
    let message = format!(
        "the process that ran it ended {} times in a row without a word, the last time while it ran nothing else",
        execution.crashes
    );
    ExecutionError {
        code: "ATTEMPT_LOST".into(),
        message,
        retryable: false,
        attempt: execution.attempt,
        earlier: Vec::new(),
    }
}

fn lost_error(execution: &Execution) -> ExecutionError {
    ExecutionError {
        code: "ATTEMPT_LOST".into(),
        message: "the node that ran the attempt went away".into(),
        retryable: true,
        attempt: execution.attempt,
        earlier: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ExecutionStatus,
        storage::{
            read_tests::on_each_database,
            write::tests::{Scene, add_node, alone, completion, force, stored, told},
        },
    };

    #[tokio::test]
    async fn what_a_node_without_a_lease_held_waits_again_under_a_new_epoch() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let running = scene.running(world).await;
            assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 1);
            assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 0);
            let lost = stored(world, &running).await;
            assert_eq!(
                (lost.status, lost.lost_attempts),
                (ExecutionStatus::Running, 1)
            );
            assert!(lost.epoch > running.epoch);
            assert!(matches!(
                alone(world, completion(&running)).await,
                Err(Error::Fenced)
            ));
            let expected = [
                "execution.created",
                "execution.started",
                "execution.retrying",
            ];
            assert_eq!(told(world, running.id).await, expected);
            let again = alone(world, scene.claim(1)).await.unwrap().executions;
            assert_eq!(again[0].id, running.id);
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_living_node_holds_is_left() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let running = scene.running(world).await;
            add_node(world, scene.node, true).await;
            assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 0);
            alone(world, completion(&running)).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_dead_node_held_is_taken_back_in_parts() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 3).await;
            add_node(world, scene.node, false).await;
            for _ in 0..3 {
                scene.running(world).await;
            }
            for expected in [2, 1, 0] {
                assert_eq!(alone(world, Recover { limit: 2 }).await.unwrap(), expected);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn an_execution_that_ended_its_process_too_often_the_last_time_alone_fails() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 4).await;
            let blamed = scene.running(world).await;
            add_node(world, scene.node, false).await;
            force(world, "UPDATE execution SET crashes = 2").await;
            force(world, "UPDATE lease SET alone = true").await;
            let beside = scene.running(world).await;
            assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 2);
            let blamed = stored(world, &blamed).await;
            assert_eq!(blamed.status, ExecutionStatus::Failed);
            assert_eq!(blamed.error.unwrap().code, "ATTEMPT_LOST");
            let beside = stored(world, &beside).await;
            assert_eq!(
                (beside.status, beside.crashes),
                (ExecutionStatus::Running, 1)
            );
        })
        .await;
    }
}
