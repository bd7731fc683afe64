//! The scope that each field of the schema and each route needs, and that none does without it.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};
use takeoff::{
    auth::NewKey,
    model::{Action, ArtifactState, Execution, TransitionRequest},
};

use super::guarded;
use crate::support::{TestApp, backends};

/// Fields that lead to other objects or have JSON, with the scope that each needs. None is needed for what comes with its object.
/// Left out are the parts of connections, and the fields of payloads, which come with the change.
const FIELDS: &[(&str, &str)] = &[
    ("Artifact.children", "artifacts:read"),
    ("Artifact.lineage", "artifacts:read"),
    ("Artifact.materializations", "artifacts:read"),
    ("Artifact.parents", "artifacts:read"),
    ("Artifact.producedBy", ""),
    ("Artifact.semanticDescriptor", ""),
    ("Artifact.transitions", "artifacts:read"),
    ("ArtifactRegistered.artifact", "artifacts:read"),
    ("ArtifactTransitioned.artifact", "artifacts:read"),
    ("ChildSubmitted.child", "executions:read"),
    ("DomainEvent.payload", ""),
    ("Execution.artifacts", "artifacts:read"),
    ("Execution.children", "executions:read"),
    ("Execution.error", ""),
    ("Execution.events", "executions:read"),
    ("Execution.intent", ""),
    ("Execution.parent", "executions:read"),
    ("Execution.rerunOf", "executions:read"),
    ("Execution.result", ""),
    ("Execution.steps", "executions:read"),
    ("ExecutionCompleted.result", ""),
    ("ExecutionError.earlier", ""),
    ("ExecutionEventBatch.events", ""),
    ("ExecutionFailed.error", ""),
    ("ExecutionRetrying.error", ""),
    ("ExecutionStep.result", ""),
    ("IdempotencyKeyConflict.execution", "executions:read"),
    ("Intent.metadata", ""),
    ("Intent.parameters", ""),
    ("Intent.session", "sessions:read"),
    ("IntentHandler.parametersSchema", ""),
    ("IntentType.handlers", ""),
    ("Lineage.edges", ""),
    ("Lineage.nodes", ""),
    ("LineageNode.artifact", ""),
    ("Materialization.preview", "artifacts:read"),
    ("Mutation.cancelExecution", "executions:control"),
    ("Mutation.closeSession", "sessions:write"),
    ("Mutation.createApiKey", "keys:manage"),
    ("Mutation.createSession", "sessions:write"),
    ("Mutation.createUpload", "artifacts:write"),
    ("Mutation.deleteArtifact", "artifacts:write"),
    ("Mutation.rerunExecution", "executions:control"),
    ("Mutation.revokeApiKey", "keys:manage"),
    ("Mutation.setSessionState", "sessions:write"),
    ("Mutation.submitIntent", "intents:submit:echo"),
    ("Mutation.submitIntents", "intents:submit:echo"),
    ("Mutation.transitionArtifact", "artifacts:write"),
    ("Mutation.upgradeSession", "sessions:write"),
    ("ProducedBy.execution", "executions:read"),
    ("Query.apiKeys", "keys:manage"),
    ("Query.artifact", "artifacts:read"),
    ("Query.artifacts", "artifacts:read"),
    ("Query.execution", "executions:read"),
    ("Query.executions", "executions:read"),
    ("Query.intentType", ""),
    ("Query.intentTypes", ""),
    ("Query.lineage", "artifacts:read"),
    ("Query.lineagePath", "artifacts:read"),
    // By what the id names.
    ("Query.node", "executions:read"),
    ("Query.nodes", "sessions:read"),
    ("Query.runtime", ""),
    ("Query.session", "sessions:read"),
    ("Query.sessions", "sessions:read"),
    ("Query.viewer", ""),
    ("Query.walEntries", "log:read"),
    ("RuntimeStatus.backlog", "runtime:operate"),
    ("RuntimeStatus.nodes", "runtime:operate"),
    ("Session.executions", "executions:read"),
    ("Session.metadata", ""),
    ("Session.state", ""),
    ("Subscription.executionEvents", "executions:read"),
    ("Subscription.sessionEvents", "sessions:read"),
    ("Subscription.tenantEvents", "executions:read"),
    ("WalEntry.data", ""),
    // Parameters, results and states as they were written.
    ("WalEntry.payload", "runtime:operate"),
];

/// Routes with the scope that each needs.
const ROUTES: &[(&str, &str)] = &[
    ("GET /api/artifact/{artifact_id}/download", "artifacts:read"),
    ("GET /api/artifact/{artifact_id}/lineage", "artifacts:read"),
    (
        "GET /api/execution/{execution_id}/status",
        "executions:read",
    ),
    (
        "GET /api/execution/{execution_id}/stream",
        "executions:read",
    ),
    ("GET /api/intents", ""),
    ("GET /api/session/{session_id}", "sessions:read"),
    ("PATCH /api/session/{session_id}/upgrade", "sessions:write"),
    ("POST /api/artifact/list", "artifacts:read"),
    ("POST /api/artifact/resolve", "artifacts:read"),
    ("POST /api/execution/list", "executions:read"),
    (
        "POST /api/execution/{execution_id}/cancel",
        "executions:control",
    ),
    (
        "POST /api/execution/{execution_id}/rerun",
        "executions:control",
    ),
    ("POST /api/intent/submit", "intents:submit:echo"),
    ("POST /api/session/create", "sessions:write"),
    ("POST /api/upload/create", "artifacts:write"),
    ("PUT /api/session/{session_id}/state", "sessions:write"),
];

const SCHEMA: &str = "{ __schema { types { name kind fields { name args { name } type { ...T } } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// Whether a field has a selection, arguments, or a value of any size.
fn leads_somewhere(field: &Value) -> bool {
    let mut of = &field["type"];
    while !of["ofType"].is_null() {
        of = &of["ofType"];
    }
    matches!(of["kind"].as_str(), Some("OBJECT" | "INTERFACE" | "UNION"))
        || of["name"] == "JSON"
        || field["args"]
            .as_array()
            .is_some_and(|args| !args.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_field_and_each_route_is_listed_with_its_scope() {
    let app = TestApp::start(&crate::support::Backend::sqlite()).await;
    let schema = app.data(SCHEMA, json!({})).await;
    let comes_along = |name: &str| {
        let parts = ["Connection", "Edge", "Payload"];
        name.starts_with("__") || parts.iter().any(|end| name.ends_with(end))
    };
    let mut found = BTreeSet::new();
    for one in schema["__schema"]["types"].as_array().unwrap() {
        let name = one["name"].as_str().unwrap();
        let fields = one["fields"].as_array().map_or(&[][..], Vec::as_slice);
        if one["kind"] == "OBJECT" && !comes_along(name) {
            let fields = fields.iter().filter(|field| leads_somewhere(field));
            found.extend(fields.map(|field| format!("{name}.{}", field["name"].as_str().unwrap())));
        }
    }
    let listed: BTreeSet<String> = FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed);

    let document = app
        .http
        .get(app.url("/api/openapi.json"))
        .send()
        .await
        .unwrap();
    let document: Value = document.json().await.unwrap();
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        found.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let listed: BTreeSet<String> = ROUTES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}

/// What operations are tried on.
struct World {
    app: TestApp,
    execution: Execution,
    session: String,
    artifact: String,
    artifact_type: String,
    tokens: BTreeMap<String, String>,
}

impl World {
    async fn of(app: TestApp) -> Self {
        let parameters = json!({"filename": "a.txt", "content": "hello"});
        let execution = app.run("ingest_file", parameters).await;
        let session = execution.intent.session_id.to_string();
        let scope = app.principal().scope();
        let ids = [execution.id];
        let made = app
            .services()
            .artifacts
            .list_first_of_executions(&scope, &ids, 1);
        let (_, artifact) = made.await.unwrap()[&execution.id][0].clone();
        // Only what is ready is resolved.
        let ready = TransitionRequest {
            artifact_id: artifact.id,
            to: ArtifactState::Ready,
            actor: "ann".into(),
            reason: None,
        };
        let registry = &app.services().artifacts;
        let artifact = registry.transition(&app.principal(), ready).await.unwrap();
        Self {
            app,
            execution,
            session,
            artifact: artifact.id.to_string(),
            artifact_type: artifact.artifact_type,
            tokens: BTreeMap::new(),
        }
    }

    /// A key with these scopes.
    async fn token(&mut self, scopes: Vec<String>) -> String {
        let name = scopes.join(" ");
        if let Some(known) = self.tokens.get(&name) {
            return known.clone();
        }
        let new = NewKey {
            scopes,
            ..NewKey::default()
        };
        let keys = &self.app.services().keys;
        let created = keys.create(&self.app.principal(), new).await.unwrap();
        let text = created.text.expose().to_owned();
        self.tokens.insert(name, text.clone());
        text
    }

    /// A key with every scope but this one.
    async fn without(&mut self, scope: &str) -> String {
        let lacks = |name: &str| name == scope || scope.starts_with(&format!("{name}:"));
        let rest = Action::ALL
            .iter()
            .map(|action| action.name())
            .filter(|name| !lacks(name));
        let mut rest: Vec<String> = rest.map(str::to_owned).collect();
        if scope.starts_with("intents:submit:") {
            rest.push("intents:submit:ingest_file".to_owned());
        }
        self.token(rest).await
    }

    /// What a caller is told first.
    async fn ask(&self, token: &str, query: &str) -> String {
        let variables = json!({
            "execution": self.execution.id.to_string(),
            "session": self.session,
            "artifact": self.artifact,
            "key": takeoff::model::KeyId(uuid::Uuid::nil()).to_string(),
        });
        let names = ["execution", "session", "artifact", "key"].into_iter();
        let used = names.filter(|name| query.contains(&format!("${name}")));
        let declared: Vec<String> = used.clone().map(|name| format!("${name}: ID!")).collect();
        let given = used.map(|name| (name.to_owned(), variables[name].clone()));
        let given: serde_json::Map<String, Value> = given.collect();
        let (kind, selection) = query.split_once(' ').unwrap();
        let declared = declared.join(", ");
        let declared = if declared.is_empty() {
            declared
        } else {
            format!("({declared})")
        };
        let text = format!("{kind} Tried{declared} {selection}");
        let path = if kind == "subscription" {
            "/graphql/stream"
        } else {
            "/graphql"
        };
        let request = self.app.http.post(self.app.url(path)).bearer_auth(token);
        let accepted = if kind == "subscription" {
            "text/event-stream"
        } else {
            "application/json"
        };
        let request = request.header(ACCEPT, accepted);
        let body = json!({"query": text, "variables": given});
        let mut answer = request.json(&body).send().await.unwrap();
        let first = answer.chunk().await.unwrap().unwrap_or_default();
        let first = String::from_utf8_lossy(&first).into_owned();
        assert!(!first.contains("BAD_USER_INPUT"), "{text}: {first}");
        first
    }

    async fn call(&self, token: &str, route: &str) -> (u16, Value) {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path
            .replace("{execution_id}", &self.execution.id.to_string())
            .replace("{session_id}", &self.session)
            .replace("{artifact_id}", &self.artifact);
        let body = match route {
            "POST /api/artifact/resolve" => {
                json!({"artifact_id": self.artifact, "artifact_type": self.artifact_type})
            }
            "POST /api/intent/submit" => json!({"intent_type": "echo",
                "session_id": self.session, "parameters": {"message": "hello"}}),
            "PATCH /api/session/{session_id}/upgrade" => json!({"user_id": "ann"}),
            "POST /api/upload/create" => json!({"filename": "a.txt", "size_bytes": 5}),
            "PUT /api/session/{session_id}/state" => json!({"state": {"a": 1}}),
            _ => json!({}),
        };
        let method: Method = method.parse().unwrap();
        let mut request = self.app.http.request(method.clone(), self.app.url(&path));
        if method != Method::GET {
            request = request.json(&body);
        }
        let answer = request.bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        assert_ne!(body["error_code"], "BAD_USER_INPUT", "{route}: {body}");
        (status, body)
    }
}

/// A document for each field that can be asked for by itself; what it reads besides needs the scopes in the third
/// place.
const OPERATIONS: &[(&str, &str, &[&str])] = &[
    (
        "Mutation.createSession",
        "mutation { createSession(input: {}) { session { id } } }",
        &[],
    ),
    (
        "Mutation.setSessionState",
        "mutation { setSessionState(input: {sessionId: $session, state: {}}) { session { id } errors { code } } }",
        &[],
    ),
    (
        "Mutation.submitIntent",
        "mutation { submitIntent(input: {intentType: \"echo\", sessionId: $session, parameters: {message: \"hello\"}}) { execution { id status } errors { code } } }",
        &[],
    ),
    (
        "Mutation.submitIntents",
        "mutation { submitIntents(input: {intents: [{intentType: \"echo\", sessionId: $session, parameters: {message: \"hello\"}}]}) { results { execution { id status } } errors { code } } }",
        &[],
    ),
    (
        "Mutation.cancelExecution",
        "mutation { cancelExecution(input: {executionId: $execution}) { execution { id } errors { code } } }",
        &[],
    ),
    (
        "Mutation.rerunExecution",
        "mutation { rerunExecution(input: {executionId: $execution}) { execution { id } errors { code } } }",
        &[],
    ),
    (
        "Mutation.createUpload",
        "mutation { createUpload(input: {filename: \"a.txt\", sizeBytes: \"5\"}) { upload { id } errors { code } } }",
        &[],
    ),
    (
        "Mutation.transitionArtifact",
        "mutation { transitionArtifact(input: {artifactId: $artifact, to: ARCHIVED}) { artifact { id } errors { code } } }",
        &[],
    ),
    (
        "Mutation.deleteArtifact",
        "mutation { deleteArtifact(input: {artifactId: $artifact, dryRun: true}) { artifact { id } errors { code } } }",
        &["artifacts:read"],
    ),
    (
        "Mutation.createApiKey",
        "mutation { createApiKey(input: {roles: []}) { apiKey { id } errors { code } } }",
        &[],
    ),
    (
        "Mutation.revokeApiKey",
        "mutation { revokeApiKey(input: {id: $key}) { apiKey { id } errors { code } } }",
        &[],
    ),
    ("Query.apiKeys", "query { apiKeys { nodes { id } } }", &[]),
    (
        "Query.artifact",
        "query { artifact(id: $artifact) { id } }",
        &[],
    ),
    (
        "Query.artifacts",
        "query { artifacts { nodes { id } totalCount { count } } }",
        &[],
    ),
    (
        "Artifact.lineage",
        "query { artifact(id: $artifact) { lineage { nodes { depth } } children { totalCount { count } } transitions { to } materializations { preview } } }",
        &[],
    ),
    (
        "ProducedBy.execution",
        "query { artifact(id: $artifact) { producedBy { execution { id status } } } }",
        &["artifacts:read"],
    ),
    (
        "Query.execution",
        "query { execution(id: $execution) { id result children { totalCount { count } } steps { name } events { nodes { id } } } }",
        &[],
    ),
    (
        "Query.executions",
        "query { executions { nodes { id } totalCount { count } } }",
        &[],
    ),
    (
        "Execution.artifacts",
        "query { execution(id: $execution) { artifacts { nodes { id } } } }",
        &["executions:read"],
    ),
    (
        "Intent.session",
        "query { execution(id: $execution) { intent { session { status } } } }",
        &["executions:read"],
    ),
    (
        "Query.lineage",
        "query { lineage(roots: [$artifact]) { nodes { depth } } }",
        &[],
    ),
    (
        "Query.lineagePath",
        "query { lineagePath(from: $artifact, to: $artifact) { id } }",
        &[],
    ),
    ("Query.node", "query { node(id: $execution) { id } }", &[]),
    (
        "Query.nodes",
        "query { nodes(ids: [$session]) { id } }",
        &[],
    ),
    (
        "Query.session",
        "query { session(id: $session) { state } }",
        &[],
    ),
    (
        "Query.sessions",
        "query { sessions { nodes { id } totalCount { count } } }",
        &[],
    ),
    (
        "Session.executions",
        "query { session(id: $session) { executions { nodes { id } } } }",
        &["sessions:read"],
    ),
    (
        "Query.walEntries",
        "query { walEntries { nodes { type } } }",
        &[],
    ),
    (
        "WalEntry.payload",
        "query { walEntries { nodes { type payload } } }",
        &["log:read"],
    ),
    (
        "RuntimeStatus.nodes",
        "query { runtime { nodes { id } } }",
        &[],
    ),
    (
        "RuntimeStatus.backlog",
        "query { runtime { backlog { ready } } }",
        &[],
    ),
    (
        "Subscription.executionEvents",
        "subscription { executionEvents(executionId: $execution) { cursor } }",
        &[],
    ),
    (
        "Subscription.sessionEvents",
        "subscription { sessionEvents(sessionId: $session) { cursor } }",
        &[],
    ),
    (
        "Subscription.tenantEvents",
        "subscription { tenantEvents { cursor } }",
        &[],
    ),
    (
        "Mutation.upgradeSession",
        "mutation { upgradeSession(input: {sessionId: $session, userId: \"ann\"}) { session { id } errors { code } } }",
        &[],
    ),
    // The last one: the session takes nothing after it.
    (
        "Mutation.closeSession",
        "mutation { closeSession(input: {sessionId: $session}) { session { id } errors { code } } }",
        &[],
    ),
];

backends! {
    async fn nothing_is_done_without_the_scope_that_it_needs(backend: Backend) {
        let mut world = World::of(guarded(&backend).await).await;
        let scopes: BTreeMap<&str, &str> = FIELDS.iter().copied().collect();
        for (route, scope) in ROUTES.iter().filter(|(_, scope)| !scope.is_empty()) {
            let token = world.without(scope).await;
            let (status, body) = world.call(&token, route).await;
            assert_eq!((status, &body["error_code"]), (403, &json!("FORBIDDEN")), "{route}: {body}");
            assert!(body["error"].as_str().unwrap().contains(scope), "{route}: {body}");
            let token = world.token(vec![(*scope).to_owned()]).await;
            let (status, body) = world.call(&token, route).await;
            assert!(status < 400 || status == 409, "{route}: {status} {body}");
        }
        for (field, query, besides) in OPERATIONS {
            let scope = scopes[field];
            let token = world.without(scope).await;
            let told = world.ask(&token, query).await;
            assert!(told.contains("\"FORBIDDEN\"") && told.contains(scope), "{field}: {told}");
            let mut only = vec![scope.to_owned()];
            only.extend(besides.iter().map(|&scope| scope.to_owned()));
            let token = world.token(only).await;
            let told = world.ask(&token, query).await;
            assert!(!told.contains("FORBIDDEN") && told.contains("\"data\""), "{field}: {told}");
        }
        // Every field of the three types is tried, or needs nothing.
        let tried: BTreeSet<&str> = OPERATIONS.iter().map(|(field, _, _)| *field).collect();
        let roots = FIELDS.iter().filter(|(field, scope)| {
            let of_root = ["Query.", "Mutation.", "Subscription."];
            !scope.is_empty() && of_root.iter().any(|root| field.starts_with(root))
        });
        for (field, _) in roots {
            assert!(tried.contains(field), "{field} is not tried");
        }
        world.app.assert_verified().await;
    }
}
