//! Eras of the log: which cluster of PostgreSQL the numbers of its transactions are of.

use sea_orm::DbBackend;

pub(crate) fn statements(_backend: DbBackend) -> Vec<String> {
    vec![
        "CREATE TABLE era (number bigint NOT NULL PRIMARY KEY, cluster text NOT NULL, \
         log_end bigint NOT NULL)"
            .to_owned(),
        // What was written before is of era 0, whatever its cluster was.
        "INSERT INTO era (number, cluster, log_end) VALUES (0, '', 0)".to_owned(),
    ]
}
