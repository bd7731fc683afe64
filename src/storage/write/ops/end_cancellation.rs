//! Ends a cancellation that has reached everything below it.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::ExecutionId;

/// Removes the mark of a cancellation that has reached all that is below it.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct EndCancellation {
    pub(in crate::storage) id: ExecutionId,
}

impl Operation for EndCancellation {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.changes.marks_out.insert(self.id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::Cancel,
        write::tests::{ACTOR, Scene, TENANT, alone},
    };

    #[tokio::test]
    async fn a_cancellation_that_is_over_is_not_gone_on_with() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let root = scene.running(world).await;
            alone(world, scene.child(&root, "child")).await.unwrap();
            let cancel = Cancel {
                scope: scope_of(TENANT),
                id: root.id,
                reason: None,
                actor: ACTOR.into(),
            };
            alone(world, cancel).await.unwrap();
            let storage = &world.storage;
            assert_eq!(storage.cancellations_of(&[root.id]).await.unwrap().len(), 1);
            let id = root.id;
            alone(world, EndCancellation { id }).await.unwrap();
            assert_eq!(storage.cancellations_of(&[root.id]).await.unwrap(), []);
        })
        .await;
    }
}
