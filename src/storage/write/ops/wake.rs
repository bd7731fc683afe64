//! Wakes parked executions of which a child has ended.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    timers::fire_all,
    working::Working,
};
use crate::model::ExecutionId;

/// Puts parked executions back, of which a child has ended.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Wake {
    pub(in crate::storage) ids: Vec<ExecutionId>,
}

impl Operation for Wake {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.parked.extend(&self.ids);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        fire_all(working);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::Outcome,
        write::tests::{Scene, alone, completion},
    };

    #[tokio::test]
    async fn a_parked_execution_waits_for_a_slot_again_and_one_that_runs_is_left() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let (parked, running) = (scene.running(world).await, scene.running(world).await);
            let mut park = completion(&parked);
            park.outcome = Outcome::Park;
            alone(world, park).await.unwrap();
            assert!(
                alone(world, scene.claim(9))
                    .await
                    .unwrap()
                    .executions
                    .is_empty()
            );
            let ids = vec![parked.id, running.id];
            alone(world, Wake { ids }).await.unwrap();
            let claimed = alone(world, scene.claim(9)).await.unwrap().executions;
            let ids = claimed.iter().map(|one| one.id);
            assert!(ids.eq([parked.id]));
            alone(world, completion(&running)).await.unwrap();
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }
}
