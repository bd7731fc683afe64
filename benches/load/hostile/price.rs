//! The processor time that a point of cost takes, for the requests that take the most for their
//! points.

use std::time::Instant;

use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{attacks, attacks::TENANT, hostile_intents};
use crate::{
    Scale,
    http::Http,
    load::{SUBMIT, count, intent, request},
    report::{Beside, Report, show},
    seed::artifact_id,
    server::{self, Server},
};

const POINTS: &str = "takeoff_cost_points_total";
/// Requests at the same time.
const CALLERS: u64 = 16;
/// Milliseconds that a thousand points may take.
const MOST: f64 = 1.0;

/// By a name, the body of request number `n`.
type Asked = (&'static str, Box<dyn Fn(u64) -> String>);

fn always(name: &'static str, query: &str, variables: &Value) -> Asked {
    let body = request(query, variables);
    (name, Box::new(move |_| body.clone()))
}

/// Requests that only read.
fn reads(artifacts: u64) -> Vec<Asked> {
    let none = json!({});
    let root = json!({"root": artifact_id(artifacts - 1)});
    let types: Vec<String> = (0..100).map(|n| format!("type_{n}")).collect();
    let filters = request(attacks::FILTERS, &json!({"types": types}));
    vec![
        always("viewer", attacks::VIEWER, &none),
        always(
            "20 small reads",
            "{ a0: executions(first: 1) { nodes { id } } \
            a1: executions(first: 1) { nodes { id } } a2: executions(first: 1) { nodes { id } } \
            a3: sessions(first: 1) { nodes { id } } a4: artifacts(first: 1) { nodes { id } } }",
            &none,
        ),
        always(
            "executions",
            "{ executions(first: 200) { edges { cursor node { id status handlerName attempt \
            priority createdAt startedAt finishedAt deadlineAt runAt result error { code message } \
            intent { id intentType parameters metadata createdAt } } } } }",
            &none,
        ),
        always("children", attacks::CHILDREN, &none),
        always(
            "executions of sessions",
            "{ sessions(first: 200) { nodes { id executions(first: 1) { nodes { id } } } } }",
            &none,
        ),
        always(
            "events",
            "{ executions(first: 50) { nodes { events(first: 10) { nodes { __typename id sequence \
            type occurredAt } } } } }",
            &none,
        ),
        always(
            "artifacts",
            "{ artifacts(first: 200) { nodes { id artifactType displayName lifecycleState \
            semanticDescriptor createdAt materializations { format sizeBytes digest downloadUrl } \
            transitions { from to actor reason } } } }",
            &none,
        ),
        always(
            "relatives",
            "{ artifacts(first: 100) { nodes { id parents(first: 50) { nodes { id displayName } } \
            children(first: 50) { nodes { id displayName } } } } }",
            &none,
        ),
        always(
            "pages after a cursor",
            "{ artifacts(first: 50) { nodes { parents(first: 2, after: \"azE\") { nodes { id } } } } }",
            &none,
        ),
        always("lineage", attacks::LINEAGE, &root),
        always(
            "the log",
            "{ walEntries(first: 200) { nodes { id cursor sequence streamId streamKind type occurredAt data payload } } }",
            &none,
        ),
        ("filters", Box::new(move |_| filters.clone())),
        always(
            "runtime",
            "{ runtime { version nodes { id name running capacity } backlog { ready running scheduled } } }",
            &none,
        ),
        always(
            "the schema",
            "{ __schema { types { kind name description fields { name description args { name \
            type { kind name ofType { kind name } } } type { kind name ofType { kind name } } } } } }",
            &none,
        ),
        ("new documents", Box::new(attacks::parse)),
    ]
}

/// Requests that change something.
fn writes(session: &str) -> Vec<Asked> {
    let many = hostile_intents(session, 100);
    let state = json!({"sessionId": session, "state": {"text": "x".repeat(100_000)}});
    vec![
        always("submit", SUBMIT, &json!({"input": intent(session)})),
        always(
            "100 submits",
            attacks::SUBMIT_MANY,
            &json!({ "input": many }),
        ),
        always(
            "a large state",
            "mutation State($input: SetSessionStateInput!) { setSessionState(input: $input) \
                { session { state } errors { code } } }",
            &json!({ "input": state }),
        ),
    ]
}

/// Milliseconds of the processor, those of the database included, for a thousand points.
pub(super) async fn measure(
    server: &Server,
    scale: Scale,
    report: &mut Report,
) -> anyhow::Result<()> {
    let session = server.session_of(TENANT).await?;
    let mut all = reads(scale.hostile_artifacts);
    all.extend(writes(&session));
    let mut too_dear = Vec::new();
    for (name, body) in all {
        let found = of(server, &*body, scale).await?;
        let row = format!("a thousand points: {name}");
        report.add(&row, "ms", found, Beside::goal(MOST));
        if found > MOST {
            too_dear.push(name);
        }
    }
    // Code that was not optimized takes longer, and a moment says little.
    if too_dear.is_empty() || scale.quick || server::profile() == "debug" {
        return Ok(());
    }
    show(&format!("  above {MOST} ms: {}", too_dear.join(", ")));
    anyhow::bail!("a thousand points of cost take more than a millisecond")
}

async fn of(server: &Server, body: &dyn Fn(u64) -> String, scale: Scale) -> anyhow::Result<f64> {
    ask(server, body, scale.beside / 8).await?;
    let (points, cpu) = (server.metric(POINTS).await?, server.cpu_micros()?);
    ask(server, body, scale.beside / 2).await?;
    let (points, cpu) = (
        server.metric(POINTS).await? - points,
        server.cpu_micros()? - cpu,
    );
    Ok(cpu / points.max(count(1)))
}

async fn ask(
    server: &Server,
    body: &dyn Fn(u64) -> String,
    time: std::time::Duration,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let callers = (0..CALLERS).map(|caller| async move {
        let mut http = Http::open_as(TENANT, server.address).await?;
        let mut number = caller;
        while began.elapsed() < time {
            let (status, answer) = http.post_any("/graphql", &body(number)).await?;
            let is_good = status == 200 && !answer.starts_with("{\"errors\"") || status == 429;
            anyhow::ensure!(is_good, "{status}: {answer:.300}");
            number += CALLERS;
        }
        anyhow::Ok(())
    });
    try_join_all(callers).await.map(|_: Vec<()>| ())
}
