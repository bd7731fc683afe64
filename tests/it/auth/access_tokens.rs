//! Tokens of minutes that a key hands to pages.

use serde_json::{Value, json};
use takeoff::{
    auth::{AccessTokens, NewAccessToken, NewKey},
    clock::Clock,
    model::{ExecutionId, KeyRing, SessionId},
};

use super::{
    ask, by, guarded, names,
    own::{id, key_with, run, session_of},
    revoke, sockets,
};
use crate::support::{Backend, Socket, TestApp, backends};

const RING: &str = "auth.token_keys=k1:0123456789abcdef0123456789abcdef";

/// What a backend's key may do.
const SERVICE: [&str; 6] = [
    "intents:submit",
    "executions:read",
    "sessions:read",
    "sessions:write",
    "artifacts:read",
    "artifacts:write",
];

async fn hand_out(app: &TestApp, key: &str, input: Value) -> Value {
    let query = "mutation($input: CreateAccessTokenInput!) {
        createAccessToken(input: $input) { token expiresAt scopes errors { code path message } } }";
    let mut handed = by(app, key, query, json!({"input": input})).await;
    match handed["data"]["createAccessToken"].take() {
        Value::Null => handed["errors"][0].take(),
        created => created,
    }
}

async fn token_for(app: &TestApp, key: &str, input: Value) -> String {
    let created = hand_out(app, key, input).await;
    assert_eq!(created["errors"], json!([]), "{created}");
    id(&created["token"])
}

async fn new_session(app: &TestApp, key: &str) -> String {
    let made = session_of(app, key, json!({})).await;
    id(&made["data"]["createSession"]["session"]["id"])
}

const SUBMIT: &str = "mutation($type: String!, $session: ID!, $parameters: JSON!) {
    submitIntent(input: {intentType: $type, sessionId: $session, parameters: $parameters}) {
        execution { id submittedBy } errors { code path } } }";

/// The id of what was submitted, or the code of the refusal.
async fn submit(app: &TestApp, token: &str, intent_type: &str, session: &str) -> String {
    let variables =
        json!({"type": intent_type, "session": session, "parameters": {"message": "hello"}});
    let done = by(app, token, SUBMIT, variables).await;
    let outcome = &done["data"]["submitIntent"];
    let code = done["errors"][0]["extensions"]["code"].as_str();
    let code = code.or(outcome["errors"][0]["code"].as_str());
    code.map_or_else(|| id(&outcome["execution"]["id"]), str::to_owned)
}

/// The code of an error, or none.
async fn code_of(app: &TestApp, token: &str, query: &str) -> Option<String> {
    let answer = by(app, token, query, json!({})).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.map(str::to_owned)
}

backends! {
    async fn a_page_submits_and_watches_by_a_token_for_its_session_and_does_nothing_else(backend: Backend) {
        let app = guarded(&backend).await;
        let service = key_with(&app, &SERVICE).await;
        let (own, other) = (new_session(&app, &service).await, new_session(&app, &service).await);
        let elsewhere = run(&app, &service, &other, "echo", json!({"message": "secret"})).await;
        let input = json!({"sessionId": own, "intentTypes": ["echo"], "actor": "ann"});
        let created = hand_out(&app, &service, input.clone()).await;
        let scopes = ["sessions:read:own", "executions:read:own", "artifacts:read:own", "intents:submit:echo"];
        let told: Vec<String> = created["scopes"].as_array().unwrap().iter().map(id).collect();
        assert!(scopes.iter().all(|scope| told.contains(&(*scope).to_owned())) && told.len() == 4, "{told:?}");
        let token = id(&created["token"]);

        let execution = submit(&app, &token, "echo", &own).await;
        let mut socket = Socket::open(app.server.address(), &json!({"authorization": format!("Bearer {token}")}))
            .await
            .unwrap();
        let watch = "subscription($id: ID!) { executionEvents(executionId: $id) { events { __typename } } }";
        socket.subscribe("1", watch, &json!({"id": execution})).await.unwrap();
        let mut seen = String::new();
        while !seen.contains("ExecutionCompleted") {
            seen.push_str(&socket.message("1").await.to_string());
        }
        let query = "query($id: ID!) { execution(id: $id) { status submittedBy result } viewer { actor } }";
        let read = by(&app, &token, query, json!({"id": execution})).await;
        assert_eq!(read["data"]["execution"]["submittedBy"], "ann", "{read}");
        assert_eq!(read["data"]["viewer"]["actor"], "ann");

        // Another type, another session, and what was done there.
        assert_eq!(submit(&app, &token, "add", &own).await, "FORBIDDEN");
        assert_eq!(submit(&app, &token, "echo", &other).await, "NOT_FOUND");
        let read = by(&app, &token, query, json!({"id": elsewhere})).await;
        assert_eq!(read["data"]["execution"], Value::Null, "{read}");
        let list = by(&app, &token, "{ executions { nodes { id } totalCount { count } } }", json!({})).await;
        let expected = json!({"nodes": [{"id": execution}], "totalCount": {"count": 1}});
        assert_eq!(list["data"]["executions"], expected);
        for query in [
            "{ sessions { nodes { id } } }",
            "{ walEntries { nodes { type } } }",
            "{ apiKeys { nodes { id } } }",
            "{ runtime { nodes { id } } }",
            "mutation { createSession(input: {}) { session { id } } }",
            "mutation { createUpload(input: {filename: \"a\", sizeBytes: \"1\"}) { upload { id } } }",
            "mutation { createApiKey(input: {roles: [\"admin\"]}) { token } }",
        ] {
            assert_eq!(code_of(&app, &token, query).await.as_deref(), Some("FORBIDDEN"), "{query}");
        }
        // Nor does it make another one.
        let again = hand_out(&app, &token, input).await;
        assert_eq!((&again["token"], &again["errors"][0]["code"]), (&Value::Null, &json!("INVALID_INPUT")), "{again}");
        app.assert_verified().await;
    }

    async fn a_token_for_executions_shows_them_and_what_is_below_them(backend: Backend) {
        let app = guarded(&backend).await;
        let service = key_with(&app, &SERVICE).await;
        let session = new_session(&app, &service).await;
        let steps = json!({"steps": [{"name": "a", "intent_type": "echo", "parameters": {"message": "hello"}}]});
        let journey = run(&app, &service, &session, "compose_journey", steps).await;
        let other = run(&app, &service, &session, "echo", json!({"message": "secret"})).await;
        let token = token_for(&app, &service, json!({"executionIds": [journey]})).await;
        let query = "query($id: ID!) { execution(id: $id) { status children { nodes { id status } }
            intent { session { id } } } }";
        let read = by(&app, &token, query, json!({"id": journey})).await;
        assert_eq!(read["errors"][0]["extensions"]["code"], "FORBIDDEN", "the session is not shown: {read}");
        let query = "query($id: ID!) { execution(id: $id) { status children { nodes { id status } } } }";
        let read = by(&app, &token, query, json!({"id": journey})).await;
        let child = id(&read["data"]["execution"]["children"]["nodes"][0]["id"]);
        let read = by(&app, &token, query, json!({"id": child})).await;
        assert_eq!(read["data"]["execution"]["status"], "COMPLETED", "{read}");
        let read = by(&app, &token, query, json!({"id": other})).await;
        assert_eq!(read["data"]["execution"], Value::Null, "{read}");
        let list = "{ executions { nodes { id } } }";
        assert_eq!(code_of(&app, &token, list).await.as_deref(), Some("FORBIDDEN"));
        assert_eq!(submit(&app, &token, "echo", &session).await, "FORBIDDEN");
    }

    async fn handlers_may_for_a_token_what_its_key_may_within_the_session(backend: Backend) {
        let app = guarded(&backend).await;
        let service = key_with(&app, &SERVICE).await;
        let (own, other) = (new_session(&app, &service).await, new_session(&app, &service).await);
        let input = json!({"sessionId": own, "intentTypes": ["compose_journey", "parse_content"]});
        let token = token_for(&app, &service, input).await;
        // The page may not submit an echo, what it submits may.
        let steps = json!({"steps": [{"name": "a", "intent_type": "echo", "parameters": {"message": "hello"}}]});
        assert_eq!(submit(&app, &token, "echo", &own).await, "FORBIDDEN");
        let journey = run(&app, &token, &own, "compose_journey", steps).await;
        let done = app.execution(journey.parse().unwrap()).await;
        assert!(done.error.is_none(), "{:?}", done.error);
        // What the page names is looked for in its session alone.
        let file = run(&app, &service, &other, "ingest_file", json!({"filename": "a.txt", "content": "secret"})).await;
        let query = "query($id: ID!) { execution(id: $id) { artifacts { nodes { id } } } }";
        let made = by(&app, &service, query, json!({"id": file})).await;
        let artifact = id(&made["data"]["execution"]["artifacts"]["nodes"][0]["id"]);
        let parse = run(&app, &token, &own, "parse_content", json!({"artifact_id": artifact})).await;
        let error = app.execution(parse.parse().unwrap()).await.error.unwrap();
        assert_eq!(error.code, "NOT_FOUND", "{error:?}");
        app.assert_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_with_its_key_and_with_its_time() {
    let app = TestApp::start_with(&Backend::sqlite(), &["auth.mode=required", RING]).await;
    let new = NewKey {
        scopes: names(&SERVICE),
        ..NewKey::default()
    };
    let keys = &app.services().keys;
    let key = keys.create(&app.principal(), new).await.unwrap();
    let session = new_session(&app, key.text.expose()).await;
    let input = json!({"sessionId": session});
    let token = token_for(&app, key.text.expose(), input.clone()).await;
    // One that was made two hours ago.
    let ring: KeyRing = RING.split_once('=').unwrap().1.parse().unwrap();
    let ago = Clock::manual(Clock::System.now() - 7_200_000_000);
    let here = std::net::Ipv4Addr::LOCALHOST.into();
    let authenticator = &app.services().authenticator;
    let bearer = authenticator.bearer(key.text.expose(), here).await;
    let new = NewAccessToken {
        session_id: Some(session.parse::<SessionId>().unwrap()),
        ..NewAccessToken::default()
    };
    let old = AccessTokens::new(ring, ago);
    let storage = &app.services().storage;
    let old = old.create(storage, bearer.unwrap().principal(), new).await;
    assert_eq!(status_of(&app, old.unwrap().text.expose()).await, 401);

    assert_eq!(status_of(&app, &token).await, 200);
    let mut socket = watching(&app, &token, &session).await;
    // A fresh one for the same session takes its place, one for another session does not.
    let fresh = token_for(&app, key.text.expose(), input).await;
    socket.send(&ping(&fresh)).await.unwrap();
    let other = new_session(&app, key.text.expose()).await;
    let other = token_for(&app, key.text.expose(), json!({"sessionId": other})).await;
    let mut second = watching(&app, &token, &session).await;
    second.send(&ping(&other)).await.unwrap();
    assert_eq!(sockets::closed(&mut second).await, 4403);
    revoke(&app, &key.key).await;
    assert_eq!(sockets::closed(&mut socket).await, 4403);
    assert_eq!(status_of(&app, &token).await, 401);
}

fn ping(token: &str) -> Value {
    json!({"type": "ping", "payload": {"authorization": format!("Bearer {token}")}})
}

/// A socket that watches a session.
async fn watching(app: &TestApp, token: &str, session: &str) -> Socket {
    let payload = json!({"authorization": format!("Bearer {token}")});
    let mut socket = Socket::open(app.server.address(), &payload).await.unwrap();
    let watch = "subscription($id: ID!) { sessionEvents(sessionId: $id) { cursor } }";
    let variables = json!({"id": session});
    socket.subscribe("1", watch, &variables).await.unwrap();
    socket
}

async fn status_of(app: &TestApp, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    ask(app, &headers, super::VIEWER, &json!({})).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_no_key_of_the_ring_has_signed_proves_nothing() {
    let backend = Backend::sqlite();
    let app = TestApp::start_with(&backend, &["auth.mode=required", RING]).await;
    let service = key_with(&app, &SERVICE).await;
    let session = new_session(&app, &service).await;
    let token = token_for(&app, &service, json!({"sessionId": session})).await;
    let parts: Vec<&str> = token.split('.').collect();
    let claims = data_encoding::BASE64URL_NOPAD
        .decode(parts[1].as_bytes())
        .unwrap();
    let claims = String::from_utf8(claims).unwrap();
    let wider = claims.replace("sessions:read:own", "sessions:read");
    assert_ne!(wider, claims);
    let wider = data_encoding::BASE64URL_NOPAD.encode(wider.as_bytes());
    for forged in [
        format!("{}.{wider}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}.a"),
        format!("tt_k2.{}.{}", parts[1], parts[2]),
        token[..token.len() - 1].to_owned(),
        "tt_".to_owned(),
        "tt_..".to_owned(),
    ] {
        assert_eq!(status_of(&app, &forged).await, 401, "{forged}");
    }
    assert_eq!(status_of(&app, &token).await, 200);
    drop(app);
    // A new key before the old one: what is out goes on. Without the old one it ends.
    let new = "k2:fedcba9876543210fedcba9876543210";
    let (_, old) = RING.split_once('=').unwrap();
    for (ring, expected) in [(format!("{new},{old}"), 200), (new.to_owned(), 401)] {
        let ring = format!("auth.token_keys={ring}");
        let app = TestApp::start_with(&backend, &["auth.mode=required", &ring]).await;
        assert_eq!(status_of(&app, &token).await, expected, "{ring}");
        drop(app);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_permits_no_more_than_its_key_and_names_what_is_there() {
    let app = guarded(&Backend::sqlite()).await;
    let service = key_with(&app, &SERVICE).await;
    let weak = key_with(&app, &["intents:submit:echo", "executions:read:own"]).await;
    let session = new_session(&app, &service).await;
    let execution = run(&app, &service, &session, "echo", json!({"message": "a"})).await;
    let nothing = uuid::Uuid::from_u128(7);
    let (no_session, no_execution) = (
        SessionId(nothing).to_string(),
        ExecutionId(nothing).to_string(),
    );
    for (key, input, expected) in [
        (&service, json!({}), "sessionId"),
        (
            &service,
            json!({"sessionId": session, "executionIds": [execution]}),
            "sessionId",
        ),
        (
            &service,
            json!({"executionIds": [execution], "intentTypes": ["echo"]}),
            "intentTypes",
        ),
        (
            &service,
            json!({"sessionId": session, "intentTypes": ["a b"]}),
            "intentTypes",
        ),
        (
            &service,
            json!({"sessionId": session, "ttlSeconds": 59}),
            "ttlSeconds",
        ),
        (
            &service,
            json!({"sessionId": session, "ttlSeconds": 3601}),
            "ttlSeconds",
        ),
        (
            &service,
            json!({"sessionId": session, "actor": "key_1"}),
            "actor",
        ),
        (
            &service,
            json!({"sessionId": session, "actor": "operator"}),
            "actor",
        ),
        (&service, json!({"sessionId": no_session}), "sessionId"),
        (
            &service,
            json!({"executionIds": [execution, no_execution]}),
            "executionIds",
        ),
        // Another's, for whom only their own is there.
        (&weak, json!({"executionIds": [execution]}), "executionIds"),
        (
            &weak,
            json!({"sessionId": session, "intentTypes": ["echo"]}),
            "sessionId",
        ),
    ] {
        let refused = hand_out(&app, key, input.clone()).await;
        let path = &refused["errors"][0]["path"];
        assert!(path.to_string().contains(expected), "{input}: {refused}");
    }
    let lacks = json!({"sessionId": session, "intentTypes": ["add"]});
    let refused = hand_out(&app, &weak, lacks).await;
    assert_eq!(refused["extensions"]["code"], "FORBIDDEN", "{refused}");
    assert!(
        refused["message"]
            .to_string()
            .contains("intents:submit:add")
    );
}
