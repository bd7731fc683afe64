//! A backup that is put back: the node goes on after what is there, subscribers resume with their
//! cursors, and those that saw more than the backup holds are told.

use std::path::Path;

use futures::StreamExt;
use serde_json::{Value, json};
use takeoff::{
    events::EventBatch,
    model::{Cursor, Event, Execution, ExecutionId, ExecutionStatus, RawJson, SessionId},
    runtime::SubmitIntent,
    storage::{Error, Feed},
};

use crate::support::{Backend, Cluster, PATIENCE, Socket, TestApp, soon};

/// The feed that somebody subscribes to.
#[derive(Debug, Clone, Copy)]
enum Watched {
    Execution(ExecutionId),
    Session(SessionId),
    Tenant,
}

type Batches = futures::stream::BoxStream<'static, Result<EventBatch, Error>>;

async fn subscribe(
    app: &TestApp,
    watched: Watched,
    after: Option<Cursor>,
) -> Result<Batches, Error> {
    let (events, principal) = (&app.services().events, app.principal());
    let all = Feed::Tenant {
        types: [].into(),
        intent_types: [].into(),
        session_id: None,
    };
    Ok(match watched {
        Watched::Execution(id) => events.watch_execution(&principal, id, after).await?.boxed(),
        Watched::Session(id) => events.watch_session(&principal, id, after).await?.boxed(),
        Watched::Tenant => events.watch_tenant(&principal, all, after).await?.boxed(),
    })
}

/// The events after a cursor, until there are `count`.
async fn seen(app: &TestApp, watched: Watched, after: Option<Cursor>, count: usize) -> Vec<Event> {
    let mut batches = subscribe(app, watched, after).await.unwrap();
    let mut seen = Vec::new();
    let all = async {
        while seen.len() < count {
            let batch = soon(batches.next())
                .await
                .expect("the stream ends")
                .unwrap();
            seen.extend(batch.events.iter().cloned());
        }
    };
    let all = tokio::time::timeout(PATIENCE, all).await;
    all.expect("the feed stands still");
    seen
}

/// Returns the number of events by now.
async fn count(app: &TestApp, watched: Watched) -> usize {
    let query = "query($after: String) { walEntries(first: 200, after: $after) { \
        nodes { streamKind streamId } } }";
    let all = app.data(query, json!({})).await;
    let wanted = |entry: &&Value| {
        entry["streamKind"] == "EXECUTION"
            && match watched {
                Watched::Execution(id) => entry["streamId"] == id.to_string(),
                _ => true,
            }
    };
    let entries = all["walEntries"]["nodes"].as_array().unwrap();
    assert!(entries.len() < 200);
    entries.iter().filter(wanted).count()
}

fn last(events: &[Event]) -> Cursor {
    events.last().unwrap().cursor
}

fn names(events: &[Event]) -> Vec<(uuid::Uuid, i64)> {
    let name = |event: &Event| (event.stream_id, event.cursor.seq);
    events.iter().map(name).collect()
}

async fn scheduled(app: &TestApp, session: SessionId) -> ExecutionId {
    let later = SubmitIntent {
        run_at: Some(i64::MAX / 4),
        ..SubmitIntent::new("talk", session, RawJson::from(&json!({})))
    };
    app.try_submit(later).await.unwrap().execution.id
}

async fn running(app: &TestApp, session: SessionId) -> Execution {
    let id = app.submit(session, "gated", json!({})).await.id;
    app.reaches(id, ExecutionStatus::Running).await
}

fn node_of(cluster: &Cluster) -> Backend {
    Backend {
        database_url: Some(cluster.url("takeoff")),
        ..Backend::sqlite()
    }
}

/// The content store is copied beside the database.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_in_a_new_cluster_into_which_its_dump_was_restored() {
    let Some(mut one) = Cluster::start().await else {
        return;
    };
    // Numbers of transactions that the other cluster will not have reached.
    for _ in 0..200 {
        one.execute("SELECT pg_current_xact_id()").await;
    }
    let backend = node_of(&one);
    let app = TestApp::start_with(&backend, &["runtime.shutdown_grace_seconds=0"]).await;
    let session = app.session().await;
    let done = app.run_in(session, "talk", json!({})).await;
    let cancelled = running(&app, session).await.id;
    let goes_on = running(&app, session).await.id;
    let later = scheduled(&app, session).await;
    let all = [
        Watched::Execution(goes_on),
        Watched::Session(session),
        Watched::Tenant,
    ];
    let mut subscribers = Vec::new();
    for watched in all {
        let count = count(&app, watched).await;
        subscribers.push((watched, seen(&app, watched, None, count).await));
    }
    // What happens now is in the dump, and not yet seen by them.
    app.run_in(session, "talk", json!({})).await;
    app.server.stop().await;
    let dump = one.dump();
    one.stop();

    let two = Cluster::start().await.unwrap();
    two.restore(&dump).await;
    let restored = node_of(&two);
    copy(backend.folder.path(), restored.folder.path());
    let app = TestApp::start(&restored).await;
    let principal = app.principal();
    let runtime = &app.services().runtime;
    runtime.cancel(&principal, cancelled, None).await.unwrap();
    // Either handler may take one, also that of the execution that is cancelled.
    app.solution.gate.add_permits(2);
    restored
        .execute("UPDATE timer SET fire_at = 0 WHERE kind = 0")
        .await;
    // One after the other, as each writes the session's state by its version.
    app.ended(later).await;
    let again = runtime.rerun(&principal, done.id, None).await.unwrap();
    for (id, status) in [
        (cancelled, ExecutionStatus::Cancelled),
        (goes_on, ExecutionStatus::Completed),
        (later, ExecutionStatus::Completed),
        (again.execution.id, ExecutionStatus::Completed),
        (
            app.run_in(session, "add", json!({"a": 1, "b": 1})).await.id,
            ExecutionStatus::Completed,
        ),
    ] {
        let ended = app.ended(id).await;
        assert_eq!(ended.status, status, "{ended:?}");
    }
    for (watched, before) in subscribers {
        let whole = seen(&app, watched, None, count(&app, watched).await).await;
        assert_eq!(names(&whole[..before.len()]), names(&before), "{watched:?}");
        let missed = whole.len() - before.len();
        let after = seen(&app, watched, Some(last(&before)), missed).await;
        assert_eq!(names(&after), names(&whole[before.len()..]), "{watched:?}");
        assert!(missed > 0 && whole.is_sorted_by_key(|event| event.cursor));
    }
    app.assert_verified().await;
    app.server.stop().await;
}

/// Work that no backup holds, and the cursors of those who saw it.
struct Lost {
    execution: ExecutionId,
    session: SessionId,
    /// The places that the backup has of each, and those to which its subscriber came.
    subscribers: Vec<(Watched, Cursor, Cursor)>,
}

/// The records that the backup is to hold.
struct Held {
    execution: ExecutionId,
    session: SessionId,
    places: Vec<(Watched, Cursor)>,
}

async fn hold(app: &TestApp) -> Held {
    let session = app.session().await;
    app.run_in(session, "talk", json!({})).await;
    let execution = running(app, session).await.id;
    let mut places = Vec::new();
    for watched in [
        Watched::Execution(execution),
        Watched::Session(session),
        Watched::Tenant,
    ] {
        let all = seen(app, watched, None, count(app, watched).await).await;
        places.push((watched, last(&all)));
    }
    Held {
        execution,
        session,
        places,
    }
}

/// Goes on after the backup; returns what was seen of it.
async fn go_on(app: &TestApp, held: &Held) -> Lost {
    let (session, execution) = (held.session, held.execution);
    app.solution.gate.add_permits(1);
    app.ended(execution).await;
    app.run_in(session, "talk", json!({})).await;
    let mut subscribers = Vec::new();
    for &(watched, kept) in &held.places {
        let all = seen(app, watched, None, count(app, watched).await).await;
        subscribers.push((watched, kept, last(&all)));
    }
    Lost {
        execution,
        session,
        subscribers,
    }
}

/// The cursors of what is lost are refused, name the place to go on from, and go on from there.
async fn are_told(app: &TestApp, lost: &Lost) {
    for &(watched, kept, beyond) in &lost.subscribers {
        let refused = subscribe(app, watched, Some(beyond)).await.err();
        let Some(Error::CursorExpired { last: Some(end) }) = refused else {
            panic!("{watched:?}: {refused:?}");
        };
        // Events of the start after the backup may have come between.
        assert!(kept <= end && end < beyond, "{watched:?}");
        let all = seen(app, watched, None, count(app, watched).await).await;
        let new = all.iter().filter(|event| event.cursor > end).count();
        let resumed = seen(app, watched, Some(end), new).await;
        assert_eq!(names(&resumed), names(&all[all.len() - new..]));
        assert!(subscribe(app, watched, Some(kept)).await.is_ok());
    }
    let mut socket = Socket::open(app.server.address(), &json!({}))
        .await
        .unwrap();
    let (_, _, beyond) = lost.subscribers[1];
    let query = "subscription($id: ID!, $after: String) { \
        sessionEvents(sessionId: $id, after: $after) { cursor } }";
    let variables = json!({"id": lost.session, "after": beyond.to_string()});
    socket.subscribe("1", query, &variables).await.unwrap();
    let answer = socket.message("1").await;
    let errors = match answer["type"].as_str() {
        Some("error") => &answer["payload"],
        _ => &answer["payload"]["errors"],
    };
    assert_eq!(
        errors[0]["extensions"]["code"], "CURSOR_EXPIRED",
        "{answer}"
    );
    let end = errors[0]["extensions"]["lastCursor"].as_str().unwrap();
    assert!(end.parse::<Cursor>().is_ok_and(|end| end < beyond));
    let (_, _, beyond) = lost.subscribers[0];
    let variables = json!({"id": lost.execution, "after": beyond.to_string()});
    for query in [
        "query($id: ID!, $after: String) { execution(id: $id) { events(after: $after) { nodes { id } } } }",
        "query($after: String) { walEntries(after: $after) { nodes { id } } }",
    ] {
        let answer = app.graphql(query, variables.clone()).await;
        let error = &answer["errors"][0]["extensions"];
        assert_eq!(error["code"], "CURSOR_EXPIRED", "{answer}");
        assert_eq!(error["retryable"], false, "{answer}");
    }
    let stream = app.url(&format!("/api/execution/{}/stream", lost.execution));
    let request = app
        .http
        .get(stream)
        .header("last-event-id", beyond.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 410);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error_code"], "CURSOR_EXPIRED");
    assert!(answer["last_cursor"].is_string(), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_from_after_an_older_dump_is_said_to_be_expired() {
    let Some(one) = Cluster::start().await else {
        return;
    };
    let backend = node_of(&one);
    let app = TestApp::start(&backend).await;
    let held = hold(&app).await;
    let dump = one.dump();
    let lost = go_on(&app, &held).await;
    app.server.stop().await;
    let two = Cluster::start().await.unwrap();
    // Into the cluster it came from, and into a new one.
    for cluster in [&one, &two] {
        cluster.restore(&dump).await;
        let restored = node_of(cluster);
        copy(backend.folder.path(), restored.folder.path());
        let app = TestApp::start(&restored).await;
        // As much as was lost happens again, and more.
        app.solution.gate.add_permits(1);
        app.ended(held.execution).await;
        for _ in 0..3 {
            app.run_in(held.session, "talk", json!({})).await;
        }
        are_told(&app, &lost).await;
        app.assert_verified().await;
        app.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_from_after_an_older_copy_of_the_folder_is_said_to_be_expired() {
    let backend = Backend::sqlite();
    let backup = tempfile::tempdir().unwrap();
    let grace = ["runtime.shutdown_grace_seconds=0"];
    let app = TestApp::start_with(&backend, &grace).await;
    let held = hold(&app).await;
    app.server.stop().await;
    copy(backend.folder.path(), backup.path());
    let app = TestApp::start(&backend).await;
    let lost = go_on(&app, &held).await;
    app.server.stop().await;

    let restored = Backend::sqlite();
    copy(backup.path(), restored.folder.path());
    let app = TestApp::start(&restored).await;
    app.solution.gate.add_permits(1);
    app.ended(held.execution).await;
    for _ in 0..3 {
        app.run_in(held.session, "talk", json!({})).await;
    }
    are_told(&app, &lost).await;
    app.assert_verified().await;
    app.server.stop().await;
}
