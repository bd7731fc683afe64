//! Bulk operations: what fits a filter is changed once, whatever the nodes do.

mod api;
mod fates;
mod rights;
mod trouble;

use serde_json::{Value, json};
use takeoff::model::SessionId;

use crate::support::{Backend, TestApp};

/// More than one batch.
pub const MANY: usize = 130;

pub const FIELDS: &str = "operation { id kind status reason createdBy filter error expectedCount { count exact } \
    matchedCount doneCount skippedCount refusedCount refusals { itemId code message } finishedAt }";

/// The document that begins an operation, by the name of its mutation.
pub fn document(mutation: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    let preview = if mutation == "archiveArtifacts" {
        "artifacts { id }"
    } else {
        "executions { id }"
    };
    format!(
        "mutation($input: {}{rest}Input!) {{ it: {mutation}(input: $input) {{ {FIELDS} \
         preview {{ matched {{ count exact }} {preview} }} errors {{ code message path }} }} }}",
        first.to_uppercase()
    )
}

/// The answer to a mutation that begins an operation.
pub async fn begin(app: &TestApp, mutation: &str, input: Value) -> Value {
    let mut data = app.data(&document(mutation), json!({"input": input})).await;
    data["it"].take()
}

/// The id of an operation that must begin.
pub async fn begun(app: &TestApp, mutation: &str, input: Value) -> String {
    let begun = begin(app, mutation, input).await;
    assert_eq!(begun["errors"], json!([]), "{begun}");
    begun["operation"]["id"].as_str().unwrap().to_owned()
}

pub fn read_document() -> String {
    format!(
        "query($id: ID!) {{ {} }}",
        FIELDS.replacen("operation", "operation(id: $id)", 1)
    )
}

pub async fn read(app: &TestApp, id: &str) -> Value {
    app.data(&read_document(), json!({"id": id})).await["operation"].take()
}

/// The operation, once it has ended.
pub async fn ended(app: &TestApp, id: &str) -> Value {
    app.until(|| async {
        let found = read(app, id).await;
        (found["status"] != "RUNNING").then_some(found)
    })
    .await
}

/// What has become of the things of an operation: matched, done, skipped, refused.
pub fn counts(operation: &Value) -> [u64; 4] {
    ["matchedCount", "doneCount", "skippedCount", "refusedCount"]
        .map(|name| operation[name].as_str().unwrap().parse().unwrap())
}

/// Executions that wait for a worker which never comes.
pub async fn waiting(app: &TestApp, session: SessionId, count: usize) {
    for _ in 0..count {
        app.submit(session, "remote", json!({})).await;
    }
}

/// The number of executions that fit a filter.
pub async fn count(app: &TestApp, filter: Value) -> u64 {
    let query = "query($filter: ExecutionFilter) { executions(first: 1, filter: $filter) { totalCount { count } } }";
    let found = app.data(query, json!({"filter": filter})).await;
    found["executions"]["totalCount"]["count"].as_u64().unwrap()
}

/// From here on nothing writes down what has become of the things of an operation.
pub async fn forbid_advances(backend: &Backend) {
    let statement = if backend.is_postgres() {
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$ LANGUAGE plpgsql; \
         CREATE TRIGGER refuse BEFORE UPDATE ON operation FOR EACH ROW \
         WHEN (NEW.done IS DISTINCT FROM OLD.done) EXECUTE FUNCTION refuse()"
    } else {
        "CREATE TRIGGER refuse BEFORE UPDATE ON operation \
         WHEN NEW.done IS NOT OLD.done BEGIN SELECT RAISE(ABORT, 'not now'); END"
    };
    backend.execute(statement).await;
}

pub async fn permit_advances(backend: &Backend) {
    let statement = if backend.is_postgres() {
        "DROP TRIGGER refuse ON operation"
    } else {
        // Waits for whatever the node that has died may still write.
        "BEGIN IMMEDIATE; DROP TRIGGER refuse; COMMIT"
    };
    backend.execute(statement).await;
}
