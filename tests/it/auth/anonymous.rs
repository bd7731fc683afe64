//! Anonymous sessions: begun without a proof, used by a secret, upgraded once.

use reqwest::Method;
use serde_json::{Value, json};
use takeoff::model::SessionId;

use super::{
    VIEWER, ask, by, key_of,
    own::{id, key_with, run, session_of},
    sockets,
};
use crate::support::{Backend, Socket, TestApp, backends};

const SCOPES: &str = "auth.anonymous.scopes=sessions:read:own sessions:write:own executions:read:own \
     artifacts:read:own artifacts:write:own intents:submit:echo intents:submit:ingest_file intents:submit:compose_journey";

/// A server that gives anonymous sessions away, which live in this tenant.
pub(super) async fn giving(backend: &Backend, tenant: &str) -> TestApp {
    let tenant = format!("auth.anonymous.tenant={tenant}");
    let settings = [
        "auth.mode=required",
        "auth.failed_proofs_burst=100000",
        "auth.anonymous.burst=1000",
        SCOPES,
        &tenant,
    ];
    TestApp::start_with(backend, &settings).await
}

pub(super) const BEGIN: &str =
    "mutation($input: CreateAnonymousSessionInput!) { createAnonymousSession(input: $input) {
    session { id isAnonymous userId status } secret errors { code path } } }";

/// A new session, and its secret.
pub(super) async fn begun(app: &TestApp) -> (String, String) {
    let (status, made) = ask(app, &[], BEGIN, &json!({"input": {"state": {"cart": [1]}}})).await;
    assert_eq!(status, 200, "{made}");
    let made = &made["data"]["createAnonymousSession"];
    assert_eq!(made["errors"], json!([]), "{made}");
    assert_eq!(
        (&made["session"]["isAnonymous"], &made["session"]["userId"]),
        (&json!(true), &Value::Null)
    );
    (id(&made["session"]["id"]), id(&made["secret"]))
}

pub(super) async fn rest(
    app: &TestApp,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Value,
) -> (u16, Value) {
    let mut request = app.http.request(method.clone(), app.url(path));
    if method != Method::GET {
        request = request.json(&body);
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

const UPGRADE: &str = "mutation($input: UpgradeSessionInput!) { upgradeSession(input: $input) {
    session { id tenantId userId isAnonymous status state stateVersion } errors { code message path } } }";

async fn upgrade(app: &TestApp, token: &str, input: Value) -> Value {
    let mut answer = by(app, token, UPGRADE, json!({"input": input})).await;
    match answer["data"]["upgradeSession"].take() {
        Value::Null => answer["errors"][0].take(),
        payload => payload,
    }
}

/// What follows the session's id in a secret.
pub(super) fn secret_part(secret: &str) -> &str {
    &secret["as_".len() + 26 + 1..]
}

/// Submits by a secret, and waits for the end.
async fn run_anonymous(
    app: &TestApp,
    secret: &str,
    session: &str,
    intent_type: &str,
    parameters: Value,
) -> String {
    let query = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { execution { id } errors { code } } }";
    let input = json!({"intentType": intent_type, "sessionId": session, "parameters": parameters});
    let submitted = by(app, secret, query, json!({"input": input})).await;
    let execution = id(&submitted["data"]["submitIntent"]["execution"]["id"]);
    app.until(async || {
        let read = by(
            app,
            secret,
            "query($id: ID!) { execution(id: $id) { finishedAt } }",
            json!({"id": execution}),
        )
        .await;
        read["data"]["execution"]["finishedAt"]
            .is_string()
            .then_some(())
    })
    .await;
    execution
}

/// The status of a request by a secret.
pub(super) async fn status_of(app: &TestApp, secret: &str) -> u16 {
    let bearer = format!("Bearer {secret}");
    ask(app, &[("authorization", &bearer)], VIEWER, &json!({}))
        .await
        .0
}

const WATCH: &str = "subscription($id: ID!) { sessionEvents(sessionId: $id) { events { type } } }";

async fn watching(app: &TestApp, secret: &str, session: &str) -> Socket {
    let payload = json!({"authorization": format!("Bearer {secret}")});
    let mut socket = Socket::open(app.server.address(), &payload).await.unwrap();
    socket
        .subscribe("1", WATCH, &json!({"id": session}))
        .await
        .unwrap();
    socket
}

async fn is_chained(app: &TestApp) {
    let report = app
        .services()
        .storage
        .verify_chain(None, &[])
        .await
        .unwrap();
    assert!(report.entries > 0 && report.faults.is_empty(), "{report:?}");
}

const EVENTS: &str =
    "subscription($id: ID!) { executionEvents(executionId: $id) { events { type } } }";

/// All that server-sent events tell of an execution that has ended.
async fn streamed(app: &TestApp, secret: &str, execution: &str) -> String {
    let request = app
        .http
        .post(app.url("/graphql/stream"))
        .bearer_auth(secret);
    let request = request.header("accept", "text/event-stream");
    let request = request.json(&json!({"query": EVENTS, "variables": {"id": execution}}));
    request.send().await.unwrap().text().await.unwrap()
}

backends! {
    async fn a_visitor_begins_a_session_and_its_secret_reaches_nothing_else(backend: Backend) {
        let app = giving(&backend, "default").await;
        let (own, secret) = begun(&app).await;
        let (other, of_other) = begun(&app).await;
        let elsewhere = run(&app, &of_other, &other, "echo", json!({"message": "private"})).await;

        // In its session it does what it may.
        let viewer = by(&app, &secret, VIEWER, json!({})).await;
        assert_eq!((&viewer["data"]["viewer"]["tenantId"], &viewer["data"]["viewer"]["actor"]), (&json!("default"), &json!(own)));
        let write = "mutation($s: ID!) { setSessionState(input: {sessionId: $s, state: {a: 1}}) { session { state } errors { code } } }";
        let written = by(&app, &secret, write, json!({"s": own})).await;
        assert_eq!(written["data"]["setSessionState"]["session"]["state"], json!({"a": 1}), "{written}");
        let mut socket = watching(&app, &secret, &own).await;
        let execution = run(&app, &secret, &own, "echo", json!({"message": "hello"})).await;
        let mut seen = String::new();
        while !seen.contains("execution.completed") {
            seen.push_str(&socket.message("1").await.to_string());
        }
        assert!(streamed(&app, &secret, &execution).await.contains("execution.completed"));
        let (status, read) = rest(&app, Method::GET, &format!("/api/session/{own}"), Some(&secret), json!({})).await;
        assert_eq!((status, &read["state"]), (200, &json!({"a": 1})));

        // Of others it sees nothing, by whatever transport.
        let query = "query($s: ID!, $e: ID!) { session(id: $s) { id } execution(id: $e) { id } }";
        let seen = by(&app, &secret, query, json!({"s": other, "e": elsewhere})).await;
        assert_eq!(seen["data"], json!({"session": null, "execution": null}), "{seen}");
        let listed = by(&app, &secret, "{ executions { nodes { id } } artifacts { nodes { id } } }", json!({})).await;
        assert_eq!(listed["data"], json!({"executions": {"nodes": [{"id": execution}]}, "artifacts": {"nodes": []}}));
        socket.subscribe("2", EVENTS, &json!({"id": elsewhere})).await.unwrap();
        let told = socket.message("2").await;
        assert!(!told.to_string().contains("execution.created"), "{told}");
        assert!(!streamed(&app, &secret, &elsewhere).await.contains("execution.completed"));
        for path in [format!("/api/session/{other}"), format!("/api/execution/{elsewhere}/status")] {
            let (status, _) = rest(&app, Method::GET, &path, Some(&secret), json!({})).await;
            assert_eq!(status, 404, "{path}");
        }
        let submit = json!({"intent_type": "echo", "session_id": other, "parameters": {"message": "hello"}});
        let (status, refused) = rest(&app, Method::POST, "/api/intent/submit", Some(&secret), submit).await;
        assert_eq!((status, &refused["error_code"]), (404, &json!("NOT_FOUND")));

        // What is not named it may not do, nor do its handlers for it.
        for query in [
            "mutation { createSession(input: {}) { session { id } } }",
            "mutation { createApiKey(input: {roles: [\"admin\"]}) { token } }",
            "{ walEntries { nodes { type } } }",
            "{ sessions { nodes { id } } }",
        ] {
            let refused = by(&app, &secret, query, json!({})).await;
            let code = &refused["errors"][0]["extensions"]["code"];
            // A list is of one's own.
            assert!(code == "FORBIDDEN" || query.contains("sessions"), "{query}: {refused}");
            assert!(!refused.to_string().contains(&other), "{query}: {refused}");
        }
        let refused = upgrade(&app, &secret, json!({"sessionId": own, "secret": secret, "userId": "eve"})).await;
        assert_eq!(refused["extensions"]["code"], "FORBIDDEN", "{refused}");
        let steps = json!({"steps": [{"name": "a", "intent_type": "add", "parameters": {}}]});
        let journey = run(&app, &secret, &own, "compose_journey", steps).await;
        let error = app.execution(journey.parse().unwrap()).await.error.unwrap();
        assert!(format!("{error:?}").contains("intents:submit:add"), "{error:?}");
        app.assert_verified().await;
    }

    async fn the_secret_is_kept_nowhere_and_its_session_by_rest_is_as_any(backend: Backend) {
        let app = giving(&backend, "visits").await;
        let (status, made) = rest(&app, Method::POST, "/api/session/anonymous", None, json!({"metadata": {"page": "cart"}})).await;
        assert_eq!((status, &made["tenant_id"]), (200, &json!("visits")), "{made}");
        let secret = id(&made["secret"]);
        let path = format!("/api/session/{}", id(&made["session_id"]));
        let (status, read) = rest(&app, Method::GET, &path, Some(&secret), json!({})).await;
        assert_eq!((status, &read["metadata"], &read["is_anonymous"]), (200, &json!({"page": "cart"}), &json!(true)));
        let key = key_of(&app, "visits", "admin").await;
        let log = by(&app, key.text.expose(), "{ walEntries { nodes { type actor data payload } } sessions { nodes { id metadata state } } }", json!({})).await;
        assert!(log.to_string().contains("session.created"), "{log}");
        assert!(!log.to_string().contains(secret_part(&secret)), "the secret is told");
    }

    async fn by_its_secret_a_session_and_what_was_done_in_it_become_a_users_once(backend: Backend) {
        let app = giving(&backend, "default").await;
        let member = key_with(&app, &["sessions:read:own", "sessions:write:own", "executions:read:own", "artifacts:read:own"]).await;
        let (session, secret) = begun(&app).await;
        let file = run(&app, &secret, &session, "ingest_file", json!({"filename": "a.txt", "content": "hello"})).await;
        let mut socket = watching(&app, &secret, &session).await;
        let input = json!({"sessionId": session, "secret": secret});
        let both = tokio::join!(upgrade(&app, &member, input.clone()), upgrade(&app, &member, input.clone()));
        let (won, lost) = if both.0["session"].is_null() { (both.1, both.0) } else { both };
        let viewer = by(&app, &member, VIEWER, json!({})).await;
        let expected = json!({"id": session, "tenantId": "default", "userId": viewer["data"]["viewer"]["actor"],
            "isAnonymous": false, "status": "UPGRADED", "state": {"cart": [1]}, "stateVersion": "1"});
        assert_eq!(won["session"], expected, "{won}");
        assert_eq!((&lost["session"], &lost["errors"][0]["code"]), (&Value::Null, &json!("NOT_FOUND")), "{lost}");
        let query = "query($e: ID!) { execution(id: $e) { status artifacts { nodes { displayName } } } }";
        let seen = by(&app, &member, query, json!({"e": file})).await;
        assert_eq!(seen["data"]["execution"]["artifacts"]["nodes"][0]["displayName"], "a.txt", "{seen}");
        // From now on its secret is none.
        assert_eq!(status_of(&app, &secret).await, 401);
        assert_eq!(sockets::closed(&mut socket).await, 4403);
        // It lives as long as any session, and no longer a day.
        let (surface, scope) = (&app.services().state, app.principal().scope());
        let upgraded = surface.get_session(&scope, session.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(upgraded.expires_at - upgraded.updated_at, 30 * 24 * 3_600_000_000);
        assert_eq!(upgrade(&app, &member, input).await, lost);
        app.assert_verified().await;
        is_chained(&app).await;
    }

    async fn what_was_uploaded_by_a_secret_is_used_by_the_user_and_by_nobody_before(backend: Backend) {
        let app = giving(&backend, "default").await;
        let scopes = ["sessions:read:own", "sessions:write:own", "executions:read:own", "artifacts:read:own",
            "artifacts:write:own", "intents:submit:ingest_file"];
        let [member, other] = [key_with(&app, &scopes).await, key_with(&app, &scopes).await];
        let (session, secret) = begun(&app).await;
        let announce = "mutation { createUpload(input: {filename: \"a.txt\", sizeBytes: \"5\"}) { url upload { id } errors { code } } }";
        let announced = by(&app, &secret, announce, json!({})).await;
        let announced = &announced["data"]["createUpload"];
        let put = app.http.put(app.url(announced["url"].as_str().unwrap())).body("hello").send().await.unwrap();
        assert_eq!(put.status(), 201);
        let ingest = json!({"filename": "a.txt", "upload_id": announced["upload"]["id"]});
        let found = async |token: &str| {
            let own = session_of(&app, token, json!({})).await;
            let own = id(&own["data"]["createSession"]["session"]["id"]);
            let query = "mutation($s: ID!, $p: JSON!) { submitIntent(input: {intentType: \"ingest_file\", sessionId: $s, parameters: $p}) {
                execution { id } errors { code } } }";
            let done = by(&app, token, query, json!({"s": own, "p": ingest})).await;
            let done = &done["data"]["submitIntent"];
            let Some(execution) = done["execution"]["id"].as_str() else { return false };
            app.ended(execution.parse().unwrap()).await.error.is_none()
        };
        assert!(!found(&member).await, "it is of no user yet");
        let upgraded = upgrade(&app, &member, json!({"sessionId": session, "secret": secret})).await;
        assert_eq!(upgraded["errors"], json!([]), "{upgraded}");
        assert!(found(&member).await);
        assert!(!found(&other).await, "it is another user's");
        app.assert_verified().await;
    }

    async fn by_its_secret_a_session_comes_into_another_tenant_with_its_state(backend: Backend) {
        let app = giving(&backend, "visits").await;
        let service = key_with(&app, &["sessions:read", "sessions:write", "executions:read", "log:read", "intents:submit"]).await;
        let visits = key_of(&app, "visits", "admin").await;
        let (session, secret) = begun(&app).await;
        let left = run_anonymous(&app, &secret, &session, "echo", json!({"message": "hello"})).await;
        let mut input = json!({"sessionId": session, "secret": secret, "userId": "ann", "metadata": {"plan": "free"}});
        // Executions stay where they ran, which has to be said.
        let refused = upgrade(&app, &service, input.clone()).await;
        assert_eq!(refused["errors"][0]["path"], json!(["input", "leaveExecutions"]), "{refused}");
        assert_eq!(status_of(&app, &secret).await, 200, "it goes on");
        input["leaveExecutions"] = true.into();
        let both = tokio::join!(upgrade(&app, &service, input.clone()), upgrade(&app, &service, input.clone()));
        let (won, lost) = if both.0["session"].is_null() { (both.1, both.0) } else { both };
        let expected = json!({"id": session, "tenantId": "default", "userId": "ann", "isAnonymous": false,
            "status": "UPGRADED", "state": {"cart": [1]}, "stateVersion": "1"});
        assert_eq!(won["session"], expected, "{won}");
        assert_eq!(lost["errors"][0]["code"], "NOT_FOUND", "{lost}");
        assert_eq!(status_of(&app, &secret).await, 401);

        // It goes on in its new tenant, whose log begins with where it came from.
        let done = run(&app, &service, &session, "echo", json!({"message": "again"})).await;
        let query = "query($s: ID!, $e: ID!) { session(id: $s) { metadata executions { nodes { id } } } execution(id: $e) { id }
            walEntries(filter: {sessionId: $s}) { nodes { type sequence data } } }";
        let seen = by(&app, &service, query, json!({"s": session, "e": left})).await;
        assert_eq!(seen["data"]["session"], json!({"metadata": {"plan": "free"}, "executions": {"nodes": [{"id": done}]}}), "{seen}");
        assert_eq!(seen["data"]["execution"], Value::Null);
        let log = seen["data"]["walEntries"]["nodes"].as_array().unwrap();
        let upgraded = log.iter().find(|entry| entry["type"] == "session.upgraded").unwrap();
        assert_eq!((&upgraded["sequence"], &upgraded["data"]["from_tenant"]), (&json!("2"), &json!("visits")), "{log:?}");
        // What remains where it was is closed and empty, and has what was done there.
        let query = "query($s: ID!, $e: ID!) { session(id: $s) { status state metadata userId } execution(id: $e) { intent { session { id } } } }";
        let seen = by(&app, visits.text.expose(), query, json!({"s": session, "e": left})).await;
        let expected = json!({"session": {"status": "CLOSED", "state": {}, "metadata": {}, "userId": null},
            "execution": {"intent": {"session": {"id": session}}}});
        assert_eq!(seen["data"], expected, "{seen}");
        app.assert_verified().await;
        is_chained(&app).await;
    }

    async fn a_secret_that_is_another_sessions_is_as_good_as_none(backend: Backend) {
        let app = giving(&backend, "visits").await;
        let service = key_with(&app, &["sessions:write"]).await;
        let ((session, secret), (_, other)) = (begun(&app).await, begun(&app).await);
        let absent = SessionId(uuid::Uuid::from_u128(7)).to_string();
        let of_absent = secret.replace(&session[4..], &absent[4..]);
        let forged: String = secret_part(&secret).chars().rev().collect();
        let forged = secret.replace(secret_part(&secret), &forged);
        let nothing = upgrade(&app, &service, json!({"sessionId": absent, "secret": of_absent, "userId": "eve"})).await;
        assert_eq!(nothing["errors"][0]["code"], "NOT_FOUND", "{nothing}");
        for wrong in [&forged, &other, &of_absent, "", "as_", service.as_str()] {
            let refused = upgrade(&app, &service, json!({"sessionId": session, "secret": wrong, "userId": "eve"})).await;
            assert_eq!(refused, nothing, "{wrong}");
        }
        for wrong in [&forged, &of_absent] {
            assert_eq!(status_of(&app, wrong).await, 401);
        }
        // A session with its id, which its tenant has chosen, is not overwritten.
        let taken = session_of(&app, &service, json!({"sessionId": session})).await;
        assert!(taken["errors"].is_null(), "{taken}");
        let refused = upgrade(&app, &service, json!({"sessionId": session, "secret": secret, "userId": "ann"})).await;
        assert_eq!(refused["errors"][0]["path"], json!(["input", "sessionId"]), "{refused}");
        assert_eq!(refused["errors"][0]["code"], "INVALID_INPUT");
        assert_eq!(status_of(&app, &secret).await, 200);
        is_chained(&app).await;
    }

    async fn of_two_tenants_that_take_a_session_at_the_same_time_one_has_it(backend: Backend) {
        // SQLite has no other node.
        let app = giving(&backend, "visits").await;
        let other = if backend.is_postgres() { Some(giving(&backend, "visits").await) } else { None };
        let elsewhere = other.as_ref().unwrap_or(&app);
        let [one, another] = [key_of(&app, "acme", "developer").await, key_of(&app, "globex", "developer").await];
        let [one, another] = [one.text.expose(), another.text.expose()];
        for _ in 0..5 {
            let (session, secret) = begun(&app).await;
            let input = json!({"sessionId": session, "secret": secret, "userId": "ann"});
            let (first, second) = tokio::join!(upgrade(&app, one, input.clone()), upgrade(elsewhere, another, input.clone()));
            let has = [&first, &second].map(|answer| answer["session"]["id"] == session.as_str());
            assert!(has[0] != has[1], "{first} {second}");
            for (key, has) in [(one, has[0]), (another, has[1])] {
                let found = by(&app, key, "query($s: ID!) { session(id: $s) { userId } }", json!({"s": session})).await;
                let expected = if has { json!({"userId": "ann"}) } else { Value::Null };
                assert_eq!(found["data"]["session"], expected);
            }
        }
        is_chained(&app).await;
    }

    async fn the_secret_ends_on_another_node_and_on_its_sockets(backend: Backend) {
        // SQLite has no other node.
        let app = giving(&backend, "visits").await;
        let other = if backend.is_postgres() { Some(giving(&backend, "visits").await) } else { None };
        let elsewhere = other.as_ref().unwrap_or(&app);
        let service = key_with(&app, &["sessions:write"]).await;
        let (session, secret) = begun(&app).await;
        let mut socket = watching(elsewhere, &secret, &session).await;
        assert_eq!(status_of(elsewhere, &secret).await, 200);
        let (closing, of_closing) = begun(&app).await;
        let mut second = watching(elsewhere, &of_closing, &closing).await;
        let upgraded = upgrade(&app, &service, json!({"sessionId": session, "secret": secret, "userId": "ann"})).await;
        assert_eq!(upgraded["errors"], json!([]), "{upgraded}");
        assert_eq!(sockets::closed(&mut socket).await, 4403);
        assert_eq!(status_of(elsewhere, &secret).await, 401);
        // One that its holder has closed is ended as well.
        let close = "mutation($s: ID!) { closeSession(input: {sessionId: $s}) { session { status } errors { code } } }";
        let closed = by(&app, &of_closing, close, json!({"s": closing})).await;
        assert_eq!(closed["data"]["closeSession"]["session"]["status"], "CLOSED", "{closed}");
        assert_eq!(sockets::closed(&mut second).await, 4403);
        assert_eq!(status_of(elsewhere, &of_closing).await, 401);
        // So is one that its tenant gives a user without it.
        let (given, of_given) = begun(&app).await;
        assert_eq!(status_of(elsewhere, &of_given).await, 200);
        let visits = key_of(&app, "visits", "admin").await;
        let upgraded = upgrade(&app, visits.text.expose(), json!({"sessionId": given, "userId": "bob"})).await;
        assert_eq!(upgraded["session"]["status"], "UPGRADED", "{upgraded}");
        app.until(async || (status_of(elsewhere, &of_given).await == 401).then_some(())).await;
        let late = upgrade(&app, &service, json!({"sessionId": closing, "secret": of_closing, "userId": "ann"})).await;
        assert_eq!(late["errors"][0]["code"], "NOT_FOUND", "{late}");
    }
}
