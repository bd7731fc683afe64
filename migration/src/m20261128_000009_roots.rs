//! Lists of executions without a parent.

use sea_orm::DbBackend;

/// An index of the executions without a parent, in the order of lists.
pub(crate) fn statements(_backend: DbBackend) -> Vec<String> {
    vec![
        "CREATE INDEX \"execution_idx_roots\" ON \"execution\" (\"tenant_id\", \"id\") \
         WHERE parent_id IS NULL"
            .to_owned(),
    ]
}
