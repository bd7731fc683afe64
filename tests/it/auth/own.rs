//! Scopes that end at what is one's own: of others' work nobody sees more than of another tenant's.

use serde_json::{Value, json};
use takeoff::{
    auth::NewKey,
    model::{ArtifactId, ExecutionId, ScheduleId, SessionId},
};

use super::{
    by, guarded, names,
    scopes::{first_answer, listed::OPERATIONS},
};
use crate::support::{Backend, Socket, TestApp, backends};

const OWN: [&str; 7] = [
    "intents:submit",
    "executions:read:own",
    "executions:control:own",
    "sessions:read:own",
    "sessions:write:own",
    "artifacts:read:own",
    "artifacts:write:own",
];

pub(crate) async fn key_with(app: &TestApp, scopes: &[&str]) -> String {
    let new = NewKey {
        scopes: names(scopes),
        ..NewKey::default()
    };
    let created = app.services().keys.create(&app.principal(), new).await;
    created.unwrap().text.expose().to_owned()
}

pub(crate) fn id(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

pub(crate) async fn session_of(app: &TestApp, token: &str, input: Value) -> Value {
    let query = "mutation($input: CreateSessionInput!) {
        createSession(input: $input) { session { id userId isAnonymous } errors { code } } }";
    by(app, token, query, json!({"input": input})).await
}

/// Submits, and waits for the end.
pub(crate) async fn run(
    app: &TestApp,
    token: &str,
    session: &str,
    intent_type: &str,
    parameters: Value,
) -> String {
    let query = "mutation($input: SubmitIntentInput!) {
        submitIntent(input: $input) { execution { id } errors { code message } } }";
    let input = json!({"intentType": intent_type, "sessionId": session, "parameters": parameters});
    let submitted = by(app, token, query, json!({"input": input})).await;
    let execution = id(&submitted["data"]["submitIntent"]["execution"]["id"]);
    app.ended(execution.parse().unwrap()).await;
    execution
}

/// Somebody with a session, an execution in it, and an artifact.
struct Member {
    token: String,
    session: String,
    execution: String,
    artifact: String,
    schedule: String,
}

impl Member {
    async fn of(app: &TestApp) -> Self {
        let token = key_with(app, &OWN).await;
        let made = session_of(app, &token, json!({})).await;
        let session = id(&made["data"]["createSession"]["session"]["id"]);
        let parameters = json!({"filename": "a.txt", "content": "the same for all"});
        let execution = run(app, &token, &session, "ingest_file", parameters).await;
        let query = "query($id: ID!) { execution(id: $id) { status submittedBy artifacts { nodes { id } } } }";
        let seen = by(app, &token, query, json!({"id": execution})).await;
        let seen = &seen["data"]["execution"];
        assert_eq!(seen["status"], "COMPLETED", "{seen}");
        let artifact = id(&seen["artifacts"]["nodes"][0]["id"]);
        let query = "mutation($s: ID!) { createSchedule(input: {intentType: \"echo\", sessionId: $s, cron: \"@yearly\",
            parameters: {message: \"hello\"}}) { schedule { id } errors { code message } } }";
        let made = by(app, &token, query, json!({"s": session})).await;
        let schedule = id(&made["data"]["createSchedule"]["schedule"]["id"]);
        Self {
            token,
            session,
            execution,
            artifact,
            schedule,
        }
    }

    fn ids(&self) -> Value {
        json!({
            "execution": self.execution,
            "session": self.session,
            "artifact": self.artifact,
            "schedule": self.schedule,
        })
    }
}

/// Ids that nothing has.
fn absent() -> Value {
    let nothing = uuid::Uuid::from_u128(7);
    json!({
        "execution": ExecutionId(nothing).to_string(),
        "session": SessionId(nothing).to_string(),
        "artifact": ArtifactId(nothing).to_string(),
        "schedule": ScheduleId(nothing).to_string(),
    })
}

/// The same text for whatever ids, so that answers can be compared.
fn without_ids(answer: &str, ids: &Value) -> String {
    let answer = match answer.split_once("\"requestId\":\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').unwrap().1),
        None => answer.to_owned(),
    };
    let ids = ids.as_object().unwrap().iter();
    ids.fold(answer, |text, (name, id)| {
        text.replace(id.as_str().unwrap(), name)
    })
}

const LISTS: &str = "{ sessions { nodes { id } totalCount { count exact } }
    executions { nodes { id } totalCount { count exact } }
    artifacts { nodes { id } totalCount { count exact } } }";

backends! {
    async fn of_others_work_is_seen_what_is_seen_of_nothing(backend: Backend) {
        let app = guarded(&backend).await;
        let (ann, bob) = (Member::of(&app).await, Member::of(&app).await);
        let mut tried = 0;
        for (field, query, _) in OPERATIONS {
            if !["$execution", "$session", "$artifact", "$schedule"].iter().any(|name| query.contains(name)) {
                continue;
            }
            tried += 1;
            let (theirs, nothing) = (ann.ids(), absent());
            let of_others = first_answer(&app, &bob.token, query, &theirs).await;
            let of_nothing = first_answer(&app, &bob.token, query, &nothing).await;
            assert_eq!(without_ids(&of_others, &theirs), without_ids(&of_nothing, &nothing), "{field}");
        }
        assert!(tried > 15, "{tried}");
        // Nothing of it was done, and whoever owns it may do it.
        let query = "query($session: ID!, $artifact: ID!, $execution: ID!) {
            session(id: $session) { status stateVersion executions { totalCount { count } } }
            artifact(id: $artifact) { lifecycleState lineage { nodes { artifact { id } } } }
            execution(id: $execution) { children { totalCount { count } } steps { name } events { nodes { type } } } }";
        let seen = by(&app, &ann.token, query, ann.ids()).await;
        assert_eq!(seen["data"]["session"]["stateVersion"], "1", "{seen}");
        assert_eq!(seen["data"]["session"]["executions"]["totalCount"]["count"], 1, "{seen}");
        let artifact = &seen["data"]["artifact"];
        assert_eq!(artifact["lineage"]["nodes"].as_array().unwrap().len(), 1, "{seen}");
        assert!(!seen["data"]["execution"]["events"]["nodes"].as_array().unwrap().is_empty(), "{seen}");
        for member in [&ann, &bob] {
            let seen = by(&app, &member.token, LISTS, json!({})).await;
            let expected = [
                ("sessions", &member.session),
                ("executions", &member.execution),
                ("artifacts", &member.artifact),
            ];
            for (list, own) in expected {
                let nodes = &seen["data"][list];
                assert_eq!(nodes["nodes"], json!([{"id": own}]), "{list}");
                assert_eq!(nodes["totalCount"], json!({"count": 1, "exact": true}), "{list}");
            }
        }
        app.assert_verified().await;
    }

    async fn of_what_changes_is_told_what_is_ones_own(backend: Backend) {
        let app = guarded(&backend).await;
        let (ann, bob) = (Member::of(&app).await, Member::of(&app).await);
        let text = "subscription($s: ID) { executionChanges(filter: {sessionId: $s}, everyMs: 100) {
            executions { id } leftIds } }";
        let bearer = json!({"authorization": format!("Bearer {}", bob.token)});
        let mut socket = Socket::open(app.server.address(), &bearer).await.unwrap();
        // The list of the whole tenant needs the full scope, and a session of others is not there.
        for (session, reason) in [(Value::Null, "FORBIDDEN"), (json!(ann.session), "session not found")] {
            socket.subscribe("1", text, &json!({"s": session})).await.unwrap();
            let refused = socket.message("1").await.to_string();
            assert!(refused.contains(reason), "{refused}");
            // What was refused as the first answer of a stream completes.
            if refused.contains("\"next\"") {
                assert_eq!(socket.message("1").await["type"], "complete");
            }
        }
        socket.subscribe("1", text, &json!({"s": bob.session})).await.unwrap();
        socket.message("1").await;
        run(&app, &ann.token, &ann.session, "echo", json!({"message": "hello"})).await;
        let own = run(&app, &bob.token, &bob.session, "echo", json!({"message": "hello"})).await;
        let told = socket.message("1").await;
        let changes = &told["payload"]["data"]["executionChanges"];
        assert_eq!(changes, &json!({"executions": [{"id": own}], "leftIds": []}));
    }

    async fn a_session_belongs_to_whoever_makes_it_and_not_to_whom_they_name(backend: Backend) {
        let app = guarded(&backend).await;
        let token = key_with(&app, &OWN).await;
        let made = session_of(&app, &token, json!({})).await;
        let session = &made["data"]["createSession"]["session"];
        assert!(id(&session["userId"]).starts_with("key_"), "{made}");
        assert_eq!(session["isAnonymous"], false);
        let refused = session_of(&app, &token, json!({"userId": "ann"})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
        // Whoever may write all sessions makes them for others, and submits in them.
        let service = key_with(&app, &["sessions:write", "intents:submit", "executions:read"]).await;
        let made = session_of(&app, &service, json!({"userId": "ann"})).await;
        let of_ann = id(&made["data"]["createSession"]["session"]["id"]);
        run(&app, &service, &of_ann, "echo", json!({"message": "hello"})).await;
        // Others submit in their own alone.
        let query = "mutation($s: ID!) { submitIntent(input: {intentType: \"echo\", sessionId: $s,
            parameters: {message: \"hello\"}}) { execution { id } errors { code path } } }";
        let refused = by(&app, &token, query, json!({"s": of_ann})).await;
        let errors = &refused["data"]["submitIntent"]["errors"];
        assert_eq!(errors[0]["code"], "NOT_FOUND", "{refused}");
        app.assert_verified().await;
    }

    async fn a_key_of_a_request_finds_ones_own_execution_alone(backend: Backend) {
        let app = guarded(&backend).await;
        let (ann, bob) = (Member::of(&app).await, Member::of(&app).await);
        let submit = async |member: &Member, message: &str| {
            let query = "mutation($s: ID!, $m: JSON!) { submitIntent(input: {intentType: \"echo\", sessionId: $s,
                idempotencyKey: \"one\", parameters: $m}) { execution { id } replayed errors { code } } }";
            let variables = json!({"s": member.session, "m": {"message": message}});
            let mut done = by(&app, &member.token, query, variables).await;
            done["data"]["submitIntent"].take()
        };
        let first = submit(&ann, "a").await;
        let other = submit(&bob, "b").await;
        assert_eq!(other["replayed"], false, "no conflict with what nobody may see: {other}");
        assert_ne!(first["execution"]["id"], other["execution"]["id"]);
        let again = submit(&ann, "a").await;
        assert_eq!((&again["replayed"], &again["execution"]), (&json!(true), &first["execution"]));
        let list = "{ executions(filter: {idempotencyKey: \"one\"}) { nodes { id } } }";
        let found = by(&app, &bob.token, list, json!({})).await;
        assert_eq!(found["data"]["executions"]["nodes"], json!([other["execution"]]));
        // The same content made the same work twice, and each has an artifact of their own.
        assert_ne!(ann.artifact, bob.artifact);
        assert_ne!(ann.execution, bob.execution);
        app.assert_verified().await;
    }

    async fn an_attempt_cannot_do_what_its_submitter_may_not(backend: Backend) {
        let app = guarded(&backend).await;
        let (ann, bob) = (Member::of(&app).await, Member::of(&app).await);
        let failure = async |token: &str, session: &str, intent_type: &str, parameters: Value| {
            let execution = run(&app, token, session, intent_type, parameters).await;
            let found = app.execution(execution.parse().unwrap()).await;
            found.error.map(|error| (error.code, error.message))
        };
        // What a parameter names is not theirs.
        let parameters = json!({"artifact_id": ann.artifact});
        let (_, message) = failure(&bob.token, &bob.session, "parse_content", parameters.clone()).await.unwrap();
        let absent = json!({"artifact_id": absent()["artifact"]});
        let (_, of_nothing) = failure(&bob.token, &bob.session, "parse_content", absent).await.unwrap();
        let without = |text: String| text.replace(&ann.artifact, "").replace(&ArtifactId(uuid::Uuid::from_u128(7)).to_string(), "");
        assert_eq!(without(message), without(of_nothing));
        let ready = "mutation($id: ID!) {
            transitionArtifact(input: {artifactId: $id, to: READY}) { artifact { id } errors { code } } }";
        let changed = by(&app, &bob.token, ready, json!({"id": ann.artifact})).await;
        assert_eq!(changed["data"]["transitionArtifact"]["artifact"], Value::Null, "{changed}");
        by(&app, &ann.token, ready, json!({"id": ann.artifact})).await;
        assert_eq!(failure(&ann.token, &ann.session, "parse_content", parameters.clone()).await, None);
        // A type that they may not submit is not submitted for them either.
        let service = key_with(&app, &["intents:submit:compose_journey", "sessions:write", "executions:read"]).await;
        let steps = json!({"steps": [{"name": "a", "intent_type": "echo", "parameters": {"message": "hello"}}]});
        let made = session_of(&app, &service, json!({})).await;
        let session = id(&made["data"]["createSession"]["session"]["id"]);
        let (_, message) = failure(&service, &session, "compose_journey", steps.clone()).await.unwrap();
        assert!(message.contains("intents:submit:echo"), "{message}");
        let scopes = ["intents:submit:compose_journey", "intents:submit:echo", "sessions:write"];
        let service = key_with(&app, &scopes).await;
        assert_eq!(failure(&service, &session, "compose_journey", steps).await, None);
        // Nor is read for them what they may not read.
        let (_, message) = failure(&service, &session, "compose_journey", json!({"steps": [
            {"name": "a", "intent_type": "parse_content", "parameters": parameters}]})).await.unwrap();
        assert!(message.contains("intents:submit:parse_content"), "{message}");
        app.assert_verified().await;
    }
}

/// What was begun before a session had its user is the user's as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_before_an_upgrade_is_the_users() {
    let app = guarded(&Backend::sqlite()).await;
    let service = key_with(&app, &["sessions:write", "intents:submit"]).await;
    let member = key_with(&app, &OWN).await;
    let viewer = by(&app, &member, "{ viewer { actor } }", json!({})).await;
    let user = id(&viewer["data"]["viewer"]["actor"]);
    let made = session_of(&app, &service, json!({})).await;
    let session = id(&made["data"]["createSession"]["session"]["id"]);
    let execution = run(
        &app,
        &service,
        &session,
        "echo",
        json!({"message": "hello"}),
    )
    .await;
    let query = "query($id: ID!, $s: ID!) { execution(id: $id) { status }
        session(id: $s) { executions { nodes { id } } } }";
    let ids = json!({"id": execution, "s": session});
    let seen = by(&app, &member, query, ids.clone()).await;
    assert_eq!(seen["data"], json!({"execution": null, "session": null}));
    let upgrade = "mutation($s: ID!, $u: String!) {
        upgradeSession(input: {sessionId: $s, userId: $u}) { session { userId } errors { code } } }";
    by(&app, &service, upgrade, json!({"s": session, "u": user})).await;
    let seen = by(&app, &member, query, ids).await;
    let expected = json!({"execution": {"status": "COMPLETED"},
        "session": {"executions": {"nodes": [{"id": execution}]}}});
    assert_eq!(seen["data"], expected);
}
