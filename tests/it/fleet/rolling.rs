//! A rolling upgrade: nodes of the version before go on, and start, beside a database that one of this version has
//! migrated. `statements.txt` has what that version sends to PostgreSQL, as `scripts/record-statements` has recorded it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use takeoff::model::ExecutionStatus;

use crate::support::{Backend, TestApp, backends};

const STATEMENTS: &str = include_str!("statements.txt");

/// Only these have plans.
const PLANNED: [&str; 5] = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"];

/// The statements of the version before, without the purpose of their connection.
fn statements() -> impl Iterator<Item = &'static str> {
    let lines = STATEMENTS.lines().filter_map(|line| line.split_once(' '));
    let texts = lines.map(|(_, text)| text);
    texts.filter(|text| PLANNED.iter().any(|word| text.starts_with(word)))
}

/// Returns the number of parameters of a statement.
fn parameters(text: &str) -> usize {
    let numbers = text.split('$').skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().unwrap_or(0)
    });
    numbers.max().unwrap_or(0)
}

/// Each table into which a statement inserts, with the columns that it names.
fn inserts(text: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let found = text.split("INSERT INTO ").skip(1).filter_map(|rest| {
        let (table, rest) = rest.split_once(['(', ' '])?;
        let (columns, _) = rest.trim_start_matches(['(', ' ']).split_once(')')?;
        Some((table, columns.split(',').map(str::trim).collect()))
    });
    found.collect()
}

/// The columns of each table that a row must have and that nothing fills in.
async fn required(connection: &mut PgConnection) -> BTreeMap<String, BTreeSet<String>> {
    let text = "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL \
         AND is_identity = 'NO' AND is_generated = 'NEVER'";
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in sqlx::query(text).fetch_all(connection).await.unwrap() {
        let columns = tables.entry(row.get(0)).or_default();
        columns.insert(row.get(1));
    }
    tables
}

/// Plans each statement of the version before; what the database or the rules of tables refuse.
async fn refused(backend: &Backend) -> Vec<String> {
    let mut connection = PgConnection::connect(&backend.url()).await.unwrap();
    let generic = "SET plan_cache_mode = force_generic_plan";
    connection.execute(generic).await.unwrap();
    let required = required(&mut connection).await;
    let mut refused = Vec::new();
    for text in statements() {
        let nulls = vec!["NULL"; parameters(text)].join(", ");
        let given = if nulls.is_empty() {
            String::new()
        } else {
            format!("({nulls})")
        };
        let plan =
            format!("PREPARE former AS {text}; EXPLAIN EXECUTE former {given}; DEALLOCATE former");
        if let Err(error) = connection.execute(AssertSqlSafe(plan)).await {
            refused.push(format!("{error}: {text}"));
            let _ = connection.execute("DEALLOCATE ALL").await;
        }
        for (table, columns) in inserts(text) {
            let needed = required.get(table).into_iter().flatten();
            let missing: Vec<_> = needed
                .filter(|one| !columns.contains(one.as_str()))
                .collect();
            if !missing.is_empty() {
                refused.push(format!("{table} needs {missing:?}: {text}"));
            }
        }
    }
    refused
}

/// PostgreSQL only: a database of an embedded server has one node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statements_of_the_version_before_go_on_beside_nodes_of_this_one() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let work = async {
        for n in 0..20 {
            let done = app.run_in(session, "add", json!({"a": n, "b": 1})).await;
            assert_eq!(done.status, ExecutionStatus::Completed);
        }
    };
    let ((), refused) = tokio::join!(work, refused(&backend));
    assert!(statements().count() > 200);
    assert!(refused.is_empty(), "{refused:#?}");
    app.assert_verified().await;
}

/// The test above can fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_beside_which_the_version_before_cannot_run_is_noticed() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    TestApp::start(&backend).await.server.stop().await;
    for (change, undo, expected) in [
        (
            "ALTER TABLE step RENAME COLUMN name TO title",
            "ALTER TABLE step RENAME COLUMN title TO name",
            "name",
        ),
        (
            "ALTER TABLE lease ADD COLUMN place bigint NOT NULL",
            "ALTER TABLE lease DROP COLUMN place",
            "lease needs [\"place\"]",
        ),
        (
            "ALTER TABLE step ALTER COLUMN attempt TYPE boolean USING attempt > 0",
            "ALTER TABLE step ALTER COLUMN attempt TYPE bigint USING attempt::int",
            "attempt",
        ),
    ] {
        backend.execute(change).await;
        let found = refused(&backend).await;
        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{change}: {found:#?}"
        );
        backend.execute(undo).await;
    }
    assert_eq!(refused(&backend).await, Vec::<String>::new());
}

const LATER: &str = "INSERT INTO seaql_migrations (version, applied_at, needs) VALUES ('m20990101_000001_later', 1, '')";

backends! {
    async fn a_node_starts_beside_a_later_schema_that_only_adds(backend: Backend) {
        TestApp::start(&backend).await.server.stop().await;
        for statement in [
            LATER,
            "ALTER TABLE execution ADD COLUMN of_a_later_version bigint",
            "CREATE TABLE later (id bigint NOT NULL PRIMARY KEY)",
        ] {
            backend.execute(statement).await;
        }
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 1, "b": 2})).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        app.assert_verified().await;
    }
}
