//! Parts of the statements that load rows.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, QueryResult};

use super::super::super::{Error, db::Transaction, sql};
use crate::model::ExecutionId;
use sql::{Rows, get};

pub(super) fn lock_clause(db: &Transaction, clause: &'static str) -> &'static str {
    if db.get_database_backend() == DbBackend::Postgres {
        clause
    } else {
        ""
    }
}

pub(super) fn column<T: sea_orm::TryGetable + Ord>(
    rows: &[QueryResult],
    name: &str,
) -> Result<BTreeSet<T>, Error> {
    rows.iter().map(|row| get(row, name)).collect()
}

pub(super) fn id_rows(ids: &[ExecutionId]) -> Rows {
    Rows::column("id", ids.iter().map(|id| id.0))
}
