//! Fires due timers: delayed starts and retries go to `ready`, overdue executions fail.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    timers::fire_all,
    working::Working,
};

/// Fires up to `limit` due timers.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct FireTimers {
    pub(in crate::storage) limit: usize,
}

impl Operation for FireTimers {
    /// The number of timers that fired.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.timers = Some(self.limit);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        Ok(fire_all(working))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ExecutionStatus, Micros},
        storage::{
            read_tests::on_each_database,
            write::tests::{Scene, alone, force, stored},
        },
    };

    #[tokio::test]
    async fn a_delayed_start_waits_until_it_is_due() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let mut delayed = scene.submit();
            delayed.execution.run_at = Some(Micros::MAX);
            let id = alone(world, delayed).await.unwrap().execution.id;
            assert_eq!(alone(world, FireTimers { limit: 9 }).await.unwrap(), 0);
            assert!(
                alone(world, scene.claim(1))
                    .await
                    .unwrap()
                    .executions
                    .is_empty()
            );
            force(world, "UPDATE timer SET fire_at = 1").await;
            assert_eq!(alone(world, FireTimers { limit: 9 }).await.unwrap(), 1);
            let claimed = alone(world, scene.claim(1)).await.unwrap().executions;
            assert_eq!(claimed[0].id, id);
        })
        .await;
    }

    #[tokio::test]
    async fn an_overdue_execution_fails_unless_a_node_runs_it() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let mut overdue = scene.submit();
            overdue.execution.timeout_micros = Some(1);
            let waiting = alone(world, overdue).await.unwrap().execution;
            let mut overdue = scene.submit();
            overdue.execution.timeout_micros = Some(1);
            overdue.start_on = Some(scene.node);
            let running = alone(world, overdue).await.unwrap().execution;
            assert_eq!(alone(world, FireTimers { limit: 9 }).await.unwrap(), 2);
            let waiting = stored(world, &waiting).await;
            assert_eq!(waiting.status, ExecutionStatus::Failed);
            assert_eq!(waiting.error.unwrap().code, "EXECUTION_TIMEOUT");
            let running = stored(world, &running).await;
            assert_eq!(running.status, ExecutionStatus::Running);
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }
}
