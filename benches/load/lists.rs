//! Pages of lists by each filter and each pair of filters.

use serde_json::{Map, Value, json};

use crate::{
    load::request,
    reads::p95_of,
    report::{Beside, show},
    rows::{Run, wait_for},
    seed::Seed,
    server::Server,
};

/// A page of a list may take so long.
const GOAL_MS: f64 = 10.0;

/// The name of a list, its filter's type, and values of each condition that many rows have, few, or none.
struct List {
    name: &'static str,
    filter: &'static str,
    conditions: Vec<Vec<Value>>,
}

/// The times of the seeded rows are before 1970-01-03; a row made by the server is after.
fn lists(session: &str) -> [List; 3] {
    let window = [
        vec![
            json!({"createdAfter": "1970-01-01T00:00:00.001Z"}),
            json!({"createdAfter": "2050-01-01T00:00:00Z"}),
        ],
        vec![
            json!({"createdBefore": "1970-01-01T00:00:00.001Z"}),
            json!({"createdBefore": "2050-01-01T00:00:00Z"}),
        ],
    ];
    let metadata = vec![
        json!({"metadata": [{"key": "customer", "value": 7}]}),
        json!({"metadata": [{"key": "customer", "value": "none"}]}),
    ];
    let executions = [
        vec![
            json!({"status": ["FAILED"]}),
            json!({"status": ["RUNNING"]}),
            json!({"status": ["COMPLETED"]}),
        ],
        vec![
            json!({"intentType": ["echo"]}),
            json!({"intentType": ["ingest_file"]}),
            json!({"intentType": ["none"]}),
        ],
        vec![json!({"sessionId": session})],
        vec![json!({"rootsOnly": true})],
        vec![json!({"idempotencyKey": "none"})],
        metadata.clone(),
    ];
    let artifacts = [
        vec![
            json!({"lifecycleState": ["FAILED"]}),
            json!({"lifecycleState": ["PENDING", "READY"]}),
        ],
        vec![
            json!({"artifactType": ["file"]}),
            json!({"artifactType": ["none"]}),
        ],
        vec![json!({"sessionId": session})],
        vec![
            json!({"nameContains": "77"}),
            json!({"nameContains": "absent"}),
        ],
    ];
    let sessions = vec![
        vec![
            json!({"status": ["ACTIVE"]}),
            json!({"status": ["EXPIRED"]}),
            json!({"status": ["CLOSED"]}),
        ],
        vec![json!({"userId": "ann"}), json!({"userId": "nobody"})],
        metadata,
    ];
    [
        List {
            name: "executions",
            filter: "ExecutionFilter",
            conditions: executions.into_iter().chain(window.clone()).collect(),
        },
        List {
            name: "artifacts",
            filter: "ArtifactFilter",
            conditions: artifacts.into_iter().chain(window).collect(),
        },
        List {
            name: "sessions",
            filter: "SessionFilter",
            conditions: sessions,
        },
    ]
}

impl List {
    /// Each filter of one condition and of two.
    fn filters(&self) -> Vec<Value> {
        let mut all = vec![json!({})];
        for (number, ones) in self.conditions.iter().enumerate() {
            all.extend(ones.iter().cloned());
            for other in self.conditions[number + 1..].iter().flatten() {
                all.extend(ones.iter().map(|one| both(one, other)));
            }
        }
        all
    }
}

fn both(one: &Value, other: &Value) -> Value {
    let members = [one, other]
        .into_iter()
        .filter_map(Value::as_object)
        .flatten();
    let members = members.map(|(name, value)| (name.clone(), value.clone()));
    Value::Object(members.collect::<Map<_, _>>())
}

impl Run<'_> {
    /// The slowest filter of each list, among as many rows of one tenant as were asked for.
    pub(crate) async fn lists(&mut self) -> anyhow::Result<()> {
        let share = [("TAKEOFF_GRAPHQL_COST_PER_SECOND", "100000000")];
        let server = Server::start(&self.place, &share).await?;
        let session = server.session().await?;
        for (intent_type, parameters) in [
            (
                "ingest_file",
                json!({"filename": "note.txt", "content": "hello"}),
            ),
            ("echo", json!({"message": "hello"})),
        ] {
            let made =
                json!({"intentType": intent_type, "sessionId": session, "parameters": parameters});
            server
                .ask(crate::load::SUBMIT, json!({"input": made}))
                .await?;
            wait_for(&server, intent_type, 1.0).await?;
        }
        let rows = self.scale.listed;
        Seed::open(&self.place).await?.lists(rows).await?;
        let times = (self.scale.singles / 20).clamp(40, 60);
        for list in lists(&session) {
            let query = format!(
                "query List($filter: {}!) {{ {}(first: 50, filter: $filter) \
                 {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}",
                list.filter, list.name
            );
            let mut slowest: f64 = 0.0;
            for filter in list.filters() {
                let body = request(&query, &json!({"filter": filter}));
                let p95 = p95_of(&server, std::iter::repeat_n(body, times), "hasNextPage").await?;
                slowest = slowest.max(p95);
                if p95 > GOAL_MS {
                    show(&format!("  {} {filter}: {p95:.2} ms", list.name));
                }
            }
            let row = format!(
                "page of 50 of {rows} {}, the slowest filter or pair, p95",
                list.name
            );
            self.report.add(&row, "ms", slowest, Beside::goal(GOAL_MS));
        }
        Ok(())
    }
}
