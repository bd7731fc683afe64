//! Executions under limits: whatever becomes of them, places are held by no more than may, and none stays free while
//! something waits for it.

use std::collections::BTreeSet;

use futures::future::join_all;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{Batch, Scene, TENANT, add_node, alone, completion, force, number, refusal, stored};
use crate::{
    model::{
        Execution, ExecutionError, ExecutionId, ExecutionStatus, Limit, LimitPolicy, Refusal,
        WaitReason,
    },
    storage::{
        read_tests::{World, on_each_database, scope_of},
        write::{Cancel, Complete, FireTimers, Outcome, Recover, Submit, ops::MendLimits},
    },
};

/// A limit of what has this bucket.
fn limit(bucket: &str, most: i64) -> Limit {
    Limit {
        name: format!("of {bucket}"),
        bucket: bucket.to_owned(),
        is_shared: false,
        most,
        per_micros: None,
        policy: LimitPolicy::Queue,
    }
}

fn under(scene: &Scene, limits: &[Limit]) -> Submit {
    let mut submit = scene.submit();
    submit.execution.limits = limits.to_vec();
    submit
}

/// Submits so many, and returns them in their order.
async fn submitted(world: &World, scene: &Scene, limits: &[Limit], count: usize) -> Vec<Execution> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(alone(world, under(scene, limits)).await.unwrap().execution);
    }
    all
}

async fn claimed(world: &World, scene: &Scene) -> Vec<Execution> {
    let claimed = alone(world, scene.claim(100)).await.unwrap();
    claimed.executions
}

fn ids(executions: &[Execution]) -> BTreeSet<ExecutionId> {
    executions.iter().map(|one| one.id).collect()
}

fn cancel(id: ExecutionId) -> Cancel {
    Cancel {
        scope: scope_of(TENANT),
        id,
        reason: None,
        actor: "ann".into(),
    }
}

fn retry(execution: &Execution, delay_micros: i64) -> Complete {
    let mut complete = completion(execution);
    let error = ExecutionError {
        code: "BUSY".into(),
        message: "later".into(),
        retryable: true,
        attempt: 1,
        earlier: Vec::new(),
    };
    complete.outcome = Outcome::Retry {
        error,
        delay_micros,
        lost: false,
    };
    complete
}

/// The names of the limits that these wait for.
async fn awaited(world: &World, executions: &[Execution]) -> Vec<Option<String>> {
    let ids: Vec<ExecutionId> = executions.iter().map(|one| one.id).collect();
    let waiting = world.storage.wait_reasons(&scope_of(TENANT), &ids).await;
    let waiting = waiting.unwrap();
    let name = |id| {
        let found = waiting.get(id)?;
        assert_eq!(found.limit.is_some(), found.reason == WaitReason::Limit);
        found.limit.as_deref().map(str::to_owned)
    };
    ids.iter().map(name).collect()
}

async fn assert_verified(world: &World) {
    assert_eq!(world.storage.verify().await.unwrap().differences, []);
    assert_eq!(world.storage.mend_limits(None, 10_000).await.unwrap().0, 0);
}

#[tokio::test]
async fn what_a_limit_has_no_place_for_waits_outside_of_the_queue_for_its_turn() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 1).await;
        let all = submitted(world, &scene, &[limit("a", 2)], 4).await;
        let others = submitted(world, &scene, &[limit("b", 2)], 1).await;
        assert_eq!(number(world, "SELECT COUNT(*) AS n FROM ready").await, 3);
        let expected = [None, None, Some("of a".to_owned()), Some("of a".to_owned())];
        assert_eq!(awaited(world, &all).await, expected);
        let first = claimed(world, &scene).await;
        assert_eq!(ids(&first), ids(&[&all[..2], &others].concat()));
        assert_verified(world).await;
        for (ended, next) in [(0, 2), (1, 3)] {
            let ended = first.iter().find(|one| one.id == all[ended].id).unwrap();
            alone(world, completion(ended)).await.unwrap();
            let found = claimed(world, &scene).await;
            assert_eq!(ids(&found), ids(&all[next..=next]));
            assert_verified(world).await;
            alone(world, completion(&found[0])).await.unwrap();
        }
        let other = first.iter().find(|one| one.id == others[0].id).unwrap();
        alone(world, completion(other)).await.unwrap();
        assert_eq!(
            number(world, "SELECT COUNT(*) AS n FROM limit_place").await,
            0
        );
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_submit_starts_at_once_only_if_there_is_a_place() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 2).await;
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let mut submit = under(&scene, &[limit("a", 1)]);
            submit.start_on = Some(scene.node);
            let submitted = alone(world, submit).await.unwrap();
            let is_started = submitted.started_at.is_some();
            statuses.push((submitted.execution.status, is_started));
        }
        let expected = [
            (ExecutionStatus::Running, true),
            (ExecutionStatus::Created, false),
        ];
        assert_eq!(statuses, expected);
        assert_eq!(number(world, "SELECT COUNT(*) AS n FROM lease").await, 1);
        assert_eq!(number(world, "SELECT COUNT(*) AS n FROM ready").await, 0);
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_execution_leaves_its_place_or_its_wait() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 3).await;
        let all = submitted(world, &scene, &[limit("a", 1)], 4).await;
        // It waits for a place; and then one that has a place and waits for a slot.
        for gone in [1, 0] {
            alone(world, cancel(all[gone].id)).await.unwrap();
            assert_verified(world).await;
        }
        let found = claimed(world, &scene).await;
        assert_eq!(ids(&found), ids(&all[2..3]));
        // One that runs leaves it with the end of its attempt.
        alone(world, cancel(all[2].id)).await.unwrap();
        assert!(claimed(world, &scene).await.is_empty());
        alone(world, completion(&found[0])).await.unwrap();
        let found = claimed(world, &scene).await;
        assert_eq!(ids(&found), ids(&all[3..]));
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn what_backs_off_leaves_its_place_and_comes_before_what_has_not_begun() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 4).await;
        let all = submitted(world, &scene, &[limit("a", 1)], 3).await;
        let first = claimed(world, &scene).await;
        alone(world, retry(&first[0], 0)).await.unwrap();
        let second = claimed(world, &scene).await;
        assert_eq!(ids(&second), ids(&all[1..2]));
        alone(world, FireTimers { limit: 9 }).await.unwrap();
        let expected = [Some("of a".to_owned()), None, Some("of a".to_owned())];
        assert_eq!(awaited(world, &all).await, expected);
        alone(world, completion(&second[0])).await.unwrap();
        let again = claimed(world, &scene).await;
        assert_eq!(ids(&again), ids(&all[..1]));
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_handed_back_or_lost_with_its_process_keeps_its_place() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 5).await;
        let all = submitted(world, &scene, &[limit("a", 1)], 2).await;
        let mut hand_back = completion(&claimed(world, &scene).await[0]);
        hand_back.outcome = Outcome::HandBack;
        alone(world, hand_back).await.unwrap();
        assert_eq!(ids(&claimed(world, &scene).await), ids(&all[..1]));
        add_node(world, scene.node, false).await;
        assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 1);
        assert_verified(world).await;
        let again = claimed(world, &scene).await;
        assert_eq!(ids(&again), ids(&all[..1]));
        alone(world, completion(&again[0])).await.unwrap();
        assert_eq!(ids(&claimed(world, &scene).await), ids(&all[1..]));
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn limits_are_passed_in_order_and_a_place_is_kept_while_the_next_one_is_awaited() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 6).await;
        let mut all_tenants = limit("all", 1);
        all_tenants.is_shared = true;
        let chain = |key: &str| [limit(key, 1), all_tenants.clone()];
        let a = submitted(world, &scene, &chain("a"), 3).await;
        let b = submitted(world, &scene, &chain("b"), 1).await;
        // The others with the key `a` wait for their key, or they would stand before `b`.
        let expected = [None, Some("of a".to_owned()), Some("of a".to_owned())];
        assert_eq!(awaited(world, &a).await, expected);
        assert_eq!(awaited(world, &b).await, [Some("of all".to_owned())]);
        let mut order = Vec::new();
        while let [running] = claimed(world, &scene).await.as_slice() {
            order.push(running.id);
            alone(world, completion(running)).await.unwrap();
            assert_verified(world).await;
        }
        assert_eq!(order, [a[0].id, b[0].id, a[1].id, a[2].id]);
    })
    .await;
}

#[tokio::test]
async fn another_number_of_places_holds_for_what_waits_from_the_next_submit_on() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 14).await;
        let all = submitted(world, &scene, &[limit("a", 1)], 4).await;
        let late = submitted(world, &scene, &[limit("a", 3)], 1).await;
        let running = claimed(world, &scene).await;
        assert_eq!(ids(&running), ids(&all[..3]));
        assert_verified(world).await;
        submitted(world, &scene, &[limit("a", 1)], 1).await;
        for one in &running[1..] {
            alone(world, completion(one)).await.unwrap();
            assert!(claimed(world, &scene).await.is_empty());
            assert_verified(world).await;
        }
        alone(world, completion(&running[0])).await.unwrap();
        let found = claimed(world, &scene).await;
        assert_eq!(ids(&found), ids(&all[3..]));
        assert_eq!(awaited(world, &late).await, [Some("of a".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn an_intent_whose_policy_is_to_reject_is_refused_and_can_be_sent_again() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 7).await;
        let mut one = limit("a", 1);
        one.policy = LimitPolicy::Reject;
        let limits = [one];
        submitted(world, &scene, &limits, 1).await;
        let refused = refusal(alone(world, under(&scene, &limits)).await);
        let expected = Refusal::LimitReached {
            limit: "of a".into(),
        };
        assert_eq!(refused, expected);
        assert_eq!(
            number(world, "SELECT COUNT(*) AS n FROM execution").await,
            1
        );
        let running = claimed(world, &scene).await;
        alone(world, completion(&running[0])).await.unwrap();
        submitted(world, &scene, &limits, 1).await;
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_rate_gives_each_execution_the_time_of_its_token() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 8).await;
        let mut rate = limit("a", 2);
        rate.per_micros = Some(7_200_000_000);
        let all = submitted(world, &scene, &[rate.clone()], 4).await;
        let expected = [None, None, Some("of a".to_owned()), Some("of a".to_owned())];
        assert_eq!(awaited(world, &all).await, expected);
        assert_eq!(claimed(world, &scene).await.len(), 2);
        let text = "SELECT MAX(fire_at) - MIN(fire_at) AS n FROM timer WHERE queue = 'limited'";
        let apart = number(world, text).await;
        assert!((3_600_000_000..3_601_000_000).contains(&apart), "{apart}");
        alone(world, cancel(all[3].id)).await.unwrap();
        force(world, "UPDATE timer SET fire_at = 1").await;
        assert_eq!(alone(world, FireTimers { limit: 9 }).await.unwrap(), 1);
        assert_eq!(ids(&claimed(world, &scene).await), ids(&all[2..3]));
        assert_verified(world).await;
        rate.policy = LimitPolicy::Reject;
        let refused = refusal(alone(world, under(&scene, &[rate])).await);
        assert!(matches!(refused, Refusal::LimitReached { .. }));
    })
    .await;
}

#[tokio::test]
async fn what_a_later_execution_has_overtaken_is_found() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 9).await;
        let mut one = limit("a", 1);
        one.policy = LimitPolicy::CancelPrevious;
        let all = submitted(world, &scene, &[one], 3).await;
        let buckets = world.storage.overtaken_buckets(9).await.unwrap();
        assert_eq!(buckets, ["a"]);
        let found = world.storage.overtaken_in("a").await.unwrap();
        let found: BTreeSet<ExecutionId> = found.into_iter().map(|(_, id, _)| id).collect();
        assert_eq!(found, ids(&all[..2]));
        for id in found {
            alone(world, cancel(id)).await.unwrap();
        }
        assert_eq!(ids(&claimed(world, &scene).await), ids(&all[2..]));
        let buckets = world.storage.overtaken_buckets(9).await.unwrap();
        assert!(buckets.is_empty());
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn what_left_no_place_behind_is_mended_and_nothing_else() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 10).await;
        let all = submitted(world, &scene, &[limit("a", 1)], 3).await;
        // As a version ends it that knows of no limits.
        let end = "UPDATE execution SET status = 4, finished_at = 1 \
             WHERE id = (SELECT execution_id FROM ready)";
        force(world, end).await;
        force(world, "DELETE FROM ready").await;
        let report = world.storage.verify().await.unwrap();
        let report = format!("{:?}", report.differences);
        assert!(report.contains("has a place under a limit"), "{report}");
        assert_eq!(world.storage.mend_limits(None, 10_000).await.unwrap().0, 1);
        assert_eq!(world.storage.mend_limits(None, 10_000).await.unwrap().0, 0);
        let found = claimed(world, &scene).await;
        assert_eq!(ids(&found), ids(&all[1..2]));
        force(world, "DELETE FROM limit_place WHERE state = 2").await;
        let suspects = vec![all[2].id];
        assert_eq!(alone(world, MendLimits { suspects }).await.unwrap(), 1);
        assert_eq!(ids(&claimed(world, &scene).await), ids(&all[2..]));
    })
    .await;
}

#[tokio::test]
async fn what_one_transaction_ends_cancels_and_accepts_takes_turns() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 11).await;
        let all = submitted(world, &scene, &[limit("a", 1)], 4).await;
        let running = claimed(world, &scene).await;
        let mut batch = Batch::default();
        let late = batch.add(under(&scene, &[limit("a", 1)]));
        let ended = batch.add(completion(&running[0]));
        // The place has just been given to it.
        let cancelled = batch.add(cancel(all[1].id));
        let waiting = batch.add(cancel(all[2].id));
        batch.run(world).await;
        ended.get().unwrap();
        cancelled.get().unwrap();
        waiting.get().unwrap();
        let late = late.get().unwrap().execution;
        assert_verified(world).await;
        let found = claimed(world, &scene).await;
        assert_eq!(ids(&found), ids(&all[3..]));
        alone(world, completion(&found[0])).await.unwrap();
        assert_eq!(ids(&claimed(world, &scene).await), ids(&[late]));
        assert_verified(world).await;
    })
    .await;
}

/// Nodes of their own write at once; whatever they do, in whatever order it lands.
#[tokio::test]
async fn however_writers_meet_no_more_run_than_may_and_all_run_in_the_end() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 12).await;
        let mut random = StdRng::seed_from_u64(12);
        let mut all_tenants = limit("all", 4);
        all_tenants.is_shared = true;
        let (mut running, mut waiting) = (Vec::<Execution>::new(), Vec::new());
        for _ in 0..12 {
            let submits = (0..8).map(|_| {
                let key = format!("key {}", random.random_range(0..3));
                under(&scene, &[limit(&key, 2), all_tenants.clone()])
            });
            let submits: Vec<_> = submits.map(|submit| alone(world, submit)).collect();
            let mut ends = Vec::new();
            for execution in running.drain(..) {
                let complete = match random.random_range(0..4) {
                    0 => retry(&execution, 0),
                    1 => {
                        let mut complete = completion(&execution);
                        complete.outcome = Outcome::HandBack;
                        complete
                    }
                    _ => completion(&execution),
                };
                ends.push(alone(world, complete));
            }
            let cancelled: Option<ExecutionId> = waiting.pop();
            let cancels = cancelled.map(|id| alone(world, cancel(id)));
            let (submits, ends, _, _) = futures::join!(
                join_all(submits),
                join_all(ends),
                join_all(cancels),
                alone(world, FireTimers { limit: 100 })
            );
            assert!(ends.into_iter().all(|ended| ended.is_ok()));
            waiting.extend(submits.into_iter().map(|made| made.unwrap().execution.id));
            let held = "SELECT COALESCE(MAX(c.n), 0) AS n FROM (SELECT COUNT(*) - MIN(most) AS n \
                 FROM limit_place WHERE state = 2 GROUP BY bucket) c";
            assert!(number(world, held).await <= 0);
            assert_verified(world).await;
            running = claimed(world, &scene).await;
            assert!(running.len() <= 4);
        }
        loop {
            for execution in running.drain(..) {
                alone(world, completion(&execution)).await.unwrap();
            }
            alone(world, FireTimers { limit: 100 }).await.unwrap();
            running = claimed(world, &scene).await;
            if running.is_empty() {
                break;
            }
        }
        let live = "SELECT COUNT(*) AS n FROM execution WHERE finished_at IS NULL";
        assert_eq!(number(world, live).await, 0);
        assert_eq!(
            number(world, "SELECT COUNT(*) AS n FROM limit_place").await,
            0
        );
        assert_verified(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_place_is_left_when_a_deadline_passes_in_the_wait() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 13).await;
        let first = submitted(world, &scene, &[limit("a", 1)], 1).await;
        let mut overdue = under(&scene, &[limit("a", 1)]);
        overdue.execution.timeout_micros = Some(1);
        let overdue = alone(world, overdue).await.unwrap().execution;
        alone(world, FireTimers { limit: 9 }).await.unwrap();
        assert_eq!(
            stored(world, &overdue).await.status,
            ExecutionStatus::Failed
        );
        assert_eq!(ids(&claimed(world, &scene).await), ids(&first));
        assert_verified(world).await;
    })
    .await;
}
