//! Pages of lists by each filter and each pair of filters.

use anyhow::Context;
use serde_json::{Map, Value, json};
use takeoff::clock::Clock;

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
    /// The arguments of its orders.
    orders: &'static [&'static str],
}

/// The times of the seeded rows are before 1970-01-03; a row made by the server is after.
fn lists(session: &str, rerun: &str) -> [List; 3] {
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
        vec![
            json!({"errorCode": ["OUT_OF_PAPER"]}),
            json!({"errorCode": ["NONE"]}),
        ],
        vec![json!({"rerunOf": rerun})],
        vec![
            json!({"handlerName": ["content"]}),
            json!({"handlerName": ["none"]}),
        ],
        vec![
            json!({"waitingFor": ["QUEUE"]}),
            json!({"waitingFor": ["CHILDREN"]}),
        ],
        vec![
            json!({"finishedAfter": "1970-01-01T00:00:00.001Z"}),
            json!({"finishedAfter": "2050-01-01T00:00:00Z"}),
        ],
        vec![
            json!({"finishedBefore": "1970-01-01T00:00:00.001Z"}),
            json!({"finishedBefore": "2050-01-01T00:00:00Z"}),
        ],
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
        vec![json!({"executionId": rerun})],
        vec![
            json!({"eligibleFor": "parse_content"}),
            json!({"eligibleFor": "create_deterministic_embeddings"}),
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
            orders: &["", ", orderBy: LAST_FINISHED_FIRST"],
        },
        List {
            name: "artifacts",
            filter: "ArtifactFilter",
            conditions: artifacts.into_iter().chain(window).collect(),
            orders: &[""],
        },
        List {
            name: "sessions",
            filter: "SessionFilter",
            conditions: sessions,
            orders: &[""],
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
        let newest = "{ executions(first: 1, filter: {status: [COMPLETED]}) { nodes { id } } }";
        let newest = server.ask(newest, json!({})).await?;
        let rerun = newest["executions"]["nodes"][0]["id"].as_str();
        let rerun = rerun.context("nothing has completed")?;
        let rows = self.scale.listed;
        let mut seed = Seed::open(&self.place).await?;
        seed.lists(rows).await?;
        let times = (self.scale.singles / 20).clamp(2, 60);
        for list in lists(&session, rerun) {
            let mut slowest: f64 = 0.0;
            for order in list.orders {
                let query = format!(
                    "query List($filter: {}!) {{ {}(first: 50, filter: $filter{order}) \
                     {{ nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}",
                    list.filter, list.name
                );
                for filter in list.filters() {
                    let body = request(&query, &json!({"filter": filter}));
                    let bodies = std::iter::repeat_n(body, times);
                    let p95 = p95_of(&server, bodies, "hasNextPage").await?;
                    slowest = slowest.max(p95);
                    if p95 > GOAL_MS {
                        show(&format!("  {}{order} {filter}: {p95:.2} ms", list.name));
                    }
                }
            }
            let row = format!(
                "page of 50 of {rows} {}, the slowest filter or pair, p95",
                list.name
            );
            self.report.add(&row, "ms", slowest, Beside::goal(GOAL_MS));
        }
        seed.counts(rows).await?;
        for (what, expected, query) in [
            (
                "executions by day over a year",
                "points",
                counts(400, "DAY"),
            ),
            (
                "executions by hour over a week",
                "points",
                counts(7, "HOUR"),
            ),
            (
                "failures of a month by their cause",
                "failureGroups",
                format!(
                    "{{ failureGroups(filter: {{after: \"{}\"}}) {{ errorCode count }} }}",
                    days_ago(30)
                ),
            ),
        ] {
            let bodies = std::iter::repeat_n(request(&query, &json!({})), times);
            let p95 = p95_of(&server, bodies, expected).await?;
            let row = format!("numbers of {what}, p95");
            self.report.add(&row, "ms", p95, Beside::goal(GOAL_MS));
        }
        Ok(())
    }
}

fn days_ago(days: i64) -> String {
    let then = Clock::System.now() - days * 86_400_000_000;
    let then = chrono::DateTime::from_timestamp_micros(then).unwrap_or_default();
    then.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn counts(days: i64, bucket: &str) -> String {
    format!(
        "{{ executionStats(filter: {{after: \"{}\"}}, bucket: {bucket}) {{ points {{ startedAt intentType accepted failed }} }} }}",
        days_ago(days)
    )
}
