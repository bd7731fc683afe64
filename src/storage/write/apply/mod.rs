//! The third phase: what was decided is written, by one statement a table on SQLite and by one or two
//! in all on PostgreSQL.

mod api_keys;
mod artifacts;
mod browser_logouts;
mod counts;
mod data_keys;
mod executions;
mod limits;
mod log;
mod operations;
mod queues;
mod removals;
mod schedules;
mod sessions;
mod webhooks;

use sea_orm::{ConnectionTrait, Statement};

use super::{
    super::{Error, db::Transaction, sql},
    working::Working,
};
use api_keys::api_keys;
use artifacts::{changed_artifacts, edges, histories, new_artifacts, releases, uploads};
use browser_logouts::browser_logouts;
use counts::counts;
use data_keys::data_keys;
use executions::{executions, states};
use limits::limits;
use log::events;
use operations::operations;
use queues::{keys, marks, queues};
use removals::removals;
use schedules::schedules;
use sessions::sessions;
use sql::{Combined, Rows};
use webhooks::webhooks;

/// Writes the working set, but for the statement that it returns: that one goes with the commit.
/// Beside it the number of rows that all of it takes.
pub(super) async fn apply(
    db: &Transaction,
    working: &mut Working,
) -> Result<(Option<Statement>, usize), Error> {
    let logged = std::mem::take(&mut working.changes.events);
    let entries = working.link(&logged)?;
    // An edge needs the keys that its artifacts get.
    let artifacts = new_artifacts(db, working).await?;
    let mut all = Combined::default();
    keys(&mut all, working);
    executions(&mut all, working);
    queues(&mut all, &mut working.changes, db.get_database_backend());
    counts(&mut all, &mut working.changes, db.get_database_backend());
    events(&mut all, &entries, &mut working.changes);
    sessions(&mut all, working);
    states(&mut all, working);
    changed_artifacts(&mut all, working);
    edges(&mut all, working);
    histories(&mut all, &mut working.changes);
    uploads(&mut all, &mut working.changes);
    releases(&mut all, &mut working.changes);
    api_keys(&mut all, working);
    schedules(&mut all, working);
    operations(&mut all, working);
    webhooks(&mut all, working);
    data_keys(&mut all, &mut working.changes);
    browser_logouts(&mut all, &mut working.changes);
    marks(&mut all, working);
    limits(&mut all, working);
    removals(&mut all, &mut working.changes, working.now);
    let rows = artifacts + all.len();
    Ok((all.run(db).await?, rows))
}

/// Updates a table, the first `key` columns of whose rows are its key.
fn update(all: &mut Combined, rows: Rows, table: &str, key: usize) {
    if !rows.is_empty() {
        let tail = update_tail(table, rows.columns(), key);
        all.add(rows, tail);
    }
}

/// `UPDATE table SET the other columns FROM x WHERE the first ones, which are the key, are equal`.
fn update_tail(table: &str, columns: &[&str], key: usize) -> String {
    let (key, others) = columns.split_at(key);
    let sets: Vec<String> = others
        .iter()
        .map(|column| format!("{column} = x.{column}"))
        .collect();
    let equal: Vec<String> = key
        .iter()
        .map(|column| format!("{table}.{column} = x.{column}"))
        .collect();
    let (sets, equal) = (sets.join(", "), equal.join(" AND "));
    format!("UPDATE {table} SET {sets} FROM x WHERE {equal}")
}

#[cfg(test)]
mod tests {
    use entity::execution_state;
    use sea_orm::{DbBackend, IdenStatic, Iterable as _, Value};

    use super::{
        artifacts::ARTIFACT_CHANGES, executions::EXECUTION_CHANGES, queues::unqueue_tail,
        sessions::SESSION_CHANGES, *,
    };
    use crate::storage::read_tests::on_each_database;
    use uuid::Uuid;

    fn names(columns: &[impl IdenStatic]) -> Vec<&'static str> {
        columns.iter().map(IdenStatic::as_str).collect()
    }

    /// SQLite weighs a plan by the number of values: what is right for one row need not be for 256.
    /// PostgreSQL gets one row in another way than several.
    #[tokio::test]
    async fn changes_find_their_rows_by_an_index_whatever_their_number() {
        const IDS: &[&str] = &["id"];
        let release = "DELETE FROM lease WHERE execution_id IN (SELECT id FROM x)";
        // On PostgreSQL a number must be one, so of the other columns there is one that is.
        let updates: [(_, Vec<&str>, &[_], _); 4] = [
            ("execution", names(EXECUTION_CHANGES), &["id", "last_tx"], 1),
            (
                "session",
                names(SESSION_CHANGES),
                &["id", "tenant_id", "next_seq"],
                2,
            ),
            (
                "execution_state",
                names(&execution_state::Column::iter().collect::<Vec<_>>()),
                &["execution_id", "version"],
                1,
            ),
            ("artifact", names(ARTIFACT_CHANGES), &["id", "version"], 1),
        ];
        on_each_database(async |world| {
            let db = &world.storage.db.writer.begin().await.unwrap();
            let is_postgres = db.get_database_backend() == DbBackend::Postgres;
            let scan = if is_postgres { "Seq Scan on" } else { "SCAN" };
            let mut statements = Vec::from(updates.clone().map(|(table, all, few, key)| {
                let columns = if is_postgres { few.to_vec() } else { all };
                let tail = update_tail(table, &columns, key);
                (table, columns, tail)
            }));
            let unqueue = |table| {
                (
                    table,
                    IDS.to_vec(),
                    unqueue_tail(table, db.get_database_backend()),
                )
            };
            statements.extend(["ready", "timer"].map(unqueue));
            statements.push(("lease", IDS.to_vec(), release.to_owned()));
            for (table, columns, tail) in &statements {
                for count in (0..13).map(|power| 1 << power) {
                    let mut cells = vec![Value::from(0_i64); columns.len()];
                    cells[0] = Uuid::nil().into();
                    if columns.get(1) == Some(&"tenant_id") {
                        cells[1] = "".into();
                    }
                    let mut rows = Rows::of(columns);
                    for _ in 0..count {
                        rows.push(cells.clone());
                    }
                    let plan = rows.plan(db, tail).await;
                    let whole = format!("{scan} {table}");
                    let reads_all = plan.iter().any(|step| step.contains(&whole));
                    assert!(!reads_all && !plan.is_empty(), "{count}: {tail}: {plan:#?}");
                }
            }
        })
        .await;
    }
}
