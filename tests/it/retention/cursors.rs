//! Cursors behind which events were removed.

use futures::StreamExt;
use serde_json::{Value, json};
use takeoff::{
    model::{Cursor, SessionId},
    storage::Feed,
};

use super::AT_ONCE;
use crate::support::{PATIENCE, Socket, TestApp, backends};

const TENANT: &str = "subscription($after: String) { tenantEvents(after: $after) { cursor } }";
const SESSION: &str = "subscription($id: ID!, $after: String) { sessionEvents(sessionId: $id, after: $after) { cursor } }";

/// The first cursors of a feed of the tenant, or of a session, until there are `count` events.
async fn feed(
    app: &TestApp,
    session: Option<SessionId>,
    after: Option<Cursor>,
    count: usize,
) -> Result<Vec<Cursor>, takeoff::storage::Error> {
    let (events, principal) = (&app.services().events, app.principal());
    let all = Feed::Tenant {
        types: [].into(),
        intent_types: [].into(),
        session_id: None,
    };
    let mut batches = match session {
        Some(id) => events.watch_session(&principal, id, after).await?.boxed(),
        None => events.watch_tenant(&principal, all, after).await?.boxed(),
    };
    let mut seen = Vec::new();
    while seen.len() < count {
        let next = tokio::time::timeout(PATIENCE, batches.next()).await;
        let batch = next.expect("the feed stands still").unwrap()?;
        seen.extend(batch.events.iter().map(|event| event.cursor));
    }
    Ok(seen)
}

/// The error with which a subscription is refused.
async fn refused(app: &TestApp, query: &str, variables: Value) -> Value {
    let mut socket = Socket::open(app.server.address(), &json!({}))
        .await
        .unwrap();
    socket.subscribe("1", query, &variables).await.unwrap();
    let mut answer = socket.message("1").await;
    match answer["type"].as_str() {
        Some("error") => answer["payload"][0].take(),
        _ => answer["payload"]["errors"][0].take(),
    }
}

backends! {
    async fn a_cursor_behind_which_events_were_removed_is_told_the_oldest_that_is_kept(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let session = app.session().await;
        let (first, second) = (json!({"a": 1, "b": 2}), json!({"a": 3, "b": 4}));
        let ended = app.run_in(session, "add", first).await;
        let count = usize::try_from(ended.next_seq).unwrap() - 1;
        let gone = feed(&app, None, None, count).await.unwrap();
        assert_eq!(app.services().runtime.remove_old().await.unwrap().executions, 1);
        let kept = app.run_in(session, "add", second).await;
        for session in [None, Some(session)] {
            let error = feed(&app, session, Some(gone[0]), 1).await.err();
            let Some(takeoff::storage::Error::CursorTrimmed { oldest }) = error else {
                panic!("{error:?}");
            };
            // Behind it is all that is kept, and a feed that begins without a cursor begins there.
            assert_eq!(oldest, gone[count - 1]);
            let resumed = feed(&app, session, Some(oldest), count).await.unwrap();
            assert_eq!((resumed.len(), kept.next_seq), (count, ended.next_seq));
            assert_eq!(feed(&app, session, None, count).await.unwrap(), resumed);
            assert!(feed(&app, session, Some(resumed[0]), 1).await.is_ok());
        }
        let after = gone[0].to_string();
        let tenant = refused(&app, TENANT, json!({"after": after})).await;
        let of_session = refused(&app, SESSION, json!({"id": session.to_string(), "after": after})).await;
        let log = app.graphql(
            "query($after: String) { walEntries(after: $after) { nodes { id } } }",
            json!({"after": after}),
        ).await;
        for error in [&tenant, &of_session, &log["errors"][0]] {
            let extensions = &error["extensions"];
            assert_eq!(extensions["code"], "CURSOR_EXPIRED", "{error}");
            assert_eq!(extensions["oldestCursor"], gone[count - 1].to_string(), "{error}");
            assert_eq!((&extensions["lastCursor"], &extensions["retryable"]), (&Value::Null, &json!(false)));
        }
        // The stream of an execution is whole, or there is none.
        let stream = async |id: &str| {
            let request = app.http.get(app.url(&format!("/api/execution/{id}/stream")));
            let request = request.header("last-event-id", after.clone());
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(stream(&ended.id.to_string()).await, 404);
        assert_eq!(stream(&kept.id.to_string()).await, 410);
    }
}
