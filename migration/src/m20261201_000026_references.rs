//! References to the content store, so that content to which nothing refers is found.

use sea_orm::DbBackend;

/// A reference is `@`, the digest in hexadecimal, and the size. Few rows have one, and only those are in the indexes.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    let of = |table: &str, column: &str| {
        format!(
            "CREATE INDEX {table}_{column}_reference ON {table} (substr({column}, 2, 64)) \
             WHERE substr({column}, 1, 1) = '@'"
        )
    };
    vec![of("event", "payload"), of("execution", "sealed")]
}
