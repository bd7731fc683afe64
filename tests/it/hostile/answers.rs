//! Small requests with large answers.

use serde_json::{Value, json};

use crate::support::{NodeProcess, TestApp, backends};

/// The most that one permitted request may add to the memory of a node.
const MOST_BYTES: u64 = 64 << 20;
const STATE_BYTES: usize = 255 * 1024;

async fn post(url: &str, query: &str, variables: Value) -> Vec<u8> {
    let body = json!({"query": query, "variables": variables});
    let answer = crate::support::http().post(url).json(&body).send().await;
    answer.unwrap().bytes().await.unwrap().to_vec()
}

fn read(answer: &[u8]) -> Value {
    serde_json::from_slice(answer).unwrap()
}

/// Makes sessions with a text as their state.
async fn fill(url: &str, sessions: usize, text: &str) {
    let create = "mutation { createSession(input: {}) { session { id } } }";
    let set = "mutation($input: SetSessionStateInput!) { setSessionState(input: $input) { errors { code } } }";
    for _ in 0..sessions {
        let created = read(&post(url, create, json!({})).await);
        let input = json!({
            "sessionId": created["data"]["createSession"]["session"]["id"],
            "state": {"text": text},
        });
        let answer = read(&post(url, set, json!({"input": input})).await);
        assert_eq!(answer["data"]["setSessionState"]["errors"], json!([]));
    }
}

fn numbered(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().join(" ")
}

/// Requests that are small, permitted, and as dear as they can be, with whether they are answered.
type Requests = Vec<(&'static str, String, bool)>;

/// Of many small records.
fn of_small_records() -> Requests {
    let fields = "id tenantId userId solutionId isAnonymous status metadata stateVersion createdAt \
        updatedAt expiresAt";
    let wide = numbered(20, |n| {
        format!(
            "a{n}: sessions(first: 200) {{ edges {{ cursor node {{ {fields} }} }} nodes {{ {fields} }} }}"
        )
    });
    let waiting = numbered(5, |n| {
        format!(
            "a{n}: sessions(first: 200) {{ nodes {{ {fields} executions(first: 1) {{ nodes {{ id }} }} }} }}"
        )
    });
    let of_type =
        "type { kind name description ofType { kind name description ofType { kind name } } }";
    let types = numbered(20, |n| format!("t{n}: types {{ ...t }}"));
    let schema = format!(
        "{{ __schema {{ {types} }} }} fragment t on __Type {{ kind name description \
         fields {{ name description {of_type} args {{ name description {of_type} }} }} }}"
    );
    vec![
        ("many leaves", format!("{{ {wide} }}"), true),
        ("many that wait", format!("{{ {waiting} }}"), true),
        ("the schema", schema, true),
    ]
}

/// Of large ones.
fn of_large_records() -> Requests {
    let aliased = numbered(30, |n| format!("a{n}: state"));
    let pages = numbered(20, |n| {
        format!("a{n}: sessions(first: 60) {{ nodes {{ id }} }}")
    });
    let under_many_names = format!("{{ sessions(first: 40) {{ nodes {{ {aliased} }} }} }}");
    let page = "{ sessions(first: 200) { nodes { id } } }";
    let largest = "{ sessions(first: 62) { nodes { state } } }";
    vec![
        ("a value under many names", under_many_names, false),
        ("a page of large records", page.to_owned(), false),
        ("pages of large records", format!("{{ {pages} }}"), false),
        ("the largest answer", largest.to_owned(), true),
    ]
}

async fn measure(node: &NodeProcess, url: &str, requests: Requests) {
    for (name, query, is_answered) in requests {
        let (before, mapped_before) = (node.memory_bytes(), node.mapped_bytes());
        node.forget_peak();
        let answer = post(url, &query, json!({})).await;
        // What was mapped stays mapped, so the difference is in the peak.
        let mapped = node.mapped_bytes().saturating_sub(mapped_before);
        let grown = node.peak_memory_bytes().saturating_sub(before + mapped);
        println!(
            "{name}: {} bytes, {} KB more memory, {} KB more of files",
            answer.len(),
            grown / 1024,
            mapped / 1024
        );
        assert!(grown < MOST_BYTES, "{name}: {grown} bytes more memory");
        assert!(answer.len() < 17 << 20, "{name}: {} bytes", answer.len());
        let answer = read(&answer);
        if is_answered {
            assert!(
                answer.get("errors").is_none(),
                "{name}: {}",
                answer["errors"]
            );
        } else {
            assert_eq!(
                answer["errors"][0]["extensions"]["code"], "COST_EXCEEDED",
                "{name}"
            );
            assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{name}");
            assert!(answer.get("data").is_none_or(Value::is_null), "{name}");
        }
    }
}

backends! {
    async fn the_worst_permitted_request_takes_less_than_64_mb(backend: Backend) {
        // What a request takes of a busy machine is not to hold up the next one.
        let node = NodeProcess::start(&backend, &["graphql.cost_per_second=100000000"]).await;
        let url = format!("http://{}/graphql", node.address);
        fill(&url, 200, "{}").await;
        measure(&node, &url, of_small_records()).await;
        fill(&url, 80, &"x".repeat(STATE_BYTES)).await;
        measure(&node, &url, of_large_records()).await;
        // What it ended costs nobody else anything.
        let small = read(&post(&url, "{ sessions(first: 1) { nodes { id } } }", json!({})).await);
        assert!(small["data"]["sessions"]["nodes"][0]["id"].is_string());
    }

    async fn a_change_is_answered_though_its_answer_is_too_large(backend: Backend) {
        let app = TestApp::start_with(&backend, &["graphql.max_answer_bytes=4096"]).await;
        let session = app.session().await.to_string();
        let set = "mutation($input: SetSessionStateInput!) {
            setSessionState(input: $input) { session { id a: state b: state } errors { code } } }";
        let input = json!({"sessionId": session, "state": {"text": "x".repeat(3_000)}});
        let answer = app.graphql(set, json!({"input": input})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "COST_EXCEEDED", "{answer}");
        let version = "query($id: ID!) { session(id: $id) { stateVersion } }";
        let found = app.data(version, json!({"id": session})).await;
        assert_eq!(found["session"]["stateVersion"], "2");
    }

    async fn values_that_lie_in_the_content_store_count_before_they_are_fetched(backend: Backend) {
        let app = TestApp::start_with(&backend, &["graphql.max_answer_bytes=60000"]).await;
        let session = app.session().await;
        for _ in 0..4 {
            let message = json!({"message": "x".repeat(20_000)});
            app.ended(app.submit(session, "echo", message).await.id).await;
        }
        // Two of them are within the limit, in whatever field.
        for field in ["result", "intent { parameters }"] {
            let page = |first: usize| format!("{{ executions(first: {first}) {{ nodes {{ {field} }} }} }}");
            let two = app.data(&page(2), json!({})).await;
            assert!(two.to_string().len() > 40_000);
            let four = app.graphql(&page(4), json!({})).await;
            assert_eq!(four["errors"][0]["extensions"]["code"], "COST_EXCEEDED", "{field}");
            assert_eq!(four["errors"].as_array().unwrap().len(), 1, "{field}");
            // Under other names it is fetched, and counted, again.
            let aliased = field.replace("result", "a: result b: result c: result d: result")
                .replace("parameters", "a: parameters b: parameters c: parameters d: parameters");
            let aliased = format!("{{ executions(first: 1) {{ nodes {{ {aliased} }} }} }}");
            let again = app.graphql(&aliased, json!({})).await;
            assert_eq!(again["errors"][0]["extensions"]["code"], "COST_EXCEEDED", "{aliased}");
        }
    }
}
