//! Repairs live executions that are in no queue and have no timer and no lease; there should be none.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::ExecutionId;

/// Repairs those of some executions that live, are in no queue, and have no timer and no lease.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Sweep {
    pub(in crate::storage) suspects: Vec<ExecutionId>,
}

impl Operation for Sweep {
    /// The executions that were put back.
    type Output = Vec<ExecutionId>;

    fn needs(&self, needs: &mut Needs) {
        needs.stranded.extend(&self.suspects);
    }

    fn decide(&self, working: &mut Working) -> Result<Vec<ExecutionId>, Error> {
        let stranded = std::mem::take(&mut working.stranded);
        let mut repaired = Vec::new();
        for id in stranded {
            let found = working.executions.see(&id);
            if found.is_none_or(|row| row.status.is_terminal()) {
                continue;
            }
            working.give_up(id);
            working.enqueue(id);
            repaired.push(id);
        }
        Ok(repaired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::tests::{Scene, alone, force, stored},
    };

    #[tokio::test]
    async fn a_live_execution_without_a_place_is_put_back_and_others_are_left() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let stranded = alone(world, scene.submit()).await.unwrap().execution;
            force(world, "DELETE FROM ready").await;
            let running = scene.running(world).await;
            let waiting = alone(world, scene.submit()).await.unwrap().execution;
            let suspects = vec![stranded.id, running.id, waiting.id];
            let repaired = alone(world, Sweep { suspects }).await.unwrap();
            assert_eq!(repaired, [stranded.id]);
            let held = stored(world, &running).await;
            assert_eq!((held.epoch, held.lost_attempts), (running.epoch, 0));
            let claimed = alone(world, scene.claim(9)).await.unwrap().executions;
            let mut ids: Vec<ExecutionId> = claimed.iter().map(|one| one.id).collect();
            ids.sort();
            assert_eq!(ids, [stranded.id, waiting.id]);
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }
}
