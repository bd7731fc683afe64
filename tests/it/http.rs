//! GraphQL over HTTP and over server-sent events, as clients that are not ours meet them.

use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_ENCODING, CONTENT_TYPE,
    ORIGIN,
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;

use crate::support::{Received, Socket, TestApp, assert_nothing_leaks, backends, hostile};

const NEW_FORM: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

async fn post(app: &TestApp, accept: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = app.http.post(app.url("/graphql"));
    let request = request.header(CONTENT_TYPE, JSON).header(ACCEPT, accept);
    request.body(body).send().await.unwrap()
}

fn query(text: &str) -> String {
    json!({ "query": text }).to_string()
}

fn address(app: &TestApp, path: &str, pairs: &[(&str, &str)]) -> url::Url {
    url::Url::parse_with_params(&app.url(path), pairs).unwrap()
}

fn media_type(response: &Response) -> &str {
    response.headers()[CONTENT_TYPE].to_str().unwrap()
}

async fn first_error(response: Response) -> Value {
    let mut body: Value = response.json().await.unwrap();
    assert_nothing_leaks(&body);
    assert_eq!(body.get("data"), None, "{body}");
    body["errors"][0].take()
}

backends! {
    async fn the_status_tells_what_the_form_of_the_answer_lets_it(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let missing = json!({"query": "query($id: ID!) { node(id: $id) { id } }"}).to_string();
        for (body, in_new, in_json) in [
            (query("{ __typename }"), 200, 200),
            (query("{"), 400, 200),
            (query("{ nothing }"), 400, 200),
            (missing, 400, 200),
            (query("subscription { tenantEvents { cursor } }"), 400, 400),
            ("{".to_owned(), 400, 400),
            ("[]".to_owned(), 400, 400),
            ("{}".to_owned(), 400, 400),
            (String::new(), 400, 400),
            (json!({"query": 7}).to_string(), 400, 400),
            (json!({"query": "{ __typename }", "variables": [1]}).to_string(), 400, 400),
        ] {
            for (form, status) in [(NEW_FORM, in_new), (JSON, in_json)] {
                let response = post(&app, form, body.clone()).await;
                assert_eq!(response.status(), status, "{form}: {body}");
                assert_eq!(media_type(&response), format!("{form}; charset=utf-8"));
                let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
                if body != query("{ __typename }") {
                    let error = first_error(response).await;
                    assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
                    assert_eq!(error["extensions"]["requestId"], id.as_str());
                }
            }
        }
    }

    async fn get_runs_queries_and_nothing_else(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let get = |pairs: &[(&str, &str)]| {
            app.http.get(address(&app, "/graphql", pairs)).header(ACCEPT, NEW_FORM).send()
        };
        let text = "query A($id: ID!) { node(id: $id) { id } } query B { __typename }";
        let variables = [("query", text), ("operationName", "A"), ("variables", "{\"id\": \"exe_x\"}")];
        assert_eq!(get(&variables).await.unwrap().status(), 200);
        let other = get(&[("query", text), ("operationName", "B")]).await.unwrap();
        assert_eq!(other.json::<Value>().await.unwrap(), json!({"data": {"__typename": "Query"}}));
        let mutation = get(&[("query", "mutation { createSession(input: {}) { session { id } } }")]);
        let refused = mutation.await.unwrap();
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "POST");
        assert_eq!(get(&[]).await.unwrap().status(), 400);
        assert_eq!(get(&[("query", text), ("variables", "[")]).await.unwrap().status(), 400);
        let sessions = app.data("{ sessions(first: 1) { nodes { id } } }", json!({})).await;
        assert_eq!(sessions["sessions"]["nodes"], json!([]));
        let put = app.http.request(Method::PUT, app.url("/graphql")).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    async fn bodies_of_other_kinds_and_sizes_are_refused(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let request = app.http.post(app.url("/graphql")).header(CONTENT_TYPE, kind);
            let response = request.body(query("{ __typename }")).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        }
        let untyped = app.http.post(app.url("/graphql")).body(query("{ __typename }"));
        assert_eq!(untyped.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let large = json!({"query": "{ __typename }", "variables": {"x": "y".repeat(1 << 20)}});
        let large = post(&app, JSON, large.to_string()).await;
        assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let html = post(&app, "text/html", query("{ __typename }")).await;
        assert_eq!(html.status(), StatusCode::NOT_ACCEPTABLE);
    }

    async fn every_request_is_named_and_counted_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let get = |path| app.http.get(app.url(path)).send();
        for (path, status) in [("/nothing", 404), ("/api/nothing", 404), ("/health", 200), ("/api/openapi.json", 200)] {
            let response = get(path).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert!(response.headers().contains_key("x-request-id"), "{path}");
        }
        let metrics = get("/metrics").await.unwrap().text().await.unwrap();
        for (route, status, count) in [("unmatched", 404, 2), ("/health", 200, 1), ("/api/openapi.json", 200, 1)] {
            let line = format!(
                "takeoff_http_requests_total{{method=\"GET\",route=\"{route}\",status=\"{status}\"}} {count}"
            );
            assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
        }
    }

    async fn a_key_in_the_header_is_that_of_the_submit(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await.to_string();
        let submit = "mutation($s: ID!, $k: String) {
            submitIntent(input: {intentType: \"add\", sessionId: $s, parameters: {a: 1, b: 2}, idempotencyKey: $k}) {
                execution { id } replayed errors { code path } } }";
        let send = async |text: &str, key: Option<&str>| -> Value {
            let request = app.http.post(app.url("/graphql")).header("Idempotency-Key", "order-7");
            let body = json!({"query": text, "variables": {"s": session, "k": key}});
            request.json(&body).send().await.unwrap().json().await.unwrap()
        };
        let first = send(submit, None).await["data"]["submitIntent"].take();
        let again = send(submit, Some("order-7")).await["data"]["submitIntent"].take();
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["execution"], again["execution"]);
        let other = send(submit, Some("order-8")).await["data"]["submitIntent"].take();
        assert_eq!(other["errors"], json!([{"code": "INVALID_INPUT", "path": ["input", "idempotencyKey"]}]));
        let elsewhere = "mutation { createSession(input: {}) { session { id } } }";
        let refused = send(elsewhere, None).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused}");
    }

    async fn hostile_documents_are_refused_on_every_transport(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let mut socket = Socket::open(app.server.address(), &json!({})).await.unwrap();
        for (n, (name, text, _)) in hostile().into_iter().enumerate() {
            let refused = post(&app, NEW_FORM, query(&text)).await;
            assert_eq!(refused.status(), 400, "{name}");
            first_error(refused).await;
            socket.subscribe(&n.to_string(), &text, &json!({})).await.unwrap();
            let Received::Message(message) = socket.receive().await.unwrap() else {
                panic!("{name}: closed");
            };
            assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(n.to_string())), "{name}: {message}");
            let stream = app.http.post(app.url("/graphql/stream")).header(ACCEPT, "text/event-stream");
            let stream = stream.json(&json!({"query": text})).send().await.unwrap().text().await.unwrap();
            assert!(stream.starts_with("event: next\ndata: {\"errors\":"), "{name}: {stream}");
            assert!(stream.ends_with("event: complete\ndata: null\n\n"), "{name}: {stream}");
        }
    }

    async fn a_stream_goes_on_behind_the_last_event_that_arrived(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let id = app.run_in(session, "talk", json!({})).await.id.to_string();
        let text = "subscription($id: ID!) { executionEvents(executionId: $id) { cursor events { sequence } } }";
        let body = json!({"query": text, "variables": {"id": id}});
        let open = async |last: Option<&str>| {
            let request = app.http.post(app.url("/graphql/stream")).header(ACCEPT, "text/event-stream");
            let request = match last {
                Some(last) => request.header("Last-Event-ID", last),
                None => request,
            };
            let response = request.json(&body).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(media_type(&response), "text/event-stream");
            response.text().await.unwrap()
        };
        let whole = open(None).await;
        let (events, end) = whole.split_once("\n\n").unwrap();
        assert_eq!(end, "event: complete\ndata: null\n\n");
        let data: Value = serde_json::from_str(events.lines().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap();
        let batch = &data["data"]["executionEvents"];
        let shown = events.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        assert_eq!(batch["cursor"], shown);
        let read = "query($id: ID!) { execution(id: $id) { events(first: 2) { pageInfo { endCursor } } } }";
        let read = app.data(read, json!({"id": id})).await;
        let second = read["execution"]["events"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
        let rest = open(Some(&second)).await;
        assert!(rest.contains("\"sequence\":\"3\"") && !rest.contains("\"sequence\":\"2\""), "{rest}");
        assert!(open(Some("nonsense")).await.contains("BAD_USER_INPUT"));
        let plain = app.http.post(app.url("/graphql/stream")).header(ACCEPT, JSON).json(&body);
        assert_eq!(plain.send().await.unwrap().status(), StatusCode::NOT_ACCEPTABLE);
        let once = address(&app, "/graphql/stream", &[("query", "{ __typename }")]);
        let once = app.http.get(once).header(ACCEPT, "text/event-stream").send().await.unwrap();
        let once = once.text().await.unwrap();
        assert_eq!(once, "event: next\ndata: {\"data\":{\"__typename\":\"Query\"}}\n\nevent: complete\ndata: null\n\n");
    }

    async fn only_named_origins_may_read_and_long_answers_are_compressed(backend: Backend) {
        let closed = TestApp::start(&backend).await;
        let ask = |app: &TestApp| {
            let request = app.http.post(app.url("/graphql")).header(ORIGIN, "https://app.example.com");
            request.header(ACCEPT_ENCODING, "gzip").json(&json!({"query": "{ intentTypes { name handlers { description parametersSchema } } }"})).send()
        };
        let answer = ask(&closed).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        closed.server.stop().await;
        let open = TestApp::start_with(&backend, &["http.cors_origins=https://app.example.com"]).await;
        let answer = ask(&open).await.unwrap();
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
        assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip");
        let preflight = open.http.request(Method::OPTIONS, open.url("/graphql"))
            .header(ORIGIN, "https://app.example.com")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key");
        let preflight = preflight.send().await.unwrap();
        assert!(preflight.status().is_success());
        let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("idempotency-key"), "{allowed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_takes_too_long_is_given_up() {
    let backend = crate::support::Backend::sqlite();
    let app = TestApp::start_with(&backend, &["graphql.timeout_ms=300"]).await;
    let session = app.session().await;
    let blocker = crate::limits::Blocker::new(&backend).await;
    let submit = "mutation($s: ID!) { submitIntent(input: {intentType: \"add\", sessionId: $s,
        parameters: {a: 1, b: 2}, idempotencyKey: \"k\"}) { execution { id } replayed } }";
    let variables = json!({"s": session.to_string()});
    let late = app.graphql(submit, variables.clone()).await;
    assert_eq!(late["errors"][0]["extensions"]["code"], "TIMEOUT", "{late}");
    assert_eq!(late["errors"][0]["extensions"]["retryable"], true);
    blocker.release().await;
    // The caller asks again with its key and learns what became of it.
    let found = app.until(|| async {
        let answer = app.graphql(submit, variables.clone()).await;
        answer["data"]["submitIntent"]["execution"]["id"]
            .as_str()
            .map(str::to_owned)
    });
    let done = app.ended(found.await.parse().unwrap()).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
    app.assert_verified().await;
}
