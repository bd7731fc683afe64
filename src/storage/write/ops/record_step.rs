//! Records the result of a step, once.

use entity::step;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::{Fence, Working},
};
use crate::model::{EventBody, Micros, Payload, Refusal};

/// Records a step's result, once.
#[derive(Debug, Clone)]
pub struct RecordStep {
    /// The attempt's right to write.
    pub fence: Fence,
    /// The step.
    pub name: String,
    /// Its result.
    pub result: Payload,
    /// The time that it took.
    pub took_micros: i64,
}

impl Operation for RecordStep {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
        needs
            .steps
            .push((self.fence.execution_id, self.name.clone()));
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let attempt = working.fenced(self.fence)?.attempt;
        let id = self.fence.execution_id;
        if !working.steps.insert((id, self.name.clone())) {
            let message = format!("step {:?} has a result already", self.name);
            return Err(Refusal::invalid(["step"], message).into());
        }
        let now = working.now;
        let started_at: Micros = now - self.took_micros;
        working.changes.steps.push(step::Model {
            execution_id: id.0,
            name: self.name.clone(),
            epoch: self.fence.epoch,
            attempt,
            result: self.result.as_str().to_owned(),
            started_at,
            finished_at: now,
        });
        let body = EventBody::StepCompleted {
            name: self.name.clone(),
            attempt,
            started_at,
        };
        working.append(id, body, Some(self.result.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::RawJson,
        storage::{
            read_tests::{on_each_database, scope_of},
            write::tests::{Batch, Scene, TENANT, alone, fence, refusal},
        },
    };

    #[tokio::test]
    async fn a_step_is_recorded_once_and_never_overwritten() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let running = scene.running(world).await;
            let step = |result: &RawJson| RecordStep {
                fence: fence(&running),
                name: "pay".into(),
                result: Payload::inline(result),
                took_micros: 5,
            };
            let (first, second) = (RawJson::null(), RawJson::empty_object());
            let mut batch = Batch::default();
            let recorded = batch.add(step(&first));
            let beside = batch.add(step(&second));
            batch.run(world).await;
            recorded.get().unwrap();
            let expected = Refusal::invalid(["step"], "step \"pay\" has a result already");
            assert_eq!(refusal(beside.get()), expected);
            assert_eq!(refusal(alone(world, step(&second)).await), expected);
            let found = world
                .storage
                .find_steps(&scope_of(TENANT), &[running.id])
                .await;
            let steps = found.unwrap().remove(&running.id).unwrap();
            assert_eq!(steps.len(), 1);
            assert_eq!(steps[0].result, Payload::inline(&first));
            assert_eq!(steps[0].finished_at - steps[0].started_at, 5);
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }
}
