//! The first phase: rows are picked and locked in one fixed order, then loaded.

mod api_keys;
mod artifacts;
mod counts;
mod data_keys;
mod executions;
mod families;
mod keys;
pub(in crate::storage) mod limits;
mod next_places;
mod operations;
mod overtaken;
mod pick;
mod removals;
mod rows;
mod schedules;
mod sessions;
mod webhooks;

use std::collections::BTreeSet;

use entity::execution_state;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult};
use uuid::Uuid;

use super::{
    super::{Error, db::Transaction, era, sql},
    operation::Needs,
    rows::StateRow,
    working::Working,
};
use crate::model::{ExecutionId, RawJson, TenantId};
use executions::{LOCK_EXECUTIONS, leases, lock_executions, remember_executions, whole_executions};
use families::{families, marks};
use overtaken::catch_up;
use pick::{pick, recheck};
use rows::{id_rows, lock_clause};
use sql::{Rows, columns, get};

/// Begins the working set of a transaction.
pub(super) async fn load(db: &Transaction, needs: Needs) -> Result<Working, Error> {
    if needs.are_named() {
        return load_named(db, &needs).await;
    }
    let mut working = clock(db).await?;
    keys::load(db, &needs.keys, &mut working).await?;
    let mut executions: BTreeSet<ExecutionId> = needs.executions.iter().copied().collect();
    executions.extend(working.keys.values().map(|holder| holder.execution_id));
    executions.extend(needs.cancel.iter().map(|(id, _)| *id));
    pick(db, &needs, &mut working).await?;
    let mut picked = working.picked();
    picked.extend(&needs.cancel_below);
    let mut held = needs.cancel_below.clone();
    held.extend(working.fired.iter().map(|(id, _)| *id));
    // What an operation names must be readable; what was picked for it may be set aside.
    let optional: BTreeSet<ExecutionId> = picked.difference(&executions).copied().collect();
    executions.extend(&picked);
    lock_executions(db, &executions, &optional, &mut working).await?;
    families(db, &needs, &mut working, &mut held).await?;
    marks(db, &mut working).await?;
    keys::find_worn(db, &mut working).await?;
    keys::find_taken_ids(db, &needs.chosen_ids, &mut working).await?;
    catch_up(db, &mut working).await?;
    recheck(db, &mut working).await?;
    leases(db, &held, &mut working).await?;
    load_others(db, &needs, &mut working).await?;
    Ok(working)
}

/// Loads what comes after the executions in the order of locks.
async fn load_others(db: &Transaction, needs: &Needs, working: &mut Working) -> Result<(), Error> {
    steps(db, &needs.steps, working).await?;
    sessions::load(db, needs, working).await?;
    states(db, &needs.execution_states, working).await?;
    announced(db, &needs.announced, working).await?;
    api_keys::load(db, needs, working).await?;
    removals::load(db, needs, working).await?;
    schedules::load(db, needs, working).await?;
    operations::load(db, needs, working).await?;
    webhooks::load(db, needs, working).await?;
    counts::load(db, needs, working).await?;
    artifacts::load(db, needs, working).await?;
    data_keys::load(db, needs, working).await?;
    limits::load(db, needs, working).await
}

/// Most batches name what they need: the first of it is locked or read, and the time told, by one
/// statement.
async fn load_named(db: &Transaction, needs: &Needs) -> Result<Working, Error> {
    let executions: BTreeSet<ExecutionId> = needs.executions.iter().copied().collect();
    let mut working;
    if !executions.is_empty() {
        let rows = Rows::column("id", executions.iter().map(|id| id.0));
        let lock = format!(
            "{} {}",
            whole_executions(db),
            lock_clause(db, LOCK_EXECUTIONS)
        );
        let found;
        (working, found) = with_clock(db, rows, &lock).await?;
        remember_executions(found, &BTreeSet::new(), &mut working)?;
    } else if !needs.sessions_locked.is_empty() {
        let (rows, lock) = (sessions::rows(&needs.sessions_locked), sessions::lock(db));
        let found;
        (working, found) = with_clock(db, rows, &lock).await?;
        sessions::remember(found, &mut working)?;
    } else if !needs.sessions.is_empty() {
        let found;
        (working, found) =
            with_clock(db, sessions::rows(&needs.sessions), &sessions::look(db)).await?;
        sessions::remember_standings(&found, &mut working)?;
    } else {
        working = clock(db).await?;
    }
    marks(db, &mut working).await?;
    catch_up(db, &mut working).await?;
    load_others(db, needs, &mut working).await?;
    Ok(working)
}

/// Runs `select` with the clock beside each row of its result, or alone.
async fn with_clock(
    db: &Transaction,
    rows: Rows,
    select: &str,
) -> Result<(Working, Vec<QueryResult>), Error> {
    let clock = clock_expression(db.get_database_backend());
    let tail = format!(
        ", found AS MATERIALIZED ({select}) \
         SELECT c.clock_tx, c.clock_now, f.* FROM ({clock}) c LEFT JOIN found f ON true"
    );
    let rows = rows.query(db, &tail).await?;
    let working = clock_of(&rows)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        // The clock's row may be alone.
        if get::<Option<Uuid>>(&row, "id")?.is_some() {
            found.push(row);
        }
    }
    Ok((working, found))
}

/// The transaction's number in the log, and the time by the database's clock.
fn clock_expression(backend: DbBackend) -> String {
    let now = sql::now_expression(backend);
    // SQLite has one writer, which counts in microseconds: an older copy that is put back does not give
    // out the numbers again of what was written after it was made.
    let tx = match backend {
        DbBackend::Postgres => format!("{} + pg_current_xact_id()::text::bigint", era::FLOOR),
        // What retention has removed was given out, too.
        _ => format!(
            "max(COALESCE((SELECT tx FROM event ORDER BY rowid DESC LIMIT 1), 0) + 1, \
             COALESCE((SELECT max(tx) FROM log_trim), 0) + 1, {now})"
        ),
    };
    format!("SELECT {tx} AS clock_tx, {now} AS clock_now")
}

async fn clock(db: &Transaction) -> Result<Working, Error> {
    let text = clock_expression(db.get_database_backend());
    clock_of(&sql::query(db, &text, []).await?)
}

fn clock_of(rows: &[QueryResult]) -> Result<Working, Error> {
    let row = rows.first().ok_or(Error::Corrupt {
        what: "clock",
        source: None,
    })?;
    Ok(Working {
        tx: get(row, "clock_tx")?,
        now: get(row, "clock_now")?,
        ..Working::default()
    })
}

async fn steps(
    db: &Transaction,
    names: &[(ExecutionId, String)],
    working: &mut Working,
) -> Result<(), Error> {
    let mut rows = Rows::of(&["id", "name"]);
    for (id, name) in names {
        rows.push(vec![id.0.into(), name.as_str().into()]);
    }
    let join = sql::join(db);
    let tail = format!(
        "SELECT s.execution_id, s.name FROM x {join} step s \
                ON s.execution_id = x.id AND s.name = x.name"
    );
    for row in rows.query(db, &tail).await? {
        working
            .steps
            .insert((ExecutionId(get(&row, "execution_id")?), get(&row, "name")?));
    }
    Ok(())
}

async fn states(db: &Transaction, ids: &[ExecutionId], working: &mut Working) -> Result<(), Error> {
    // The execution's own lock guards its state.
    let join = sql::join(db);
    let tail = format!(
        "SELECT {} FROM x {join} execution_state s ON s.execution_id = x.id",
        columns::<execution_state::Entity>("s")
    );
    for row in id_rows(ids).query(db, &tail).await? {
        let tenant: String = get(&row, "tenant_id")?;
        let state = StateRow {
            tenant_id: TenantId::stored(&tenant),
            state: RawJson::trusted(get(&row, "state")?),
            version: get(&row, "version")?,
        };
        let id = ExecutionId(get(&row, "execution_id")?);
        working.states.load(id, state);
    }
    Ok(())
}

/// An upload counts as at least so many bytes, so that a tenant cannot announce any number of small
/// ones.
pub(super) const LEAST_ANNOUNCED_BYTES: i64 = 64 * 1024;

async fn announced(
    db: &Transaction,
    tenants: &[TenantId],
    working: &mut Working,
) -> Result<(), Error> {
    let tenants: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
    let mut rows = Rows::of(&["tenant_id", "since"]);
    for tenant in tenants {
        rows.push(vec![tenant.into(), working.now.into()]);
    }
    let tail = format!(
        "SELECT x.tenant_id, CAST(SUM(CASE WHEN u.declared_size_bytes < {LEAST_ANNOUNCED_BYTES} \
         THEN {LEAST_ANNOUNCED_BYTES} ELSE u.declared_size_bytes END) AS bigint) AS bytes \
         FROM x CROSS JOIN upload u WHERE u.tenant_id = x.tenant_id AND u.expires_at > x.since \
         AND u.completed_at IS NULL GROUP BY x.tenant_id"
    );
    for row in rows.query(db, &tail).await? {
        let tenant: String = get(&row, "tenant_id")?;
        let tenant = tenant
            .parse()
            .map_err(|error| Error::corrupt("tenant", error))?;
        working.announced_bytes.insert(tenant, get(&row, "bytes")?);
    }
    Ok(())
}
