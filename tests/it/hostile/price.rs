//! Requests cost the tenant that asks, by whatever way it asks, and nobody else.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use takeoff::model::{RawJson, StateWriteMode, TenantId, price};

use crate::support::{Received, Socket, TestApp, backends};

/// So few come back that what is spent is spent.
const NEXT_TO_NOTHING: [&str; 2] = ["graphql.cost_per_second=1", "graphql.max_cost=800"];

const CREATE_SESSION: &str = "mutation { createSession(input: {}) { session { id } } }";

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn send(request: RequestBuilder, tenant: &str) -> Response {
    let request = request.header("x-takeoff-tenant", tenant);
    request.send().await.unwrap()
}

async fn ask(app: &TestApp, tenant: &str, query: &str, variables: Value) -> Response {
    let body = json!({"query": query, "variables": variables});
    send(app.http.post(app.url("/graphql")).json(&body), tenant).await
}

async fn data(app: &TestApp, tenant: &str, query: &str, variables: Value) -> Value {
    let answer: Value = ask(app, tenant, query, variables)
        .await
        .json()
        .await
        .unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].clone()
}

/// Refused for what the tenant has spent; says when to come back.
async fn refused(response: Response) -> Value {
    assert_eq!(response.status(), 429);
    let wait = response.headers()["retry-after"].to_str().unwrap();
    assert!(wait.parse::<u64>().unwrap() >= 1, "{wait}");
    response.json().await.unwrap()
}

fn spent(app: &TestApp) -> u64 {
    app.services().budget.charged()
}

/// An upload of so many bytes: the link that takes them.
async fn announced(app: &TestApp, tenant: &str, bytes: usize) -> Value {
    let query = "mutation($input: CreateUploadInput!) {
        createUpload(input: $input) { url upload { id } errors { code } } }";
    let input = json!({"filename": "big.csv", "sizeBytes": bytes.to_string()});
    data(app, tenant, query, json!({"input": input})).await["createUpload"].take()
}

async fn put(app: &TestApp, upload: &Value, bytes: Vec<u8>) -> Response {
    let url = app.url(upload["url"].as_str().unwrap());
    app.http.put(url).body(bytes).send().await.unwrap()
}

backends! {
    async fn rest_and_graphql_pay_from_one_budget_and_each_tenant_from_its_own(backend: Backend) {
        let app = TestApp::start_with(&backend, &NEXT_TO_NOTHING).await;
        let intents = || app.http.get(app.url("/api/intents"));
        for _ in 0..800 / price::REQUEST {
            assert_eq!(send(intents(), "spends").await.status(), 200);
        }
        let answer = refused(send(intents(), "spends").await).await;
        assert_eq!(answer["error_code"], "RATE_LIMITED", "{answer}");
        let create = app.http.post(app.url("/api/session/create")).json(&json!({}));
        assert_eq!(refused(send(create, "spends").await).await["error_code"], "RATE_LIMITED");
        let answer = refused(ask(&app, "spends", "{ __typename }", json!({})).await).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "RATE_LIMITED", "{answer}");
        assert!(extensions["retryAfterMs"].as_u64().unwrap() > 1_000, "{answer}");
        let mut socket = Socket::open(app.server.address(), &json!({"x-takeoff-tenant": "spends"})).await.unwrap();
        socket.subscribe("1", "{ __typename }", &json!({})).await.unwrap();
        let message = socket.message("1").await;
        assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{message}");
        assert_eq!(send(intents(), "other").await.status(), 200);
        assert_eq!(ask(&app, "other", "{ __typename }", json!({})).await.status(), 200);
    }

    async fn a_request_of_rest_pays_for_what_it_reads_and_for_its_body(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for _ in 0..50 {
            app.session().await;
        }
        let made = app.run("add", json!({"a": 1, "b": 1})).await;
        let before = spent(&app);
        let list = |limit: u32| app.http.post(app.url("/api/execution/list")).json(&json!({"limit": limit}));
        assert_eq!(send(list(10), "default").await.status(), 200);
        assert!(spent(&app) - before >= price::REQUEST + price::STATEMENT);
        let before = spent(&app);
        let text = "x".repeat(100_000);
        let body = json!({"user_id": "ann", "tenant_id": "default", "metadata": {"text": text}});
        let url = app.url("/api/session/create");
        send(app.http.post(url).json(&body), "default").await;
        assert!(spent(&app) - before >= price::body(100_000));
        assert_eq!(made.error, None);
    }

    async fn links_pay_for_every_byte_and_whose_link_it_is_pays(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let bytes = vec![b'x'; 300_000];
        let upload = announced(&app, "owner", bytes.len()).await;
        let (owner, before) = (tenant("owner"), spent(&app));
        let mut forged = upload.clone();
        forged["url"] = json!(upload["url"].as_str().unwrap().replace("signature=", "signature=0"));
        assert_eq!(put(&app, &forged, bytes.clone()).await.status(), 403);
        assert_eq!(spent(&app), before, "a link that is not good costs nobody");
        assert_eq!(put(&app, &upload, bytes.clone()).await.status(), 201);
        assert!(spent(&app) - before >= price::REQUEST + price::content(bytes.len()));

        let session = data(&app, "owner", CREATE_SESSION, json!({})).await["createSession"]["session"]["id"].take();
        let submit = "mutation($input: SubmitIntentInput!) {
            submitIntent(input: $input) { execution { id } errors { code message } } }";
        let parameters = json!({"filename": "big.csv", "upload_id": upload["upload"]["id"]});
        let input = json!({"intentType": "ingest_file", "sessionId": session, "parameters": parameters});
        data(&app, "owner", submit, json!({"input": input})).await;
        let files = "{ artifacts(first: 1) { nodes { materializations { downloadUrl } } } }";
        let link = app.until(|| async {
            let found = data(&app, "owner", files, json!({})).await;
            let link = &found["artifacts"]["nodes"][0]["materializations"][0]["downloadUrl"];
            link.as_str().map(|link| app.url(link))
        }).await;
        let before = spent(&app);
        let fetched = app.http.get(&link).send().await.unwrap().bytes().await.unwrap();
        assert!(fetched == bytes);
        assert!(spent(&app) - before >= price::REQUEST + price::content(bytes.len()));

        let upload = announced(&app, "owner", 5).await;
        let others = announced(&app, "other", 5).await;
        app.services().budget.charge(&owner, 1 << 40);
        let answer = refused(app.http.get(&link).send().await.unwrap()).await;
        assert_eq!(answer["error_code"], "RATE_LIMITED", "{answer}");
        let answer = refused(put(&app, &upload, b"hello".to_vec()).await).await;
        assert_eq!(answer["error_code"], "RATE_LIMITED", "{answer}");
        assert_eq!(put(&app, &others, b"hello".to_vec()).await.status(), 201);
    }

    async fn what_a_request_used_beyond_its_price_is_owed(backend: Backend) {
        let little = ["graphql.cost_per_second=1", "graphql.max_cost=5000"];
        let app = TestApp::start_with(&backend, &little).await;
        let (session, principal) = (app.session().await, app.principal());
        let state = RawJson::from(&json!({"text": "x".repeat(250_000)}));
        let surface = &app.services().state;
        let set = surface.set_session_state(&principal, session, state, StateWriteMode::Replace, None);
        set.await.unwrap();
        // Its price is a small part of what is there, and what it reads and answers is nearly all of it.
        let read = "query($id: ID!) { session(id: $id) { state } }";
        let variables = json!({"id": session.to_string()});
        for _ in 0..3 {
            if ask(&app, "default", read, variables.clone()).await.status() == 429 {
                break;
            }
        }
        let answer = refused(ask(&app, "default", "{ __typename }", json!({})).await).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMITED");
        assert_eq!(ask(&app, "other", "{ __typename }", json!({})).await.status(), 200);
    }

    async fn what_a_query_did_not_use_comes_back(backend: Backend) {
        let app = TestApp::start(&backend).await;
        // It may have 200 x 200 objects with twenty fields each, and has none.
        let fields: Vec<String> = (0..20).map(|n| format!("f{n}: id")).collect();
        let fields = fields.join(" ");
        let page = format!(
            "{{ executions(first: 200) {{ nodes {{ children(first: 200) {{ nodes {{ {fields} }} }} }} }} }}"
        );
        let before = spent(&app);
        assert_eq!(data(&app, "default", &page, json!({})).await["executions"]["nodes"], json!([]));
        // What is left is the time of its statement, which a busy machine makes longer.
        assert!(spent(&app) - before < 200 * 200 * 20 / 2, "{}", spent(&app) - before);
    }

    async fn events_are_paid_as_they_are_delivered_and_a_debt_holds_them_up_whole(backend: Backend) {
        let budget = ["graphql.cost_per_second=100000", "graphql.max_cost=200000"];
        let app = TestApp::start_with(&backend, &budget).await;
        let session = app.session().await;
        let mut socket = Socket::open(app.server.address(), &json!({})).await.unwrap();
        let feed = "subscription($id: ID!) { sessionEvents(sessionId: $id) { events { executionId sequence } } }";
        socket.subscribe("feed", feed, &json!({"id": session.to_string()})).await.unwrap();
        let first = app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        let before = spent(&app);
        let seen = sequences(&mut socket, &first.id.to_string()).await;
        assert!(spent(&app) >= before, "{seen:?}");

        let began = Instant::now();
        app.services().budget.charge(&TenantId::default_tenant(), 500_000);
        let charged = spent(&app);
        let second = app.run_in(session, "add", json!({"a": 2, "b": 1})).await;
        let seen = sequences(&mut socket, &second.id.to_string()).await;
        // The log's own order, nothing twice and nothing left out.
        let logged = app.events(second.id).await.len() as u64;
        assert_eq!(seen, (1..=logged).collect::<Vec<_>>());
        // Two hundred thousand were there at most, and as many come back in two seconds.
        assert!(began.elapsed() > Duration::from_millis(2_500), "{:?}", began.elapsed());
        app.until(|| async { (spent(&app) >= charged + price::DELIVERY + logged).then_some(()) }).await;

        // The stream of REST pays as well.
        let before = spent(&app);
        let stream = app.url(&format!("/api/execution/{}/stream", second.id));
        let text = app.until(|| async {
            let answer = app.http.get(&stream).send().await.unwrap();
            (answer.status() == 200).then_some(answer)
        }).await.text().await.unwrap();
        assert!(text.contains("execution.completed"), "{text}");
        assert!(spent(&app) - before >= price::REQUEST + price::DELIVERY + logged);
    }

    async fn a_tenant_that_has_spent_its_share_waits_while_another_one_asks(backend: Backend) {
        let app = TestApp::start_with(&backend, &["graphql.tenant_share_percent=1"]).await;
        let budget = &app.services().budget;
        let viewer = "{ viewer { tenantId } }";
        data(&app, "one", viewer, json!({})).await;
        // What it spends while it is alone is not counted.
        budget.charge(&tenant("one"), 2_000_000);
        data(&app, "one", viewer, json!({})).await;
        data(&app, "two", viewer, json!({})).await;
        budget.charge(&tenant("one"), 2_000_000);
        let mut one = std::pin::pin!(data(&app, "one", viewer, json!({})));
        for _ in 0..50 {
            tokio::select! {
                answer = &mut one => panic!("{answer}"),
                _ = data(&app, "two", viewer, json!({})) => {}
            }
        }
        // It owes for longer than it may wait, but nobody else asks any more.
        assert_eq!(one.await["viewer"]["tenantId"], "one");
    }

    async fn a_dear_request_of_one_tenant_leaves_small_ones_of_another_their_threads(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for name in ["one", "two"] {
            for _ in 0..20 {
                data(&app, name, CREATE_SESSION, json!({})).await;
            }
        }
        let dear = "{ sessions(first: 200) { nodes { id executions(first: 200) { nodes { id } } } } }";
        let small = "{ viewer { tenantId } }";
        let asked = (0..40).map(|n| {
            let (name, query) = if n % 2 == 0 { ("one", dear) } else { ("two", small) };
            data(&app, name, query, json!({}))
        });
        let answers = futures::future::join_all(asked).await;
        for (n, answer) in answers.iter().enumerate() {
            if n % 2 == 0 {
                assert_eq!(answer["sessions"]["nodes"].as_array().unwrap().len(), 20);
            } else {
                assert_eq!(answer["viewer"]["tenantId"], "two");
            }
        }
    }
}

/// The sequences of an execution's events, to its end, as the feed gives them.
async fn sequences(socket: &mut Socket, execution: &str) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let Received::Message(message) = socket.receive().await.unwrap() else {
            panic!("the socket was closed");
        };
        let events = message["payload"]["data"]["sessionEvents"]["events"].as_array();
        for event in events.unwrap_or_else(|| panic!("{message}")) {
            if event["executionId"] == execution {
                seen.push(event["sequence"].as_str().unwrap().parse().unwrap());
            }
        }
        // Created, started, completed.
        if seen.len() >= 3 {
            return seen;
        }
    }
}
