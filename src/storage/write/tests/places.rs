//! Where executions go back to.

use super::{Scene, alone, completion, stored};
use crate::{
    model::{ExecutionError, ExecutionId, Queue},
    storage::{
        Outcome,
        read_tests::{World, on_each_database},
        sql::{execute, get, query},
        write::{Recover, Sweep},
    },
};

/// In which queue it stands, or will when its timer is due.
async fn stands_in(world: &World, id: ExecutionId) -> Vec<String> {
    let text = "SELECT queue FROM ready WHERE execution_id = $1 \
         UNION ALL SELECT queue FROM timer WHERE execution_id = $1";
    let rows = query(&world.storage.db.reader, text, [id.0.into()]).await;
    let rows = rows.unwrap();
    rows.iter().map(|row| get(row, "queue").unwrap()).collect()
}

async fn run(world: &World, text: &str) {
    let writer = world.storage.db.writer.begin().await.unwrap();
    execute(&writer, text, []).await.unwrap();
    writer.commit(None).await.unwrap();
}

#[tokio::test]
async fn whatever_ends_an_attempt_the_execution_goes_back_to_its_own_queue() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 91).await;
        let worker = Queue::Worker {
            handler: "translate/remote".into(),
        };
        let error = ExecutionError {
            code: "BUSY".into(),
            message: "later".into(),
            retryable: true,
            attempt: 1,
            earlier: Vec::new(),
        };
        let retry = |delay_micros, lost| Outcome::Retry {
            error: error.clone(),
            delay_micros,
            lost,
        };
        let mut expected = Vec::new();
        for outcome in [
            Some(Outcome::HandBack),
            Some(retry(0, false)),
            Some(retry(60_000_000, true)),
            // Its holder goes away.
            None,
        ] {
            for queue in [Queue::Node, worker.clone()] {
                let mut submit = scene.submit();
                submit.start_on = Some(scene.node);
                let running = alone(world, submit).await.unwrap().execution;
                let id = running.id;
                let rename = format!("UPDATE execution SET queue = '{}'", queue.name());
                run(
                    world,
                    &format!("{rename} WHERE id = (SELECT execution_id FROM lease)"),
                )
                .await;
                if let Some(outcome) = &outcome {
                    let mut complete = completion(&running);
                    complete.outcome = outcome.clone();
                    alone(world, complete).await.unwrap();
                } else {
                    assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 1);
                }
                assert_eq!(stored(world, &running).await.queue, queue);
                expected.push((id, queue.name().into_owned()));
            }
        }
        for (id, queue) in &expected {
            assert_eq!(stands_in(world, *id).await, [queue.as_str()]);
        }
        // The sweep finds the queue of what stands nowhere.
        run(world, "DELETE FROM ready").await;
        run(world, "DELETE FROM timer").await;
        let suspects = expected.iter().map(|(id, _)| *id).collect();
        let swept = alone(world, Sweep { suspects }).await.unwrap();
        assert_eq!(swept.len(), expected.len());
        for (id, queue) in &expected {
            assert_eq!(stands_in(world, *id).await, [queue.as_str()]);
        }
    })
    .await;
}
