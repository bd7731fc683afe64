//! Every statement that reads or writes a tenant's table names the tenant, or is an exception that is listed.
//!
//! `scripts/test` lets each process of the suite write down its statements, and then runs this test over all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{
    conditions::{OF_NOBODY, OF_ROWS, OF_TENANTS, loose},
    world::World,
};
use crate::support::{Backend, TestApp, variable};

/// Names the folder with the statements of a whole run of the suite.
const COLLECTED: &str = "TAKEOFF_TEST_STATEMENTS_COLLECTED";

/// What no condition binds, each by the purpose of its connection, and why that is right.
const EXCEPTIONS: &[(&str, &[&str])] = &[
    (
        "who calls is found by the prefix of a key, and which keys were revoked is asked for all that a node trusts: \
         the tenant is what is found out",
        &[
            "node: read api_key by id",
            "node: read api_key by nothing",
            "node: read api_key by prefix",
        ],
    ),
    (
        "a node looks after what it runs, of whatever tenant: queues, timers, schedules, operations, webhooks, leases, \
         cancellations, sessions whose time has passed and content to be removed; nothing of it is a caller's",
        &[
            "node: read cancellation by execution_id",
            "node: read cancellation by nothing",
            "node: read content_release by nothing",
            "node: read execution by id",
            "node: read execution by nothing",
            "node: read execution by root_id",
            "node: read lease by execution_id",
            "node: read lease by execution_id, node_id",
            "node: read lease by node_id",
            "node: read lease by nothing",
            "node: read materialization by artifact_id, storage_type",
            "node: read ready by execution_id",
            "node: read ready by nothing",
            "node: read ready by queue",
            "node: read operation by nothing",
            "node: read schedule by nothing",
            "node: read timer by execution_id",
            "node: read timer by execution_id, kind, queue",
            "node: read timer by nothing",
            "node: read webhook by nothing",
            "write: lock execution_count by bucket, level",
            "write: lock execution_count by level",
            "write: lock timer by execution_id, kind, queue",
            "write: lock timer by nothing",
            "write: read execution_count by bucket, level",
            "write: read execution_count by level",
            "write: read lease by execution_id, holder",
            "write: read lease by holder",
            "write: read lease by node_id",
            "write: read ready by execution_id",
            "write: read ready by queue",
            "write: read session by nothing",
            "write: read timer by execution_id",
            "write: read timer by execution_id, kind, queue",
            "write: read timer by nothing",
        ],
    ),
    (
        "retention looks after all tenants in turn: whose is the next one is what is found out, and keys of requests are \
         forgotten by their time alone",
        &[
            "node: read idempotency by nothing",
            "node: read removed_entry by nothing",
            "node: read upload by nothing",
        ],
    ),
    (
        "retention removes by their keys what it has found by its tenant, and what belongs to that",
        &[
            "write: delete api_key by id",
            "write: delete artifact by id",
            "write: delete artifact_edge by child",
            "write: delete artifact_found by execution_id",
            "write: delete artifact_transition by artifact_id",
            "write: delete event by stream_id",
            "write: delete execution by id",
            "write: delete execution_state by execution_id",
            "write: delete materialization by artifact_id",
            "write: delete operation by id",
            "write: delete step by execution_id",
            "write: delete upload by id",
            "write: delete webhook by id",
        ],
    ),
    (
        "a node signs the log of each tenant in turn: whose is the next one is what is found out",
        &["node: read event by nothing"],
    ),
    (
        "edges between artifacts whose keys the statement before has found by their tenant; no caller can name a key",
        &[
            "read: read artifact_edge by child",
            "read: read artifact_edge by parent",
        ],
    ),
    (
        "where a page of children ends: the children themselves are found by their tenant beside it",
        &[
            "read: read execution by parent_id",
            // Whether an execution that is found by its tenant is held.
            "read: read lease by execution_id",
        ],
    ),
    (
        "a transaction locks the rows that operations of several tenants have named, and each operation compares the \
         tenant of its rows before it changes or returns anything: the tests of `storage::write::ops` and \
         `isolation` hold that",
        &[
            "write: lock api_key by id",
            "write: lock artifact by id",
            "write: lock execution by id",
            "write: lock operation by id",
            "write: lock schedule by id",
            "write: lock webhook by id",
            "write: read api_key by id",
            "write: read artifact by execution_id, state",
            "write: read artifact by id",
            "write: read cancellation by execution_id",
            "write: read cancellation by root_id",
            "write: read event by seq, stream_id",
            "write: read execution by id",
            "write: read execution by parent_id",
            "write: read execution by root_id",
            "write: read execution_state by execution_id",
            "write: read lease by execution_id",
            "write: read operation by id",
            "write: read schedule by id",
            "write: read step by execution_id, name",
            "write: read webhook by id",
        ],
    ),
    (
        "rows are written back by the keys of what the same transaction has locked and compared",
        &[
            "write: delete cancellation by execution_id",
            "write: delete content_release by artifact_id",
            "write: delete lease by execution_id",
            "write: delete ready by execution_id",
            "write: delete schedule by id",
            "write: delete schedule_run by schedule_id",
            "write: delete timer by execution_id",
            "write: delete timer by execution_id, kind",
            "write: insert artifact_edge",
            "write: insert artifact_found",
            "write: insert artifact_transition",
            "write: insert cancellation",
            "write: insert lease",
            "write: insert materialization",
            "write: insert step",
            "write: lock ready by execution_id",
            "write: lock timer by execution_id",
            "write: read schedule_run by schedule_id",
            "write: update api_key by id",
            "write: update artifact by id",
            "write: update cancellation by execution_id",
            "write: update content_release by artifact_id",
            "write: update execution by id",
            "write: update execution_state by execution_id",
            "write: update lease by execution_id",
            "write: update operation by id",
            "write: update schedule by id",
            "write: update webhook by id",
        ],
    ),
    (
        "places under limits are counted by their bucket, which names the tenant unless it is of all tenants; whoever \
         waits first gets what is left, and a node looks for what nobody was given",
        &[
            "node: read limit_place by bucket",
            "node: read limit_place by bucket, state",
            "node: read limit_place by execution_id",
            "node: read limit_place by execution_id, state",
            "node: read limit_place by nothing",
            "node: read limit_place by policy, state",
            "write: delete limit_place by execution_id",
            "write: delete limit_place by execution_id, position",
            "write: read limit_place by bucket, state",
            "write: read limit_place by execution_id",
            "write: read limit_place by execution_id, state",
            "write: read limit_rate by bucket",
            "write: delete limit_rate by nothing",
            "write: insert limit_rate",
            "write: update limit_place by execution_id, position",
        ],
    ),
    (
        "the number of a transaction is one more than that of the last entry of the log, whoever's it is",
        &[
            "write: read event by nothing",
            "write: read log_trim by nothing",
        ],
    ),
    (
        "`takeoff verify` compares all of the log with all of the state, on the machine with the database",
        &[
            "whole: read api_key by nothing",
            "whole: read artifact by id, key",
            "whole: read artifact by key",
            "whole: read artifact by nothing",
            "whole: read artifact_edge by child, parent",
            "whole: read checkpoint by nothing",
            "whole: read event by nothing",
            "whole: read event by stream_id",
            "whole: read execution by id",
            "whole: read execution by id, parent_id",
            "whole: read execution by nothing",
            "whole: read lease by execution_id",
            "whole: read lease by nothing",
            "whole: read materialization by artifact_id",
            "whole: read limit_place by bucket, state",
            "whole: read limit_place by execution_id, state",
            "whole: read limit_place by nothing",
            "whole: read limit_place by state",
            "whole: read ready by execution_id",
            "whole: read removed_entry by nothing",
            "whole: read operation by nothing",
            "whole: read schedule by nothing",
            "whole: read session by nothing",
            "whole: read step by execution_id",
            "whole: read timer by execution_id",
            "whole: read webhook by nothing",
        ],
    ),
];

fn exceptions() -> impl Iterator<Item = &'static str> {
    EXCEPTIONS
        .iter()
        .flat_map(|(_, findings)| *findings)
        .copied()
}

/// A statement with its purpose before it.
fn findings(statement: &str) -> BTreeSet<String> {
    let (purpose, text) = statement.split_once(' ').unwrap();
    let found = loose(text).into_iter();
    found
        .map(|finding| format!("{purpose}: {finding}"))
        .collect()
}

fn check(statements: &BTreeSet<String>) -> BTreeSet<String> {
    let listed: BTreeSet<&str> = exceptions().collect();
    let mut used = BTreeSet::new();
    let mut unlisted: BTreeMap<String, &str> = BTreeMap::new();
    for statement in statements {
        for finding in findings(statement) {
            if listed.contains(finding.as_str()) {
                used.insert(finding);
            } else {
                unlisted.insert(finding, statement);
            }
        }
    }
    assert!(
        unlisted.is_empty(),
        "without the tenant in their condition: {unlisted:#?}"
    );
    used
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_of_the_suite_names_the_tenant() {
    let mut statements = BTreeSet::new();
    let Some(folder) = variable(COLLECTED) else {
        // Of this process alone: those by which two tenants get what they have.
        let backends = [Some(Backend::sqlite()), Backend::postgres().await];
        for backend in backends.into_iter().flatten() {
            statements.extend(World::of(&backend).await.statements.take());
        }
        assert!(statements.len() > 30, "{}", statements.len());
        check(&statements);
        return;
    };
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        statements.extend(text.lines().map(str::to_owned));
    }
    let used = check(&statements);
    // Which statements a run has depends on which requests meet; some of each kind are always there.
    for (reason, findings) in EXCEPTIONS {
        let is_needed = findings.iter().any(|finding| used.contains(*finding));
        assert!(is_needed, "exceptions that nothing needs, for {reason}");
    }
    for table in OF_TENANTS.iter().chain(OF_ROWS) {
        let is_used = |text: &String| text.contains(&format!(" {table} "));
        assert!(
            statements.iter().any(is_used),
            "nothing was collected of {table}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_listed_by_whose_it_is() {
    let backend = Backend::sqlite();
    let _app = TestApp::start(&backend).await;
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&backend.url())
        .await
        .unwrap();
    let text = "SELECT m.name, EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'tenant_id') \
        FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let tables: Vec<(String, bool)> = sqlx::query_as(text)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let found: BTreeSet<(&str, bool)> = tables
        .iter()
        .map(|(name, has)| (name.as_str(), *has))
        .collect();
    let of_tenants = OF_TENANTS.iter().map(|&name| (name, true));
    let others = OF_ROWS.iter().chain(OF_NOBODY).map(|&name| (name, false));
    assert_eq!(found, of_tenants.chain(others).collect());
}
