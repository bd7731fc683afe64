//! Cancelling: in every live state, down the tree, and against completion.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use takeoff::{
    ids::IdSource,
    model::{
        Execution, ExecutionId, ExecutionStatus, Grants, IntentId, Payload, Queue, RawJson, Refusal,
    },
    runtime::SubmitIntent,
    services::Error,
    state_surface::NewSession,
    storage::{self, Fence, NewExecution, Submit},
};

use crate::support::{SHORT_LEASE, TestApp, backends, variable};

/// More than a cancellation reaches by itself, by far.
const MANY: usize = 5_000;

/// A child that no node takes.
fn child(app: &TestApp, ids: &IdSource, parent: &Execution, name: usize) -> Submit {
    let (id, intent) = (ids.execution(), &parent.intent);
    let fence = Fence {
        execution_id: parent.id,
        epoch: parent.epoch,
    };
    Submit {
        scope: app.principal().scope(),
        execution: NewExecution {
            id,
            intent_id: IntentId(id.0),
            intent_type: "remote".into(),
            handler_name: "worker".into(),
            session_id: intent.session_id,
            solution_id: intent.solution_id.clone(),
            parameters: Payload::inline(&RawJson::empty_object()),
            sealed: None,
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            intent_created_at: None,
            priority: 5,
            run_at: None,
            timeout_micros: None,
            parent: Some((fence, name.to_string())),
            rerun_of: None,
            submitted_by: "ann".into(),
            grants: Grants::all(),
            limits: Vec::new(),
            queue: Queue::Worker {
                handler: "remote/worker".into(),
            },
        },
        key: None,
        chosen: None,
        start_on: None,
        run: None,
    }
}

/// A running execution with so many children that wait.
async fn tree(app: &TestApp, children: usize) -> Execution {
    let session = app.session().await;
    let root = app.submit(session, "gated", json!({})).await;
    let root = app.reaches(root.id, ExecutionStatus::Running).await;
    let (ids, storage) = (IdSource::seeded(77), &app.services().storage);
    let names: Vec<usize> = (0..children).collect();
    for names in names.chunks(500) {
        let all = names.iter().map(|name| child(app, &ids, &root, *name));
        for made in join_all(all.map(|one| storage.submit_child(one))).await {
            made.unwrap();
        }
    }
    root
}

async fn live_below(app: &TestApp, root: ExecutionId) -> u64 {
    let scope = app.principal().scope();
    let live = app.services().storage.live_in_tree(&scope, root, 1_000_000);
    live.await.unwrap()
}

async fn cancel(app: &TestApp, id: ExecutionId) -> Result<(), Error> {
    let reason = Some("enough".to_owned());
    app.services()
        .runtime
        .cancel(&app.principal(), id, reason)
        .await
        .map(|_| ())
}

backends! {
    async fn a_cancellation_reaches_every_live_state(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "gated", json!({})).await;
        app.reaches(running.id, ExecutionStatus::Running).await;
        let waiting_for_worker = app.submit(session, "remote", json!({})).await;
        let parameters = RawJson::from(&json!({"a": 1, "b": 1}));
        let mut later = SubmitIntent::new("add", session, parameters);
        later.run_at = Some(i64::MAX / 2);
        let scheduled = app.try_submit(later).await.unwrap().execution;
        let parent = app.submit(session, "family", json!({"children": 2, "gated": true})).await;
        let scope = app.principal().scope();
        let children = app.until(|| async {
            let found = app.services().storage.first_children(&scope, &[parent.id], 5).await.unwrap();
            found.get(&parent.id).filter(|children| children.len() == 2).cloned()
        }).await;
        for id in [running.id, waiting_for_worker.id, scheduled.id, parent.id] {
            cancel(&app, id).await.unwrap();
        }
        let mut all = vec![running.id, waiting_for_worker.id, scheduled.id, parent.id];
        all.extend(children.iter().map(|child| child.id));
        for id in all {
            let ended = app.ended(id).await;
            assert_eq!(ended.status, ExecutionStatus::Cancelled);
            assert_eq!(ended.cancel_reason.as_deref(), Some("enough"));
            let types = app.event_types(id).await;
            assert_eq!(types.last().map(String::as_str), Some("execution.cancelled"), "{types:?}");
            assert!(types.contains(&"execution.cancel_requested".to_owned()));
        }
        app.assert_verified().await;
    }

    async fn thousands_below_a_cancelled_execution_end_though_its_node_is_killed_meanwhile(backend: Backend) {
        // The other one goes on when nobody has for the time of a lease.
        let first = TestApp::start_with(&backend, &[SHORT_LEASE]).await;
        let root = tree(&first, MANY).await;
        let second = TestApp::start_with(&backend, &[SHORT_LEASE]);
        let second = if backend.is_postgres() { Some(second.await) } else { None };
        cancel(&first, root.id).await.unwrap();
        first.until(|| async { (live_below(&first, root.id).await < MANY as u64 - 500).then_some(()) }).await;
        let (storage, scope) = (first.services().storage.clone(), first.principal().scope());
        first.crash(&backend).await;
        let left = storage.live_in_tree(&scope, root.id, 1_000_000).await.unwrap();
        assert!(left > 0, "it was over before the node was killed");
        drop(storage);
        let app = match second {
            Some(second) => second,
            None => TestApp::start(&backend).await,
        };
        let refused = app.services().storage.submit_child(child(&app, &IdSource::seeded(78), &root, MANY)).await;
        assert!(matches!(refused, Err(storage::Error::Fenced)), "{refused:?}");
        app.until(|| async { (live_below(&app, root.id).await == 0).then_some(()) }).await;
        assert_eq!(app.ended(root.id).await.status, ExecutionStatus::Cancelled);
        let all = app.all_executions().await;
        assert_eq!(all.len(), MANY + 1);
        for one in all {
            assert_eq!(one.status, ExecutionStatus::Cancelled);
            assert_eq!(one.cancel_reason.as_deref(), Some("enough"));
        }
        app.until(|| async {
            let under_way = app.services().storage.cancellations_of(&[root.id]).await.unwrap();
            under_way.is_empty().then_some(())
        }).await;
        app.assert_verified().await;
    }

    async fn others_write_while_thousands_are_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        // For measuring: another number of executions.
        let many = variable("TAKEOFF_TEST_TREE").map_or(MANY, |many| many.parse().unwrap());
        let root = tree(&app, many).await;
        let other = app.principal_of("other");
        let session = app.services().state.create_session(&other, NewSession::anonymous()).await;
        let session = session.unwrap().id;
        let began = Instant::now();
        cancel(&app, root.id).await.unwrap();
        let answered = began.elapsed();
        let mut took: Vec<Duration> = Vec::new();
        while live_below(&app, root.id).await > 0 {
            let parameters = RawJson::from(&json!({"a": 1, "b": 1}));
            let intent = SubmitIntent::new("add", session, parameters);
            let submitted = Instant::now();
            app.services().runtime.submit(&other, intent).await.unwrap();
            took.push(submitted.elapsed());
        }
        let all = began.elapsed();
        took.sort_unstable();
        let middle = took.get(took.len() / 2);
        println!("{many} cancelled in {all:?}, answered after {answered:?}; {} submits of another tenant \
            meanwhile, half of them within {middle:?}, all within {:?}", took.len(), took.last());
        // In one transaction there would be none.
        assert!(took.len() >= 5, "{took:?}");
        app.assert_verified().await;
    }

    async fn what_has_ended_or_is_not_there_cannot_be_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 1, "b": 1})).await;
        let refused = cancel(&app, done.id).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::AlreadyTerminal { .. }))));
        let nobody = IdSource::seeded(9).execution();
        let refused = cancel(&app, nobody).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::NotFound { .. }))));
    }

    async fn of_a_cancellation_and_a_completion_one_wins_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut outcomes = [0, 0];
        for _ in 0..60 {
            let execution = app.submit(session, "gated", json!({})).await;
            app.reaches(execution.id, ExecutionStatus::Running).await;
            app.solution.gate.add_permits(1);
            let cancelled = cancel(&app, execution.id).await;
            let ended = app.ended(execution.id).await;
            let types = app.event_types(execution.id).await;
            match cancelled {
                Ok(()) => assert_eq!(ended.status, ExecutionStatus::Cancelled, "{types:?}"),
                Err(Error::Refused(Refusal::AlreadyTerminal { .. })) => {
                    assert_eq!(ended.status, ExecutionStatus::Completed, "{types:?}");
                }
                Err(error) => panic!("{error}"),
            }
            outcomes[usize::from(ended.status == ExecutionStatus::Completed)] += 1;
            // A permit that the cancelled handler did not take must not free the next one.
            while let Ok(permit) = app.solution.gate.try_acquire() { permit.forget(); }
        }
        assert_eq!(outcomes[0] + outcomes[1], 60);
        app.assert_verified().await;
    }
}
