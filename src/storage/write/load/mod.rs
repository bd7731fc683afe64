//! The first phase: rows are picked and locked in one fixed order, then loaded.

mod api_keys;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use entity::{artifact, execution, execution_state, idempotency};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{
    super::{Error, convert::ArtifactRow, db::Transaction, era, sql},
    family::{IS_IN_MARKED_TREE, families, marks},
    operation::Needs,
    overtaken::catch_up,
    pick::{pick, recheck},
    rows::{KeyHolder, StateRow},
    submit::{KeyClaim, KeyName, KeyScope},
    working::Working,
};
use crate::model::{
    ArtifactId, ArtifactState, Execution, ExecutionId, ExecutionStatus, RawJson, TenantId,
};
use sql::{Rows, columns, get};

/// Begins the working set of a transaction.
pub(super) async fn load(db: &Transaction, needs: Needs) -> Result<Working, Error> {
    if needs.are_named() {
        return load_named(db, &needs).await;
    }
    let mut working = clock(db).await?;
    keys(db, &needs.keys, &mut working).await?;
    let mut executions: BTreeSet<ExecutionId> = needs.executions.iter().copied().collect();
    executions.extend(working.keys.values().map(|holder| holder.execution_id));
    executions.extend(needs.cancel.iter().map(|(id, _)| *id));
    pick(db, &needs, &mut working).await?;
    let mut picked = working.picked();
    picked.extend(&needs.cancel_below);
    let mut held = needs.leases.clone();
    held.extend(&needs.cancel_below);
    held.extend(working.fired.iter().map(|(id, _)| *id));
    // What an operation names must be readable; what was picked for it may be set aside.
    let optional: BTreeSet<ExecutionId> = picked.difference(&executions).copied().collect();
    executions.extend(&picked);
    lock_executions(db, &executions, &optional, &mut working).await?;
    families(db, &needs, &mut working, &mut held).await?;
    marks(db, &mut working).await?;
    worn(db, &mut working).await?;
    catch_up(db, &mut working).await?;
    recheck(db, &mut working).await?;
    leases(db, &held, &mut working).await?;
    load_others(db, &needs, &mut working).await?;
    Ok(working)
}

/// What comes after the executions.
async fn load_others(db: &Transaction, needs: &Needs, working: &mut Working) -> Result<(), Error> {
    steps(db, &needs.steps, working).await?;
    sessions::load(db, needs, working).await?;
    states(db, &needs.execution_states, working).await?;
    announced(db, &needs.announced, working).await?;
    api_keys::load(db, needs, working).await?;
    artifacts(db, needs, working).await
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
    leases(db, &needs.leases, &mut working).await?;
    load_others(db, needs, &mut working).await?;
    Ok(working)
}

/// What `select` finds, and the clock beside each row of it, or alone.
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
        _ => format!(
            "max(COALESCE((SELECT tx FROM event ORDER BY rowid DESC LIMIT 1), 0) + 1, {now})"
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

pub(super) fn lock_clause(db: &Transaction, clause: &'static str) -> &'static str {
    if db.get_database_backend() == DbBackend::Postgres {
        clause
    } else {
        ""
    }
}

/// Takes the free keys and finds out who holds the others. Of several operations that name the same
/// key the first one takes it; who follows is decided after it.
async fn keys(db: &Transaction, claims: &[KeyClaim], working: &mut Working) -> Result<(), Error> {
    if claims.is_empty() {
        return Ok(());
    }
    let mut first: BTreeMap<KeyName, &KeyClaim> = BTreeMap::new();
    for claim in claims {
        first.entry(claim.name()).or_insert(claim);
    }
    let rows = Rows::set(first.values().map(|claim| claim.row(working.now)));
    let names = rows.names();
    let insert = format!(
        "INSERT INTO idempotency ({names}) SELECT {names} FROM x WHERE true \
         ORDER BY tenant_id, scope, key ON CONFLICT (tenant_id, scope, key) DO UPDATE SET \
         execution_id = excluded.execution_id, request_hash = excluded.request_hash, \
         expires_at = excluded.expires_at WHERE idempotency.expires_at <= {} \
         RETURNING execution_id",
        working.now
    );
    let taken: BTreeSet<Uuid> = column(&rows.query(db, &insert).await?, "execution_id")?;
    let mut others = Vec::new();
    for (name, claim) in first {
        if taken.contains(&claim.execution_id.0) {
            working.keys_taken.insert(name, claim.execution_id);
        } else {
            others.push(claim.row_name());
        }
    }
    let select = format!(
        "SELECT {} FROM x {} idempotency i \
         ON i.tenant_id = x.tenant_id AND i.scope = x.scope AND i.key = x.key",
        columns::<idempotency::Entity>("i"),
        sql::join(db)
    );
    for row in Rows::set(others).query(db, &select).await? {
        remember_holder(&row, working)?;
    }
    Ok(())
}

fn remember_holder(row: &QueryResult, working: &mut Working) -> Result<(), Error> {
    let tenant: String = get(row, "tenant_id")?;
    let (scope, key): (i64, String) = (get(row, "scope")?, get(row, "key")?);
    let holder = KeyHolder {
        execution_id: ExecutionId(get(row, "execution_id")?),
        request_hash: get(row, "request_hash")?,
    };
    let name = (TenantId::stored(&tenant), scope_of(scope), key);
    working.keys.insert(name, holder);
    Ok(())
}

/// Finds the completed executions that hold a fingerprint and lost an artifact since.
async fn worn(db: &Transaction, working: &mut Working) -> Result<(), Error> {
    let holders = working.keys.iter();
    let holders = holders.filter(|((_, scope, _), _)| *scope == KeyScope::Fingerprint);
    let completed = holders.map(|(_, holder)| holder.execution_id).filter(|id| {
        let found = working.executions.see(id);
        found.is_some_and(|row| row.status == ExecutionStatus::Completed)
    });
    let completed: BTreeSet<ExecutionId> = completed.collect();
    let join = sql::join(db);
    let tail = format!(
        "SELECT a.execution_id FROM x {join} artifact a ON a.execution_id = x.id WHERE a.state = {}",
        ArtifactState::Deleted.code()
    );
    let rows = Rows::column("id", completed.iter().map(|id| id.0));
    for row in rows.query(db, &tail).await? {
        working.worn.insert(ExecutionId(get(&row, "execution_id")?));
    }
    Ok(())
}

fn scope_of(code: i64) -> KeyScope {
    match code {
        0 => KeyScope::Caller,
        1 => KeyScope::Fingerprint,
        _ => KeyScope::Child,
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

fn whole_executions(db: &Transaction) -> String {
    let (columns, join) = (columns::<execution::Entity>("e"), sql::join(db));
    format!("SELECT {columns}, {IS_IN_MARKED_TREE} FROM x {join} execution e ON e.id = x.id")
}

const LOCK_EXECUTIONS: &str = "ORDER BY e.id FOR UPDATE OF e";

async fn lock_executions(
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
fn remember_executions(
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

async fn leases(db: &Transaction, ids: &[ExecutionId], working: &mut Working) -> Result<(), Error> {
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

async fn artifacts(db: &Transaction, needs: &Needs, working: &mut Working) -> Result<(), Error> {
    let locked: BTreeSet<ArtifactId> = needs.artifacts_locked.iter().copied().collect();
    let read: BTreeSet<ArtifactId> = needs
        .artifacts
        .iter()
        .filter(|id| !locked.contains(id))
        .copied()
        .collect();
    let lock = lock_clause(db, "ORDER BY a.id FOR UPDATE OF a");
    for (ids, clause) in [(locked, lock), (read, "")] {
        let join = sql::join(db);
        let tail = format!(
            "SELECT {} FROM x {join} artifact a ON a.id = x.id {clause}",
            columns::<artifact::Entity>("a")
        );
        for row in Rows::column("id", ids.iter().map(|id| id.0))
            .query(db, &tail)
            .await?
        {
            let model = artifact::Model::from_query_result(&row, "")?;
            let key = Some(model.key);
            let artifact = crate::model::Artifact::try_from(model)?;
            let row = ArtifactRow {
                artifact,
                key,
                parents: Vec::new(),
            };
            working.artifacts.load(row.artifact.id, row);
        }
    }
    Ok(())
}
