//! Executions: locked and read, with their leases.

use std::collections::BTreeSet;

use entity::execution;
use sea_orm::{FromQueryResult, QueryResult};

use super::{
    super::{
        super::{Error, db::Transaction, sql},
        working::Working,
    },
    rows::{id_rows, lock_clause},
};
use crate::model::{Execution, ExecutionId};
use sql::{Rows, columns, get};

/// The condition that an execution's tree has a cancellation under way. Part of what locks
/// executions.
const IS_IN_MARKED_TREE: &str = "(e.root_id IS NOT NULL AND EXISTS \
     (SELECT 1 FROM cancellation c WHERE c.root_id = e.root_id)) AS is_in_marked_tree";

pub(super) fn whole_executions(db: &Transaction) -> String {
    let (columns, join) = (columns::<execution::Entity>("e"), sql::join(db));
    format!("SELECT {columns}, {IS_IN_MARKED_TREE} FROM x {join} execution e ON e.id = x.id")
}

pub(super) const LOCK_EXECUTIONS: &str = "ORDER BY e.id FOR UPDATE OF e";

pub(super) async fn lock_executions(
    db: &Transaction,
    ids: &BTreeSet<ExecutionId>,
    optional: &BTreeSet<ExecutionId>,
    working: &mut Working,
) -> Result<(), Error> {
    let clause = lock_clause(db, LOCK_EXECUTIONS);
    let rows = Rows::column("id", ids.iter().map(|id| id.0))
        .query(db, &format!("{} {clause}", whole_executions(db)))
        .await?;
    remember_executions(rows, optional, working)
}

/// Locks those that nobody else has locked, without waiting.
pub(super) async fn lock_more(
    db: &Transaction,
    ids: &BTreeSet<ExecutionId>,
    working: &mut Working,
) -> Result<(), Error> {
    let clause = lock_clause(db, "FOR UPDATE OF e SKIP LOCKED");
    let rows = Rows::column("id", ids.iter().map(|id| id.0))
        .query(db, &format!("{} {clause}", whole_executions(db)))
        .await?;
    remember_executions(rows, &BTreeSet::new(), working)
}

/// An `optional` row that cannot be read is set aside: it must not hold up those beside it.
pub(super) fn remember_executions(
    rows: Vec<QueryResult>,
    optional: &BTreeSet<ExecutionId>,
    working: &mut Working,
) -> Result<(), Error> {
    for row in rows {
        match execution_of(&row) {
            Ok(execution) => {
                if get(&row, "is_in_marked_tree")? {
                    working.in_marked_trees.push(execution.id);
                }
                working.executions.load(execution.id, execution);
            }
            Err(error) => {
                let id = ExecutionId(get(&row, "id")?);
                if !optional.contains(&id) {
                    return Err(error);
                }
                tracing::error!(execution_id = %id, ?error, "an execution cannot be read; it is set aside");
                working.set_aside.insert(id);
            }
        }
    }
    Ok(())
}

fn execution_of(row: &QueryResult) -> Result<Execution, Error> {
    Execution::try_from(execution::Model::from_query_result(row, "")?)
}

pub(super) async fn leases(
    db: &Transaction,
    ids: &[ExecutionId],
    working: &mut Working,
) -> Result<(), Error> {
    let join = sql::join(db);
    let tail =
        format!("SELECT l.execution_id, l.node_id FROM x {join} lease l ON l.execution_id = x.id");
    for row in id_rows(ids).query(db, &tail).await? {
        working.held.insert(
            ExecutionId(get(&row, "execution_id")?),
            get(&row, "node_id")?,
        );
    }
    Ok(())
}
