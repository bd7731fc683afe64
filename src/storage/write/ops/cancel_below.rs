//! Carries a cancellation on to executions below the one that was cancelled.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    rows::Mark,
    working::Working,
};
use crate::model::ExecutionId;

/// Cancels executions below one that was cancelled.
#[derive(Debug, Clone)]
pub(in crate::storage) struct CancelBelow {
    /// The one above them.
    pub(in crate::storage) above: ExecutionId,
    pub(in crate::storage) ids: Vec<ExecutionId>,
    pub(in crate::storage) reason: Option<String>,
    pub(in crate::storage) actor: String,
}

impl Operation for CancelBelow {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.cancel_below.extend(&self.ids);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let mark = Mark {
            reason: self.reason.clone(),
            actor: self.actor.clone(),
        };
        for below in &self.ids {
            for id in working.family(*below) {
                working.request_cancel(id, &mark);
            }
        }
        working.changes.marks_touched.insert(self.above);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ExecutionStatus,
        storage::{
            read_tests::on_each_database,
            write::tests::{ACTOR, Scene, alone, stored},
        },
    };

    #[tokio::test]
    async fn executions_below_end_and_those_that_run_are_asked_to_stop() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let root = scene.running(world).await;
            let mut runs = scene.child(&root, "runs");
            runs.start_on = Some(scene.node);
            let runs = alone(world, runs).await.unwrap().execution;
            let waits = alone(world, scene.child(&root, "waits")).await;
            let waits = waits.unwrap().execution;
            let below = CancelBelow {
                above: root.id,
                ids: vec![runs.id, waits.id],
                reason: Some("enough".into()),
                actor: ACTOR.into(),
            };
            // A repetition, as after a lost answer, changes nothing.
            for _ in 0..2 {
                alone(world, below.clone()).await.unwrap();
            }
            assert!(stored(world, &root).await.cancel_requested_at.is_none());
            let runs = stored(world, &runs).await;
            assert_eq!(runs.status, ExecutionStatus::Running);
            assert!(runs.cancel_requested_at.is_some());
            let waits = stored(world, &waits).await;
            assert_eq!(waits.status, ExecutionStatus::Cancelled);
            assert_eq!(waits.cancel_reason.as_deref(), Some("enough"));
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }
}
