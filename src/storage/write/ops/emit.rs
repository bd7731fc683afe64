//! Appends an event of a running handler.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::{Fence, Working},
};
use crate::model::{EventBody, Payload};

/// Appends an event to the execution's stream.
#[derive(Debug, Clone)]
pub struct Emit {
    /// The attempt's right to write.
    pub fence: Fence,
    /// The event.
    pub body: EventBody,
    /// The large value that goes with it.
    pub payload: Option<Payload>,
}

impl Operation for Emit {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.fenced(self.fence)?;
        working.append(
            self.fence.execution_id,
            self.body.clone(),
            self.payload.clone(),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::tests::{Scene, alone, completion, fence, told},
    };

    #[tokio::test]
    async fn an_attempt_appends_events_until_it_has_ended() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let running = scene.running(world).await;
            let emit = Emit {
                fence: fence(&running),
                body: EventBody::ProgressReported {
                    fraction: 0.5,
                    message: None,
                },
                payload: None,
            };
            alone(world, emit.clone()).await.unwrap();
            alone(world, completion(&running)).await.unwrap();
            let late = alone(world, emit).await;
            assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
            let expected = [
                "execution.created",
                "execution.started",
                "progress.reported",
                "execution.completed",
            ];
            assert_eq!(told(world, running.id).await, expected);
        })
        .await;
    }
}
