//! Subscriptions as a frontend has them: over `graphql-transport-ws`.

use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;

use crate::support::{Received, Socket, TestApp, backends};

const OF_EXECUTION: &str = "subscription($id: ID!, $after: String) {
    executionEvents(executionId: $id, after: $after) { cursor hasMorePastEvents
        events { __typename executionId sequence cursor } } }";
const OF_SESSION: &str = "subscription($id: ID!, $after: String) {
    sessionEvents(sessionId: $id, after: $after) { cursor events { executionId type } } }";
const OF_TENANT: &str = "subscription($filter: EventFilter, $after: String) {
    tenantEvents(filter: $filter, after: $after) { cursor events { executionId type } } }";
/// The query side of [`OF_EXECUTION`].
const READ: &str = "query($id: ID!) { execution(id: $id) {
    events(first: 100) { edges { cursor node { __typename sequence cursor } } } } }";

async fn open(app: &TestApp) -> Socket {
    let address = app.server.address();
    Socket::open(address, &json!({})).await.unwrap()
}

/// Returns the messages of an operation until `enough`.
async fn events(
    socket: &mut Socket,
    id: &str,
    field: &str,
    enough: impl Fn(&[Value]) -> bool,
) -> (Vec<Value>, Value) {
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    while !enough(&seen) {
        let message = socket.message(id).await;
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["payload"]["errors"], Value::Null, "{message}");
        let batch = &message["payload"]["data"][field];
        seen.extend(batch["events"].as_array().unwrap().iter().cloned());
        cursor = batch["cursor"].clone();
    }
    (seen, cursor)
}

fn sequences(events: &[Value]) -> Vec<&str> {
    let of_each = events.iter().map(|event| event["sequence"].as_str());
    of_each.map(Option::unwrap).collect()
}

backends! {
    async fn a_cursor_of_one_execution_is_refused_for_another(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (one, other) = (
            app.run("flaky", json!({"failures": 1})).await,
            app.run("add", json!({"a": 1, "b": 1})).await,
        );
        let cursors = app.data(READ, json!({"id": one.id})).await;
        let edges = cursors["execution"]["events"]["edges"].as_array().unwrap();
        for (n, edge) in edges.iter().enumerate() {
            let cursor = &edge["cursor"];
            let mut socket = open(&app).await;
            let variables = json!({"id": other.id, "after": cursor});
            socket.subscribe("s", OF_EXECUTION, &variables).await.unwrap();
            let refused = socket.message("s").await.to_string();
            assert!(refused.contains("BAD_USER_INPUT"), "{refused}");
            let query = "query($id: ID!, $after: String) { execution(id: $id) {
                events(after: $after) { nodes { sequence } } } }";
            let refused = app.graphql(query, json!({"id": other.id, "after": cursor})).await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
            // It is its own execution's, and that of the feeds.
            let found = app.data(query, json!({"id": one.id, "after": cursor})).await;
            let rest = found["execution"]["events"]["nodes"].as_array().unwrap();
            assert_eq!(rest.len(), edges.len() - n - 1);
        }
    }

    async fn an_execution_is_followed_to_its_end_and_resumed_by_cursor(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "gated", json!({})).await;
        app.reaches(running.id, ExecutionStatus::Running).await;
        let id = running.id.to_string();
        let mut socket = open(&app).await;
        socket.subscribe("a", OF_EXECUTION, &json!({"id": id})).await.unwrap();
        let (past, cursor) = events(&mut socket, "a", "executionEvents", |seen| seen.len() >= 2).await;
        assert_eq!(sequences(&past), ["1", "2"]);
        app.solution.gate.add_permits(1);
        let (live, _) = events(&mut socket, "a", "executionEvents", |seen| !seen.is_empty()).await;
        assert_eq!((sequences(&live), &live[0]["__typename"]), (vec!["3"], &json!("ExecutionCompleted")));
        assert_eq!(live[0]["executionId"], id.as_str());
        assert_eq!(socket.message("a").await, json!({"id": "a", "type": "complete"}));
        // Who comes back with the cursor gets what followed it, and the end.
        let variables = json!({"id": id, "after": cursor});
        socket.subscribe("b", OF_EXECUTION, &variables).await.unwrap();
        let (after, _) = events(&mut socket, "b", "executionEvents", |seen| !seen.is_empty()).await;
        assert_eq!(after, live);
        assert_eq!(socket.message("b").await["type"], "complete");
        // The query side has the same items and cursors.
        let read = app.data(READ, json!({"id": id})).await;
        let read = read["execution"]["events"]["edges"].as_array().unwrap().clone();
        assert_eq!(read.len(), 3);
        for (edge, event) in read.iter().zip(past.iter().chain(&live)) {
            for field in ["__typename", "sequence", "cursor"] {
                assert_eq!(edge["node"][field], event[field]);
            }
            assert_eq!(edge["cursor"], event["cursor"]);
        }
    }

    async fn a_session_and_the_tenant_are_followed(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (session, other) = (app.session().await, app.session().await);
        let first = app.run_in(session, "add", json!({"a": 1, "b": 1})).await.id.to_string();
        let mut socket = open(&app).await;
        socket.subscribe("s", OF_SESSION, &json!({"id": session.to_string()})).await.unwrap();
        let three = |seen: &[Value]| seen.len() >= 3;
        let (past, _) = events(&mut socket, "s", "sessionEvents", three).await;
        assert!(past.iter().all(|event| event["executionId"] == first.as_str()));
        // An event of another session does not come on this one.
        app.run_in(other, "add", json!({"a": 1, "b": 1})).await;
        let second = app.run_in(session, "add", json!({"a": 2, "b": 2})).await.id.to_string();
        let (live, _) = events(&mut socket, "s", "sessionEvents", three).await;
        assert!(live.iter().all(|event| event["executionId"] == second.as_str()), "{live:?}");
        let mut socket = open(&app).await;
        let filter = json!({"types": ["execution.failed", "execution.completed"], "intentType": ["add"]});
        socket.subscribe("t", OF_TENANT, &json!({"filter": filter})).await.unwrap();
        let (ends, _) = events(&mut socket, "t", "tenantEvents", three).await;
        let types: Vec<_> = ends.iter().map(|event| &event["type"]).collect();
        assert_eq!(types, [&json!("execution.completed"); 3]);
    }

    async fn from_the_head_on_only_what_is_new_is_told(backend: Backend) {
        const HEAD: &str = "query($session: ID) { tenant: feedHead session: feedHead(sessionId: $session) }";
        const WATCH: &str = "subscription($after: String) { tenantEvents(after: $after) {
            events { type execution { id status intent { intentType } } } } }";
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let of_session = json!({"session": session.to_string()});
        app.run("add", json!({"a": 1, "b": 1})).await;
        app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        // What is settled on PostgreSQL is so as soon as no other writer is at work.
        let heads = app.until(async || {
            let heads = app.data(HEAD, of_session.clone()).await;
            (heads["tenant"] == heads["session"]).then_some(heads)
        }).await;
        let second = app.run_in(session, "add", json!({"a": 2, "b": 2})).await.id.to_string();
        let mut socket = open(&app).await;
        let three = |seen: &[Value]| seen.len() >= 3;
        socket.subscribe("t", WATCH, &json!({"after": heads["tenant"]})).await.unwrap();
        let (live, _) = events(&mut socket, "t", "tenantEvents", three).await;
        assert_eq!(live.len(), 3);
        for event in &live {
            assert_eq!(event["execution"]["id"], second.as_str(), "{event}");
            assert_eq!(event["execution"]["intent"]["intentType"], "add");
        }
        let variables = json!({"id": session.to_string(), "after": heads["session"]});
        socket.subscribe("s", OF_SESSION, &variables).await.unwrap();
        let (live, _) = events(&mut socket, "s", "sessionEvents", three).await;
        assert!(live.iter().all(|event| event["executionId"] == second.as_str()), "{live:?}");
    }

    async fn another_tenant_sees_nothing_of_it(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = app.run("add", json!({"a": 1, "b": 1})).await.id.to_string();
        let payload = json!({"x-takeoff-tenant": "other"});
        let mut socket = Socket::open(app.server.address(), &payload).await.unwrap();
        socket.subscribe("a", OF_EXECUTION, &json!({"id": id})).await.unwrap();
        let text = socket.message("a").await.to_string();
        assert!(text.contains("execution not found"), "{text}");
    }

    async fn a_server_that_stops_tells_subscribers_to_come_back(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut socket = open(&app).await;
        app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        socket.subscribe("s", OF_SESSION, &json!({"id": session.to_string()})).await.unwrap();
        events(&mut socket, "s", "sessionEvents", |seen| seen.len() >= 3).await;
        let stopping = tokio::spawn(app.server.stop());
        loop {
            match socket.receive().await.unwrap() {
                Received::Message(message) => assert_eq!(message["type"], "complete", "{message}"),
                Received::Closed(frame) => {
                    assert_eq!(u16::from(frame.expect("no reason").code), 1001);
                    break;
                }
            }
        }
        stopping.await.unwrap();
    }
}
