//! `executionChanges`: what changes in a filtered list of executions, put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use serde_json::{Value, json};
use takeoff::model::{Cursor, ExecutionId, ExecutionStatus, SessionId};

use crate::support::{Received, Socket, TestApp, backends};

const WATCH: &str = "subscription($filter: ExecutionFilter, $after: String, $everyMs: Int) {
    executionChanges(filter: $filter, after: $after, everyMs: $everyMs) {
        executions { id status result intent { intentType } } leftIds overflowed cursor } }";

/// Somebody who shows a list.
struct Page {
    socket: Socket,
    cursor: Value,
}

impl Page {
    /// Follows what changes from now on.
    async fn opened(app: &TestApp, filter: Value) -> Self {
        let variables = json!({"filter": filter, "everyMs": 100});
        let mut this = Self::with(app, &variables).await;
        let first = this.next().await;
        let nothing =
            json!({"executions": [], "leftIds": [], "overflowed": false, "cursor": this.cursor});
        assert_eq!(first, nothing);
        this
    }

    async fn resumed(app: &TestApp, filter: Value, after: &Value) -> Self {
        Self::with(
            app,
            &json!({"filter": filter, "after": after, "everyMs": 100}),
        )
        .await
    }

    async fn with(app: &TestApp, variables: &Value) -> Self {
        let mut socket = Socket::open(app.server.address(), &json!({}))
            .await
            .unwrap();
        socket.subscribe("c", WATCH, variables).await.unwrap();
        let cursor = variables["after"].clone();
        Self { socket, cursor }
    }

    /// The next message, in which nothing stands twice.
    async fn next(&mut self) -> Value {
        let mut message = self.socket.message("c").await;
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["payload"]["errors"], Value::Null, "{message}");
        let changes = message["payload"]["data"]["executionChanges"].take();
        let told = ids(&changes);
        let distinct: BTreeSet<&str> = told.iter().copied().collect();
        assert_eq!(told.len(), distinct.len(), "{changes}");
        self.cursor = changes["cursor"].clone();
        changes
    }

    /// The statuses that were told last, until that of each of these is the one.
    async fn reaches(&mut self, wanted: &[ExecutionId], status: &str) -> Vec<Value> {
        let (mut last, mut messages) = (BTreeMap::new(), Vec::new());
        let are_all = |last: &BTreeMap<String, Value>| {
            let all = wanted.iter().map(ToString::to_string);
            all.into_iter()
                .all(|id| last.get(&id).is_some_and(|it| it == status))
        };
        while !are_all(&last) {
            let message = self.next().await;
            for execution in message["executions"].as_array().unwrap() {
                let id = execution["id"].as_str().unwrap().to_owned();
                last.insert(id, execution["status"].clone());
            }
            messages.push(message);
        }
        messages
    }
}

/// Every id of a message.
fn ids(changes: &Value) -> Vec<&str> {
    let executions = changes["executions"].as_array().unwrap().iter();
    let executions = executions.map(|it| &it["id"]);
    let left = changes["leftIds"].as_array().unwrap();
    let all = executions.chain(left);
    all.map(|id| id.as_str().unwrap()).collect()
}

async fn submitted(app: &TestApp, session: SessionId, count: usize) -> Vec<ExecutionId> {
    let submits = (0..count).map(|n| app.submit(session, "add", json!({"a": n, "b": 1})));
    let submits = futures::future::join_all(submits).await;
    submits.into_iter().map(|it| it.id).collect()
}

async fn ended(app: &TestApp, session: SessionId, count: usize) -> Vec<ExecutionId> {
    let all = submitted(app, session, count).await;
    futures::future::join_all(all.iter().map(|id| app.ended(*id))).await;
    all
}

/// Waits until what these did is in all feeds, which on PostgreSQL it is once no writer is at work before it.
async fn settled_behind(app: &TestApp, all: &[ExecutionId]) {
    let (events, principal) = (&app.services().events, app.principal());
    let mut last = Cursor::default();
    for id in all {
        let end = app.events(*id).await.last().unwrap().cursor;
        last = last.max(end);
    }
    app.until(async || {
        let head = events.head(&principal, None).await.unwrap();
        head.filter(|head| *head >= last)
    })
    .await;
}

backends! {
    async fn many_changes_are_few_messages_with_the_last_state(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let variables = json!({"filter": {"intentType": ["add"]}, "everyMs": 1_000});
        let mut page = Page::with(&app, &variables).await;
        page.next().await;
        let began = Instant::now();
        let all = ended(&app, session, 60).await;
        let messages = page.reaches(&all, "COMPLETED").await;
        // 180 entries of the log and more, in one message a second.
        let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
        assert!(messages.len() <= most, "{} messages, and not {most}", messages.len());
        let last = messages.last().unwrap();
        for execution in last["executions"].as_array().unwrap() {
            assert_eq!((&execution["status"], execution["result"]["sum"].is_i64()), (&json!("COMPLETED"), true), "{last}");
        }
        let is_plain = |message: &Value| message["overflowed"] == false && message["leftIds"] == json!([]);
        assert!(messages.iter().all(is_plain));
        app.assert_verified().await;
    }

    async fn what_no_longer_fits_is_named_and_what_never_fits_is_not(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut running = Page::opened(&app, json!({"status": ["RUNNING"], "intentType": ["gated"]})).await;
        let mut failed = Page::opened(&app, json!({"status": ["FAILED"]})).await;
        // Another type is not told of at all.
        app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        let gated = app.submit(session, "gated", json!({})).await.id;
        running.reaches(&[gated], "RUNNING").await;
        app.solution.gate.add_permits(1);
        let left = loop {
            let message = running.next().await;
            if message["leftIds"] != json!([]) {
                break message;
            }
        };
        assert_eq!((&left["leftIds"], &left["executions"]), (&json!([gated.to_string()]), &json!([])));
        // What has ended otherwise was never in a list of failures.
        let fatal = app.run_in(session, "flaky", json!({"failures": 1, "fatal": true})).await;
        assert_eq!(fatal.status, ExecutionStatus::Failed);
        let message = failed.next().await;
        assert_eq!(ids(&message), [fatal.id.to_string()], "{message}");
    }

    async fn by_its_cursor_a_page_goes_on_without_missing_one(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let filter = json!({"status": ["COMPLETED"]});
        let mut page = Page::opened(&app, filter.clone()).await;
        let mut told = BTreeSet::new();
        let mut expected = BTreeSet::new();
        let other = app.run("flaky", json!({"failures": 1, "fatal": true})).await.id;
        for round in 0..6 {
            let mut all = submitted(&app, session, 10).await;
            // In the middle of their changes, or behind them, the connection ends.
            if round % 2 == 0 {
                all.extend(ended(&app, session, 2).await);
            }
            expected.extend(all.iter().map(ToString::to_string));
            page = Page::resumed(&app, filter.clone(), &page.cursor).await;
            let message = page.next().await;
            told.extend(ids(&message).into_iter().map(str::to_owned));
        }
        while told.len() < expected.len() {
            let message = page.next().await;
            assert_eq!(message["overflowed"], false);
            told.extend(ids(&message).into_iter().map(str::to_owned));
        }
        assert_eq!(told, expected);
        assert!(!told.contains(&other.to_string()));
    }

    async fn beyond_the_bound_it_is_said_that_more_has_changed(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let filter = json!({"intentType": ["add"]});
        let page = Page::opened(&app, filter.clone()).await;
        let all = ended(&app, session, 110).await;
        settled_behind(&app, &all).await;
        let mut page = Page::resumed(&app, filter.clone(), &page.cursor).await;
        let message = page.next().await;
        assert_eq!(message["overflowed"], true, "{message}");
        assert_eq!(message["executions"].as_array().unwrap().len(), 100);
        // The list that is read then has all of them, and what comes next is new.
        let list = "query($filter: ExecutionFilter) { executions(filter: $filter, first: 200) { nodes { id } } }";
        let list = app.data(list, json!({"filter": filter})).await;
        assert_eq!(list["executions"]["nodes"].as_array().unwrap().len(), all.len());
        let next = app.run_in(session, "add", json!({"a": 1, "b": 1})).await.id;
        for message in page.reaches(&[next], "COMPLETED").await {
            assert_eq!(message["overflowed"], false, "{message}");
        }
    }

    async fn exactly_as_many_as_fit_are_all_told(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let page = Page::opened(&app, json!({})).await;
        let all = ended(&app, session, 100).await;
        settled_behind(&app, &all).await;
        let mut page = Page::resumed(&app, json!({}), &page.cursor).await;
        let message = page.next().await;
        assert_eq!((message["executions"].as_array().unwrap().len(), &message["overflowed"]), (100, &json!(false)));
    }

    async fn a_session_is_followed_by_itself(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (session, other) = (app.session().await, app.session().await);
        let mut page = Page::opened(&app, json!({"sessionId": session.to_string()})).await;
        app.run_in(other, "add", json!({"a": 1, "b": 1})).await;
        let own = app.run_in(session, "add", json!({"a": 1, "b": 1})).await.id;
        for message in page.reaches(&[own], "COMPLETED").await {
            assert_eq!(ids(&message), [own.to_string()]);
        }
    }

    async fn another_tenant_is_told_nothing(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut own = Page::opened(&app, json!({})).await;
        let payload = json!({"x-takeoff-tenant": "other"});
        let mut foreign = Socket::open(app.server.address(), &payload).await.unwrap();
        let of_session = json!({"filter": {"sessionId": session.to_string()}, "everyMs": 100});
        for (id, variables) in [("all", json!({"everyMs": 100})), ("session", of_session)] {
            foreign.subscribe(id, WATCH, &variables).await.unwrap();
            let first = foreign.message(id).await;
            assert_eq!(first["payload"]["data"]["executionChanges"]["executions"], json!([]), "{first}");
        }
        let id = app.run_in(session, "add", json!({"a": 1, "b": 1})).await.id;
        own.reaches(&[id], "COMPLETED").await;
        // A place in the log of another tenant is none, and nothing else has come before.
        let variables = json!({"after": own.cursor});
        foreign.subscribe("after", WATCH, &variables).await.unwrap();
        let Received::Message(refused) = foreign.receive().await.unwrap() else { panic!("closed") };
        assert_eq!(refused["id"], "after", "{refused}");
        assert!(refused.to_string().contains("CURSOR_EXPIRED"), "{refused}");
    }

    async fn before_anything_has_happened_there_is_a_cursor_as_well(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let page = Page::opened(&app, json!({})).await;
        let id = app.run("add", json!({"a": 1, "b": 1})).await.id;
        let mut page = Page::resumed(&app, json!({}), &page.cursor).await;
        page.reaches(&[id], "COMPLETED").await;
    }

    async fn a_pause_that_is_too_short_or_too_long_is_refused(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for every_ms in [-1, 0, 99, 5_001] {
            let mut page = Page::with(&app, &json!({"everyMs": every_ms})).await;
            let refused = page.socket.message("c").await.to_string();
            assert!(refused.contains("BAD_USER_INPUT") && refused.contains("everyMs"), "{refused}");
        }
        for every_ms in [100, 5_000] {
            Page::with(&app, &json!({"everyMs": every_ms})).await.next().await;
        }
    }
}
