//! The REST contract, route by route.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;

use crate::support::{TestApp, backends};

struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(response.headers().contains_key("x-request-id"));
        let body = response.json().await.unwrap();
        Self { status, body }
    }

    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Refused with this status and code.
    fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status.as_u16(), &self.body["error_code"]),
            (status, &json!(code)),
            "{}",
            self.body
        );
        assert!(self.body["error"].is_string(), "{}", self.body);
        self.body
    }
}

async fn get(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.http.get(app.url(path))).await
}

async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    Answer::of(app.http.post(app.url(path)).json(&body)).await
}

async fn session(app: &TestApp) -> String {
    let created = post(app, "/api/session/create", json!({})).await.ok();
    created["session_id"].as_str().unwrap().to_owned()
}

async fn submit(app: &TestApp, input: Value, key: &str) -> Answer {
    let request = app
        .http
        .post(app.url("/api/intent/submit"))
        .header("Idempotency-Key", key);
    Answer::of(request.json(&input)).await
}

backends! {
    async fn a_session_is_created_read_and_upgraded(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let created = post(&app, "/api/session/create", json!({"tenant_id": "default", "metadata": {"a": 1}})).await.ok();
        assert_eq!((&created["tenant_id"], &created["user_id"]), (&json!("default"), &Value::Null));
        assert!(created["created_at"].as_str().unwrap().ends_with('Z'));
        let id = created["session_id"].as_str().unwrap().to_owned();
        let read = get(&app, &format!("/api/session/{id}?tenant_id=default")).await.ok();
        assert_eq!((&read["status"], &read["state"], &read["metadata"]), (&json!("active"), &json!({}), &json!({"a": 1})));
        let path = format!("/api/session/{id}/upgrade");
        let upgrade = || Answer::of(app.http.patch(app.url(&path)).json(&json!({"user_id": "ann", "tenant_id": "default"})));
        let upgraded = upgrade().await.ok();
        assert_eq!((&upgraded["status"], &upgraded["user_id"]), (&json!("upgraded"), &json!("ann")));
        upgrade().await.refused(409, "INVALID_TRANSITION");
        let again = post(&app, "/api/session/create", json!({"session_id": id})).await;
        again.refused(400, "INVALID_INPUT");
    }

    async fn an_intent_runs_and_is_read_back_whole(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = session(&app).await;
        let input = json!({"intent_type": "make", "session_id": session, "parameters": {"name": "a"}});
        let submitted = submit(&app, input.clone(), "k").await.ok();
        assert_eq!(submitted["replayed"], false);
        let id = submitted["execution_id"].as_str().unwrap().to_owned();
        let done = app.ended(id.parse().unwrap()).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        let again = submit(&app, input, "k").await.ok();
        assert_eq!((&again["execution_id"], &again["replayed"]), (&json!(id), &json!(true)));
        let conflict = json!({"intent_type": "make", "session_id": session, "parameters": {"name": "b"}});
        let conflict = submit(&app, conflict, "k").await.refused(409, "IDEMPOTENCY_KEY_CONFLICT");
        assert_eq!(conflict["execution_id"], id.as_str());
        let plain = get(&app, &format!("/api/execution/{id}/status")).await.ok();
        assert_eq!((&plain["status"], plain.get("artifacts"), plain.get("events")), (&json!("completed"), None, None));
        let whole = format!("/api/execution/{id}/status?include_artifacts=true&include_events=true");
        let whole = get(&app, &whole).await.ok();
        assert_eq!(whole["artifacts"][0]["artifact_id"], whole["result"]);
        let types: Vec<_> = whole["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
        assert_eq!(types, ["execution.created", "execution.started", "artifact.registered", "execution.completed"]);
        post(&app, &format!("/api/execution/{id}/cancel"), json!({})).await.refused(409, "ALREADY_TERMINAL");
        app.assert_verified().await;
    }

    async fn what_cannot_be_accepted_says_why(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = session(&app).await;
        let with = |more: Value| {
            let mut input = json!({"intent_type": "add", "session_id": session, "parameters": {"a": 1, "b": 2}});
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            input
        };
        let path = "/api/intent/submit";
        let unknown = post(&app, path, with(json!({"intent_type": "fly"}))).await.refused(400, "UNKNOWN_INTENT_TYPE");
        assert_eq!(unknown["intent_type"], "fly");
        post(&app, path, with(json!({"intent_type": "twice"}))).await.refused(400, "AMBIGUOUS_HANDLER");
        let faulty = post(&app, path, with(json!({"parameters": {"a": "x", "b": 1}}))).await;
        assert_eq!(faulty.refused(400, "INVALID_INPUT")["details"][0]["path"], json!(["parameters", "a"]));
        let nobody = takeoff::ids::IdSource::seeded(1).session().to_string();
        let absent = post(&app, path, with(json!({"session_id": nobody}))).await.refused(404, "NOT_FOUND");
        assert_eq!(absent["details"][0]["path"], json!(["session_id"]));
        post(&app, path, with(json!({"session_id": "x"}))).await.refused(400, "BAD_USER_INPUT");
        let foreign = post(&app, path, with(json!({"tenant_id": "other"}))).await.refused(404, "NOT_FOUND");
        assert_eq!(foreign, absent, "as if the session were not there");
        post(&app, path, with(json!({"colour": "red"}))).await.refused(400, "BAD_USER_INPUT");
        post(&app, path, with(json!({"parameters": [1]}))).await.refused(400, "INVALID_INPUT");
        submit(&app, with(json!({})), &"k".repeat(256)).await.refused(400, "INVALID_INPUT");
        let url = app.url(path);
        let text = app.http.post(&url).header(CONTENT_TYPE, "text/plain").body("{}");
        Answer::of(text).await.refused(415, "BAD_USER_INPUT");
        for body in ["", "{", "[]", "null", "{\"intent_type\": 7}"] {
            let request = app.http.post(&url).header(CONTENT_TYPE, "application/json").body(body);
            Answer::of(request).await.refused(400, "BAD_USER_INPUT");
        }
        let large = with(json!({"parameters": {"a": "x".repeat(1 << 20)}}));
        post(&app, path, large).await.refused(413, "BAD_USER_INPUT");
        get(&app, &format!("/api/execution/{nobody}/status")).await.refused(400, "BAD_USER_INPUT");
        let nothing = takeoff::ids::IdSource::seeded(1).execution();
        get(&app, &format!("/api/execution/{nothing}/status")).await.refused(404, "NOT_FOUND");
        get(&app, &format!("/api/execution/{nothing}/stream")).await.refused(404, "NOT_FOUND");
        get(&app, &format!("/api/session/{session}?colour=red")).await.refused(400, "BAD_USER_INPUT");
        get(&app, &format!("/api/session/{session}?tenant_id=other")).await.refused(404, "NOT_FOUND");
        let other = app.http.get(app.url(&format!("/api/session/{session}"))).header("X-Takeoff-Tenant", "other");
        Answer::of(other).await.refused(404, "NOT_FOUND");
        assert_eq!(app.verify().await.executions, 0);
    }

    async fn a_stream_tells_all_and_goes_on_where_it_was(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = app.run("talk", json!({})).await.id.to_string();
        let path = app.url(&format!("/api/execution/{id}/stream"));
        let whole = app.http.get(&path).send().await.unwrap().text().await.unwrap();
        let field = |name: &str| -> Vec<String> {
            whole.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect()
        };
        let (types, ids) = (field("event: "), field("id: "));
        assert_eq!(types.first().unwrap(), "execution.created");
        assert_eq!(types.last().unwrap(), "execution.completed");
        let data: Vec<Value> = field("data: ").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let paid = data.iter().find(|event| event["type"] == "domain.order.paid").unwrap();
        assert_eq!(paid["data"], json!({"name": "order.paid", "payload": {"amount": 12.5}}));
        let rest = app.http.get(&path).header("Last-Event-ID", &ids[1]).send().await.unwrap();
        let rest = rest.text().await.unwrap();
        assert!(whole.ends_with(&rest) && rest.contains(&ids[2]) && !rest.contains(&format!("id: {}\n", ids[1])));
        // After the terminal event there is nothing, and a browser that is told so does not come back.
        let end = app.http.get(&path).header("Last-Event-ID", ids.last().unwrap());
        assert_eq!(end.send().await.unwrap().status(), 204);
        let query = format!("subscription {{ executionEvents(executionId: \"{id}\") {{ cursor }} }}");
        let address = app.url("/graphql/stream");
        let address = url::Url::parse_with_params(&address, [("query", query)]).unwrap();
        let stream = |id: &String| {
            app.http
                .get(address.clone())
                .header("accept", "text/event-stream")
                .header("Last-Event-ID", id)
        };
        assert_eq!(stream(ids.last().unwrap()).send().await.unwrap().status(), 204);
        let rest = stream(&ids[1]).send().await.unwrap();
        assert_eq!(rest.status(), 200);
        let rest = rest.text().await.unwrap();
        assert!(rest.contains(ids.last().unwrap()) && rest.contains("event: complete"), "{rest}");
        let nonsense = app.http.get(&path).header("Last-Event-ID", "nonsense");
        Answer::of(nonsense).await.refused(400, "BAD_USER_INPUT");
    }

    async fn artifacts_are_resolved_and_listed_in_parts(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for n in 0..5 {
            app.run("make", json!({"name": format!("a{n}")})).await;
        }
        let list = async |input: Value| post(&app, "/api/artifact/list", input).await;
        let all = list(json!({})).await.ok();
        assert_eq!((&all["total"], &all["limit"], &all["offset"]), (&json!(5), &json!(50), &json!(0)));
        let part = list(json!({"limit": 2, "offset": 3, "artifact_type": "thing", "lifecycle_state": "ready"})).await.ok();
        assert_eq!(part["artifacts"].as_array().unwrap()[..], all["artifacts"].as_array().unwrap()[3..5]);
        assert_eq!(list(json!({"lifecycle_state": "deleted"})).await.ok()["total"], 0);
        list(json!({"limit": 0})).await.refused(400, "BAD_USER_INPUT");
        list(json!({"limit": 201})).await.refused(400, "BAD_USER_INPUT");
        list(json!({"lifecycle_state": "lost"})).await.refused(400, "BAD_USER_INPUT");
        list(json!({"eligible_for": "nothing"})).await.refused(400, "UNKNOWN_INTENT_TYPE");
        let first = &all["artifacts"][0];
        let resolve = async |kind: &str, tenant: &str| {
            let input = json!({"artifact_id": first["artifact_id"], "artifact_type": kind, "tenant_id": tenant});
            post(&app, "/api/artifact/resolve", input).await
        };
        assert_eq!(resolve("thing", "default").await.ok(), *first);
        resolve("other", "default").await.refused(404, "NOT_FOUND");
        resolve("thing", "other").await.refused(404, "NOT_FOUND");
    }

    async fn state_is_written_as_a_whole_by_patch_and_by_version(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let path = format!("/api/session/{}/state", session(&app).await);
        let put = async |input: Value| Answer::of(app.http.put(app.url(&path)).json(&input)).await;
        let written = put(json!({"state": {"a": 1, "b": 2}})).await.ok();
        assert_eq!(written["state"], json!({"a": 1, "b": 2}));
        let change = json!({"state": {"a": null}, "mode": "merge", "if_version": written["state_version"]});
        assert_eq!(put(change.clone()).await.ok()["state"], json!({"b": 2}));
        put(change).await.refused(409, "STALE_VERSION");
        put(json!({"state": {}, "mode": "add"})).await.refused(400, "BAD_USER_INPUT");
    }

    async fn executions_are_listed_in_pages_and_run_again(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for n in 0..3 {
            app.run("add", json!({"a": n, "b": 1})).await;
        }
        let failed = app.run("flaky", json!({"failures": 9, "fatal": true})).await;
        let list = async |input: Value| post(&app, "/api/execution/list", input).await;
        let first = list(json!({"limit": 3})).await.ok();
        assert_eq!(first["executions"][0]["execution_id"], failed.id.to_string());
        let rest = list(json!({"limit": 3, "after": first["next"]})).await.ok();
        assert_eq!((rest["executions"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
        let only = list(json!({"status": "failed", "intent_type": "flaky"})).await.ok();
        assert_eq!(only["executions"][0]["error"]["code"], "NOT_TODAY");
        list(json!({"status": "done"})).await.refused(400, "BAD_USER_INPUT");
        list(json!({"limit": 0})).await.refused(400, "BAD_USER_INPUT");
        let path = app.url(&format!("/api/execution/{}/rerun", failed.id));
        let rerun = async || Answer::of(app.http.post(&path).header("Idempotency-Key", "r")).await.ok();
        let long = app.http.post(&path).header("Idempotency-Key", "x".repeat(256));
        Answer::of(long).await.refused(400, "INVALID_INPUT");
        let (once, twice) = (rerun().await, rerun().await);
        assert_eq!(once["execution_id"], twice["execution_id"]);
        assert_eq!((&once["replayed"], &twice["replayed"]), (&json!(false), &json!(true)));
    }

    async fn a_file_goes_up_and_comes_down_with_its_lineage(backend: Backend) {
        let settings = ["http.cors_origins=https://app.example", "http.public_url=https://takeoff.example/base/"];
        let app = TestApp::start_with(&backend, &settings).await;
        let announced = post(&app, "/api/upload/create", json!({"filename": "a.csv", "size_bytes": 8})).await.ok();
        let here = |link: &Value| {
            let link = link.as_str().unwrap();
            app.url(link.strip_prefix("https://takeoff.example/base").unwrap())
        };
        let sent = app.http.put(here(&announced["url"])).body("a,b\n1,2\n").send().await.unwrap();
        assert_eq!(sent.status(), 201);
        let journey = json!({"journey_id": "file_upload_materialization", "filename": "a.csv",
            "upload_id": announced["upload_id"]});
        assert_eq!(app.run("compose_journey", journey).await.status, ExecutionStatus::Completed);
        let listed = post(&app, "/api/artifact/list", json!({})).await.ok();
        let artifact = &listed["artifacts"][0];
        let id = artifact["artifact_id"].as_str().unwrap();
        let link = here(&artifact["materializations"][0]["download_url"]);
        let fetched = app.http.get(link).header("origin", "https://app.example").send().await.unwrap();
        let exposed = fetched.headers()["access-control-expose-headers"].to_str().unwrap().to_owned();
        assert!(exposed.contains("content-disposition"), "{exposed}");
        let name = fetched.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(name.contains("filename=\"a.csv\""), "{name}");
        assert_eq!(fetched.text().await.unwrap(), "a,b\n1,2\n");
        let stay = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let lead = stay.get(app.url(&format!("/api/artifact/{id}/download"))).send().await.unwrap();
        assert_eq!(lead.status(), 307);
        let link = json!(lead.headers()["location"].to_str().unwrap());
        assert_eq!(app.http.get(here(&link)).send().await.unwrap().text().await.unwrap(), "a,b\n1,2\n");
        get(&app, &format!("/api/artifact/{id}/download?format=xlsx")).await.refused(404, "NOT_FOUND");
        let lineage = get(&app, &format!("/api/artifact/{id}/lineage?direction=both&max_depth=5")).await.ok();
        assert_eq!(lineage["nodes"][0]["artifact_id"], id);
        assert_eq!(lineage["truncated"], false);
        get(&app, &format!("/api/artifact/{id}/lineage?max_depth=101")).await.refused(400, "BAD_USER_INPUT");
    }

    async fn a_running_execution_is_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "gated", json!({})).await;
        app.reaches(running.id, ExecutionStatus::Running).await;
        let path = format!("/api/execution/{}/cancel", running.id);
        post(&app, &path, json!({"reason": "a\u{0}"})).await.refused(400, "INVALID_INPUT");
        post(&app, &path, json!({"reason": "no longer wanted"})).await.ok();
        assert_eq!(app.ended(running.id).await.status, ExecutionStatus::Cancelled);
    }
}

/// Every route that the document names answers, and every answer it may give is described.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_describes_what_is_served() {
    let app = TestApp::start(&crate::support::Backend::sqlite()).await;
    let document = get(&app, "/api/openapi.json").await.ok();
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, route) in item.as_object().unwrap() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
            let statuses: Vec<_> = route["responses"].as_object().unwrap().keys().collect();
            assert!(
                statuses
                    .iter()
                    .any(|status| ["200", "307"].contains(&status.as_str()))
                    && statuses.len() > 1,
                "{path}"
            );
            for parameter in route["parameters"].as_array().into_iter().flatten() {
                let place = parameter["in"].as_str().unwrap();
                let name = parameter["name"].as_str().unwrap();
                let is_in_path = path.contains(&format!("{{{name}}}"));
                assert_eq!(place == "path", is_in_path, "{path} {name}");
                assert_eq!(parameter["required"] == true, is_in_path, "{path} {name}");
            }
            let concrete = path
                .replace("{artifact_id}", "x")
                .replace("{session_id}", "x")
                .replace("{execution_id}", "x");
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = app
                .http
                .request(method, app.url(&concrete))
                .send()
                .await
                .unwrap();
            assert!(
                !matches!(answer.status().as_u16(), 404 | 405),
                "{path}: {}",
                answer.status()
            );
        }
    }
    let expected = [
        "GET /api/artifact/{artifact_id}/download",
        "GET /api/artifact/{artifact_id}/lineage",
        "GET /api/execution/export",
        "GET /api/execution/{execution_id}/payload",
        "GET /api/execution/{execution_id}/status",
        "GET /api/execution/{execution_id}/stream",
        "GET /api/execution/{execution_id}/timeline",
        "GET /api/intents",
        "GET /api/session/{session_id}",
        "PATCH /api/session/{session_id}/upgrade",
        "POST /api/artifact/list",
        "POST /api/artifact/resolve",
        "POST /api/execution/list",
        "POST /api/execution/{execution_id}/cancel",
        "POST /api/execution/{execution_id}/rerun",
        "POST /api/intent/submit",
        "POST /api/session/anonymous",
        "POST /api/session/create",
        "POST /api/upload/create",
        "PUT /api/session/{session_id}/state",
    ];
    assert_eq!(routes, expected.map(str::to_owned).into());
    let intents = get(&app, "/api/intents").await.ok();
    assert!(
        intents["intents"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["intent_type"] == "add")
    );
    let page = app.http.get(app.url("/api/docs")).send().await.unwrap();
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    let page = page.text().await.unwrap();
    assert!(page.contains("/api/execution/{execution_id}/stream") && !page.contains("<script"));
    for part in [
        "<code>integer</code>",
        "<code>[ArtifactBody]</code>",
        "curl -s -X POST",
    ] {
        assert!(page.contains(part), "{part}");
    }
}
