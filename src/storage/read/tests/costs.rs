//! Rows that the statements of lists read: no more than twenty times a page, whatever the filter.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::TryStreamExt;
use sea_orm::Statement;
use serde_json::Value;
use sqlx::{
    ConnectOptions as _, Connection, PgConnection, Row, SqliteConnection,
    postgres::PgConnectOptions,
};

use super::{
    World, execution_filters, filters, on_each_database, rows::execution_id, scope, scope_of,
};
use crate::{
    model::{ExecutionId, ExecutionStatus, TenantScope},
    storage::{
        ExecutionFilter, Page, PageRequest,
        db::{BY_INDEX, query, recorded},
    },
};

const PAGE: u32 = 50;
/// Rows that a statement may read.
const MOST_ROWS: u64 = 20 * PAGE as u64;
/// Steps that SQLite may take for each of them; a scan of a table takes fewer, and the tables of these tests have
/// thirty times as many rows.
const STEPS_OF_A_ROW: u64 = 50;
const ROWS: u32 = 30_000;

/// Connections that tell what statements read.
enum Meter {
    Sqlite(Box<SqliteConnection>, Arc<AtomicU64>),
    /// One plans for the values, the other for any.
    Postgres(Box<[PgConnection; 2]>),
}

impl Meter {
    /// For lists of rows of one table, which are there.
    async fn new(world: &World, table: &str) -> Self {
        let url = &world.options.url;
        if world.is_postgres() {
            world.run(&format!("ANALYZE {table}"), vec![]).await;
            let mut connections = Vec::new();
            for mode in ["force_custom_plan", "force_generic_plan"] {
                let options = url.parse::<PgConnectOptions>().unwrap();
                let options = options.options(BY_INDEX);
                let mut connection = options.connect().await.unwrap();
                let set = sqlx::AssertSqlSafe(format!("SET plan_cache_mode = {mode}"));
                sqlx::query(set).execute(&mut connection).await.unwrap();
                connections.push(connection);
            }
            let connections = connections.try_into().map_err(|_| "two").unwrap();
            return Self::Postgres(Box::new(connections));
        }
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&steps);
        let mut handle = connection.lock_handle().await.unwrap();
        handle.set_progress_handler(1, move || {
            counter.fetch_add(1, Ordering::Relaxed);
            true
        });
        drop(handle);
        Self::Sqlite(Box::new(connection), steps)
    }

    /// Makes PostgreSQL plan for so many rows of a table and of each of its indexes.
    async fn plan_for(world: &World, table: &str, rows: u64) {
        if world.is_postgres() {
            let more = format!(
                "UPDATE pg_class SET reltuples = reltuples * ({rows} / {ROWS}) \
                 WHERE oid = '{table}'::regclass \
                 OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = '{table}'::regclass)"
            );
            world.run(&more, vec![]).await;
        }
    }

    /// Rows that a statement reads, or what SQLite's steps amount to in rows.
    async fn rows(&mut self, statement: &Statement) -> u64 {
        match self {
            Self::Sqlite(connection, steps) => {
                steps.store(0, Ordering::Relaxed);
                let rows = query::<sqlx::Sqlite>(statement.clone()).fetch(&mut **connection);
                rows.try_for_each(async |_| Ok(())).await.unwrap();
                steps.load(Ordering::Relaxed) / STEPS_OF_A_ROW
            }
            Self::Postgres(connections) => {
                let mut most = 0;
                let mut explained = statement.clone();
                explained.sql = format!(
                    "EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {}",
                    explained.sql
                );
                for connection in connections.iter_mut() {
                    let row = query::<sqlx::Postgres>(explained.clone()).fetch_one(connection);
                    let plan: Value = row.await.unwrap().get(0);
                    most = most.max(rows_of(&plan[0]["Plan"]));
                }
                most
            }
        }
    }

    /// Holds the first pages of a list, from both ends and of a tenant that has none, against the bound.
    async fn check<K: Copy, T, E: std::fmt::Debug>(
        &mut self,
        what: &str,
        list: impl AsyncFn(&TenantScope, PageRequest<K>) -> Result<Page<K, T>, E>,
    ) {
        let (ours, theirs, first) = (scope(), scope_of("theirs"), PageRequest::first(PAGE));
        let next = self.hold(what, list(&ours, first)).await.unwrap().end;
        let next = PageRequest {
            after: next,
            ..first
        };
        let from_the_end = PageRequest {
            backward: true,
            ..first
        };
        for (scope, page) in [(&ours, next), (&ours, from_the_end), (&theirs, first)] {
            self.hold(what, list(scope, page)).await.unwrap();
        }
    }

    async fn check_executions(&mut self, world: &World, filter: &ExecutionFilter) {
        let (what, storage) = (format!("{filter:?}"), &world.storage);
        let list = async |tenant: &TenantScope, page: PageRequest<ExecutionId>| {
            storage.list_executions(tenant, filter, &page).await
        };
        self.check(&what, list).await;
        // What a filter makes of rows that are found by their ids.
        let newest = u128::from(ROWS - 2 * PAGE + 1)..=ROWS.into();
        let ids: Vec<_> = newest.map(execution_id).collect();
        let ours = scope();
        let found = storage.find_changes(&ours, filter, &ids);
        self.hold(&what, found).await.unwrap();
    }

    /// Holds each statement that `reads` runs against the bound.
    async fn hold<T>(&mut self, what: &str, reads: impl Future<Output = T>) -> T {
        let (returned, statements) = recorded::of(reads).await;
        for statement in statements {
            let rows = self.rows(&statement).await;
            assert!(
                rows <= MOST_ROWS,
                "{rows} rows for {what}: {}",
                statement.sql
            );
        }
        returned
    }
}

/// Rows that the scans of a plan read.
fn rows_of(plan: &Value) -> u64 {
    let parts = plan["Plans"].as_array().into_iter().flatten();
    let below: u64 = parts.map(rows_of).sum();
    let kind = plan["Node Type"].as_str().unwrap();
    assert!(
        !kind.starts_with("Gather") && !kind.starts_with("Bitmap"),
        "not one walk along an index: {plan}"
    );
    let of_others = ["Subquery Scan", "CTE Scan"];
    if !kind.ends_with("Scan") || of_others.contains(&kind) {
        return below;
    }
    // Later versions tell parts of a row.
    let number = |name: &str| -> u64 {
        let text = plan[name].to_string();
        let whole = text.split('.').next();
        whole.and_then(|whole| whole.parse().ok()).unwrap_or(0)
    };
    let each = number("Actual Rows")
        + number("Rows Removed by Filter")
        + number("Rows Removed by Index Recheck");
    below + each * number("Actual Loops")
}

#[tokio::test]
async fn a_page_of_executions_reads_no_more_than_its_length_allows_whatever_the_filter() {
    on_each_database(async |world| {
        let rows = (1..=u128::from(ROWS))
            .map(|number| execution_filters::execution_of(number, ROWS.into()));
        world.put_executions(rows).await;
        execution_filters::put_key(world).await;
        execution_filters::put_places(world, ROWS.into()).await;
        let mut meter = Meter::new(world, "execution").await;
        for (number, mut filter) in execution_filters::execution_filters(ROWS.into())
            .into_iter()
            .enumerate()
        {
            filter.oldest_first = number.is_multiple_of(2);
            meter.check_executions(world, &filter).await;
        }
    })
    .await;
}

/// The statistics say that no row fits.
#[tokio::test]
async fn what_no_execution_has_is_looked_for_in_its_own_range() {
    on_each_database(async |world| {
        let rows = (1..=u128::from(ROWS)).map(|number| {
            let mut row = execution_filters::execution_of(number, ROWS.into());
            row.status = ExecutionStatus::Completed;
            row.parent = Some(3);
            row
        });
        world.put_executions(rows).await;
        let mut meter = Meter::new(world, "execution").await;
        let absent = |filter: &ExecutionFilter| {
            filter.roots_only
                || filter.statuses == [ExecutionStatus::Running]
                || filter.statuses == [ExecutionStatus::Failed]
        };
        for filter in execution_filters::execution_filters(ROWS.into())
            .into_iter()
            .filter(absent)
        {
            meter.check_executions(world, &filter).await;
        }
    })
    .await;
}

/// Where the planner thinks that few of many rows fit, another index seems cheaper to it.
#[tokio::test]
async fn executions_are_read_from_their_own_range_among_millions_too() {
    on_each_database(async |world| {
        let rows = (1..=u128::from(ROWS))
            .map(|number| execution_filters::execution_of(number, ROWS.into()));
        world.put_executions(rows).await;
        let mut meter = Meter::new(world, "execution").await;
        Meter::plan_for(world, "execution", 3_000_000).await;
        for filter in execution_filters::execution_filters(ROWS.into()) {
            meter.check_executions(world, &filter).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_of_artifacts_reads_no_more_than_its_length_allows_whatever_the_filter() {
    on_each_database(async |world| {
        let rows = (1..=i64::from(ROWS)).map(filters::artifact_of);
        world.put_artifacts(rows).await;
        let mut meter = Meter::new(world, "artifact").await;
        for (number, mut filter) in filters::artifact_filters(ROWS.into())
            .into_iter()
            .enumerate()
        {
            filter.oldest_first = number.is_multiple_of(2);
            let (what, storage) = (format!("{filter:?}"), &world.storage);
            meter
                .check(&what, async |tenant, page| {
                    storage.list_artifacts(tenant, &filter, &page).await
                })
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_of_sessions_reads_no_more_than_its_length_allows_whatever_the_filter() {
    on_each_database(async |world| {
        let now = world.now().await;
        let rows = (1..=u128::from(ROWS)).map(|number| filters::session_of(number, now));
        world.put_sessions(rows).await;
        let mut meter = Meter::new(world, "session").await;
        for filter in filters::session_filters() {
            let (what, storage) = (format!("{filter:?}"), &world.storage);
            meter
                .check(&what, async |tenant, page| {
                    storage.list_sessions(tenant, &filter, &page).await
                })
                .await;
        }
    })
    .await;
}
