//! The scope that each field of the schema and each route needs, and that none does without it.

pub(super) mod listed;
mod routes;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};
use takeoff::{
    auth::NewKey,
    model::{Action, ArtifactState, Execution, TransitionRequest},
};

use super::guarded;
use crate::support::{TestApp, backends};
use listed::{FIELDS, OPERATIONS};
use routes::{Needs, OTHERS, ROUTES};

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

    let paths = ROUTES
        .iter()
        .map(|(name, _)| name.split_once(' ').unwrap().1);
    let others = OTHERS.iter().map(|(path, _)| *path);
    let listed: BTreeSet<&str> = paths.chain(others).collect();
    let found = routed(Path::new("src"));
    assert_eq!(
        found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        listed
    );
}

/// The paths that the sources name as routes.
fn routed(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(routed(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // Those that only tests serve stand below.
        let text = text.split("#[cfg(test)]").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        let parts = text.split(".route(").skip(1);
        let named = parts.filter_map(|part| part.trim_start().strip_prefix('"'));
        found.extend(named.filter_map(|part| part.split('"').next().map(str::to_owned)));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_other_route_needs_what_its_line_says() {
    let backend = crate::support::Backend::sqlite();
    let settings = ["auth.mode=required", "http.operations_bind=127.0.0.1:0"];
    let mut world = Box::pin(World::of(TestApp::start_with(&backend, &settings).await)).await;
    let developer = world.without("runtime:operate").await;
    let operator = world.token(vec!["runtime:operate".to_owned()]).await;
    let operations = world.app.server.operations_address().unwrap();
    for (path, needs) in OTHERS {
        let asked = path
            .replace("{tenant}/{digest}", &format!("default/{}", "0".repeat(64)))
            .replace("{id}", "upl_01m8j2gzpxfmv9xyk8ycfmwv9e")
            .replace("{name}", "none");
        let method = if path.starts_with("/uploads") {
            Method::PUT
        } else {
            Method::GET
        };
        let tried = async |address, token: Option<&str>| {
            let url = format!("http://{address}{asked}");
            let mut request = world.app.http.request(method.clone(), url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            request.send().await.unwrap().status().as_u16()
        };
        let main = world.app.server.address();
        let found = [
            tried(main, None).await,
            tried(main, Some(&developer)).await,
            tried(main, Some(&operator)).await,
            tried(operations, None).await,
        ];
        let is_as_listed = match needs {
            Needs::Nothing => found == [200; 4],
            Needs::Operator => found == [401, 403, 200, 200],
            // Without a query, or an upgrade, there is nothing to do.
            Needs::Proof => found == [401, 400, 400, 401],
            Needs::ProofLater => found == [400; 4],
            Needs::PortForOperations if asked.ends_with("none") => found == [404; 4],
            // A page, the way back to one, or what is asked by POST.
            Needs::PortForOperations => {
                found[..3] == [404; 3] && [200, 303, 405].contains(&found[3])
            }
            Needs::SignedLink => found == [403; 4],
        };
        assert!(is_as_listed, "{path} needs {needs:?}: {found:?}");
    }
}

/// What a caller is told first by an operation on these ids.
pub(super) async fn first_answer(app: &TestApp, token: &str, query: &str, ids: &Value) -> String {
    let names = ["execution", "session", "artifact", "key", "schedule"].into_iter();
    let used = names.filter(|name| query.contains(&format!("${name}")));
    let declared: Vec<String> = used.clone().map(|name| format!("${name}: ID!")).collect();
    let given = used.map(|name| (name.to_owned(), ids[name].clone()));
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
    let request = app.http.post(app.url(path)).bearer_auth(token);
    let accepted = if kind == "subscription" {
        "text/event-stream"
    } else {
        "application/json"
    };
    let request = request.header(ACCEPT, accepted);
    let body = json!({"query": text, "variables": given});
    let mut answer = request.json(&body).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap_or_default();
    String::from_utf8_lossy(&first).into_owned()
}

/// What operations are tried on.
struct World {
    app: TestApp,
    execution: Execution,
    session: String,
    artifact: String,
    artifact_type: String,
    schedule: String,
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
        let mut world = Self {
            app,
            execution,
            session,
            artifact: artifact.id.to_string(),
            artifact_type: artifact.artifact_type,
            schedule: String::new(),
            tokens: BTreeMap::new(),
        };
        // Whoever makes it submit needs what its maker might do.
        let token = world.token(vec!["intents:submit:echo".to_owned()]).await;
        let (_, query, _) = OPERATIONS
            .iter()
            .find(|(field, ..)| *field == "Mutation.createSchedule")
            .unwrap();
        let ids = json!({"session": world.session});
        let made = first_answer(&world.app, &token, query, &ids);
        let made: Value = serde_json::from_str(&made.await).unwrap();
        let id = &made["data"]["createSchedule"]["schedule"]["id"];
        world.schedule = id.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        world
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
        let ids = json!({
            "execution": self.execution.id.to_string(),
            "session": self.session,
            "artifact": self.artifact,
            "key": takeoff::model::KeyId(uuid::Uuid::nil()).to_string(),
            "schedule": self.schedule,
        });
        let first = first_answer(&self.app, token, query, &ids).await;
        assert!(!first.contains("BAD_USER_INPUT"), "{query}: {first}");
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
        let path = if route.ends_with("/payload") {
            path + "?of=parameters"
        } else {
            path
        };
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

backends! {
    async fn nothing_is_done_without_the_scope_that_it_needs(backend: Backend) {
        let mut world = Box::pin(World::of(guarded(&backend).await)).await;
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
