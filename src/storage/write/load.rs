//! The first phase: rows are picked and locked in one fixed order, then loaded.

use std::collections::{BTreeMap, BTreeSet};

use entity::{artifact, execution, execution_state, idempotency, session};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult, Value};
use uuid::Uuid;

use super::{
    super::{Error, connection::Transaction, era, read::stranded::STRANDED, sql},
    operation::Needs,
    submit::{KeyClaim, KeyName, KeyScope},
    working::{ArtifactRow, KeyHolder, SessionRow, StateRow, Tracked, Working},
};
use crate::model::{
    ArtifactId, ArtifactState, Execution, ExecutionId, ExecutionStatus, RawJson, Session,
    SessionId, TenantId,
};
use sql::{Cell, Rows, columns, get};

/// Claims look at so many tenants at once; they take turns.
const TENANTS_PER_CLAIM: usize = 64;

/// Begins the working set of a transaction.
pub(super) async fn load(db: &Transaction, needs: Needs) -> Result<Working, Error> {
    if needs.are_named() {
        return load_named(db, &needs).await;
    }
    let mut working = clock(db).await?;
    keys(db, &needs.keys, &mut working).await?;
    let mut executions: BTreeSet<ExecutionId> = needs.executions.iter().copied().collect();
    executions.extend(working.keys.values().map(|holder| holder.execution_id));
    executions.extend(families(db, &needs).await?);
    pick(db, &needs, &mut working).await?;
    executions.extend(&working.claimed);
    executions.extend(working.fired.iter().map(|(id, _, _)| *id));
    executions.extend(&working.lost);
    executions.extend(&working.stranded);
    let mut held = needs.leases.clone();
    held.extend(working.fired.iter().map(|(id, _, _)| *id));
    lock_executions(db, &executions, &mut working).await?;
    cancel_targets(db, &needs, &mut working, &mut held).await?;
    worn(db, &mut working).await?;
    recheck(db, &mut working).await?;
    leases(db, &held, &mut working).await?;
    load_others(db, &needs, &mut working).await?;
    Ok(working)
}

/// What comes after the executions.
async fn load_others(db: &Transaction, needs: &Needs, working: &mut Working) -> Result<(), Error> {
    steps(db, &needs.steps, working).await?;
    sessions(db, needs, working).await?;
    states(db, &needs.execution_states, working).await?;
    artifacts(db, needs, working).await
}

/// Most batches name what they need: the first of it is locked or read, and the time told, by one
/// statement.
async fn load_named(db: &Transaction, needs: &Needs) -> Result<Working, Error> {
    let executions: BTreeSet<ExecutionId> = needs.executions.iter().copied().collect();
    let mut working;
    if !executions.is_empty() {
        let rows = Rows::column(&["id"], executions.iter().map(|id| id.0));
        let lock = format!(
            "{} {}",
            whole_executions(),
            lock_clause(db, LOCK_EXECUTIONS)
        );
        let found;
        (working, found) = with_clock(db, rows, &lock).await?;
        remember_executions(found, &mut working)?;
    } else if !needs.sessions_locked.is_empty() {
        let lock = format!("{} {}", whole_sessions(), lock_clause(db, LOCK_SESSIONS));
        let found;
        (working, found) = with_clock(db, session_rows(&needs.sessions_locked), &lock).await?;
        remember_sessions(found, &mut working)?;
    } else if !needs.sessions.is_empty() {
        let found;
        (working, found) = with_clock(db, session_rows(&needs.sessions), READ_SESSIONS).await?;
        remember_sessions(found, &mut working)?;
    } else {
        working = clock(db).await?;
    }
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
    // SQLite has one writer, so the next number is one more than that of the last row.
    let tx = match backend {
        DbBackend::Postgres => format!("{} + pg_current_xact_id()::text::bigint", era::FLOOR),
        _ => "COALESCE((SELECT tx FROM event ORDER BY rowid DESC LIMIT 1), 0) + 1".to_owned(),
    };
    let now = sql::now_expression(backend);
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

fn lock_clause(db: &Transaction, clause: &'static str) -> &'static str {
    if db.get_database_backend() == DbBackend::Postgres {
        clause
    } else {
        ""
    }
}

pub(super) const KEY_COLUMNS: &[&str] = &[
    "tenant_id",
    "scope",
    "key",
    "execution_id",
    "request_hash",
    "expires_at",
];

pub(super) fn key_cells(claim: &KeyClaim, now: i64) -> Vec<Cell> {
    let expires_at = claim
        .ttl_micros
        .map_or(i64::MAX, |ttl| now.saturating_add(ttl));
    vec![
        claim.tenant_id.as_str().into(),
        (claim.scope as i64).into(),
        claim.key.as_str().into(),
        claim.execution_id.0.into(),
        claim.request_hash.as_str().into(),
        expires_at.into(),
    ]
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
    let mut rows = Rows::of(KEY_COLUMNS);
    for claim in first.values() {
        rows.push(key_cells(claim, working.now));
    }
    let names = KEY_COLUMNS.join(", ");
    let insert = format!(
        "INSERT INTO idempotency ({names}) SELECT {names} FROM x WHERE true \
         ORDER BY tenant_id, scope, key ON CONFLICT (tenant_id, scope, key) DO UPDATE SET \
         execution_id = excluded.execution_id, request_hash = excluded.request_hash, \
         expires_at = excluded.expires_at WHERE idempotency.expires_at <= {} \
         RETURNING execution_id",
        working.now
    );
    let taken: BTreeSet<Uuid> = column(&rows.query(db, &insert).await?, "execution_id")?;
    let mut others = Rows::of(&KEY_COLUMNS[..3]);
    for (name, claim) in first {
        if taken.contains(&claim.execution_id.0) {
            working.keys_taken.insert(name, claim.execution_id);
        } else {
            others.push(key_cells(claim, 0)[..3].to_vec());
        }
    }
    let select = format!(
        "SELECT {} FROM x JOIN idempotency i \
         ON i.tenant_id = x.tenant_id AND i.scope = x.scope AND i.key = x.key",
        columns::<idempotency::Entity>("i")
    );
    for row in others.query(db, &select).await? {
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
        let found = working.executions.get(id);
        found.is_some_and(|tracked| tracked.row.status == ExecutionStatus::Completed)
    });
    let completed: BTreeSet<ExecutionId> = completed.collect();
    let tail = format!(
        "SELECT a.execution_id FROM x JOIN artifact a ON a.execution_id = x.id WHERE a.state = {}",
        ArtifactState::Deleted.code()
    );
    let rows = Rows::column(&["id"], completed.iter().map(|id| id.0));
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

fn column<T: sea_orm::TryGetable + Ord>(
    rows: &[QueryResult],
    name: &str,
) -> Result<BTreeSet<T>, Error> {
    rows.iter().map(|row| get(row, name)).collect()
}

/// Takes rows of the queues.
async fn pick(db: &Transaction, needs: &Needs, working: &mut Working) -> Result<(), Error> {
    if let Some((queue, slots, turn)) = &needs.claim {
        working.claimed = claim(db, queue, *slots, *turn).await?;
    }
    if let Some(limit) = needs.timers {
        working.fired = due_timers(db, limit, working.now).await?;
    }
    if let Some(limit) = needs.lost {
        working.lost = lost(db, working.now, limit, None).await?;
    }
    working.stranded.clone_from(&needs.stranded);
    if let Some(limit) = needs.overdue_sessions {
        let text = "SELECT id FROM session WHERE status IN (0, 1) AND expires_at <= $1 LIMIT $2";
        let rows = sql::query(db, text, [working.now.into(), limit_value(limit)]).await?;
        let ids: BTreeSet<Uuid> = column(&rows, "id")?;
        working.overdue_sessions = ids.into_iter().map(SessionId).collect();
    }
    Ok(())
}

fn limit_value(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

/// Takes up to `slots` rows of `ready`, each tenant in turn.
async fn claim(
    db: &Transaction,
    queue: &str,
    slots: usize,
    turn: usize,
) -> Result<Vec<ExecutionId>, Error> {
    let mut tenants = waiting_tenants(db, queue).await?;
    if tenants.is_empty() {
        return Ok(Vec::new());
    }
    let first = turn % tenants.len();
    tenants.rotate_left(first);
    let mut picked = Vec::new();
    while picked.len() < slots && !tenants.is_empty() {
        let share = (slots - picked.len()).div_ceil(tenants.len());
        let mut more = Vec::new();
        for tenant in tenants {
            let wanted = share.min(slots - picked.len());
            if wanted == 0 {
                break;
            }
            let mut taken = claim_of(db, queue, &tenant, wanted).await?;
            if taken.len() == wanted {
                more.push(tenant);
            }
            picked.append(&mut taken);
        }
        tenants = more;
    }
    Ok(picked)
}

/// The tenants with something to run, by hops over the index.
async fn waiting_tenants(db: &Transaction, queue: &str) -> Result<Vec<String>, Error> {
    let text = "WITH RECURSIVE t(tenant_id) AS ( \
         SELECT * FROM (SELECT tenant_id FROM ready WHERE queue = $1 ORDER BY tenant_id LIMIT 1) f \
         UNION ALL SELECT (SELECT r.tenant_id FROM ready r WHERE r.queue = $1 \
         AND r.tenant_id > t.tenant_id ORDER BY r.tenant_id LIMIT 1) \
         FROM t WHERE t.tenant_id IS NOT NULL) \
         SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL LIMIT $2";
    let rows = sql::query(db, text, [queue.into(), limit_value(TENANTS_PER_CLAIM)]).await?;
    rows.iter().map(|row| get(row, "tenant_id")).collect()
}

async fn claim_of(
    db: &Transaction,
    queue: &str,
    tenant: &str,
    limit: usize,
) -> Result<Vec<ExecutionId>, Error> {
    let text = format!(
        "WITH picked AS MATERIALIZED (SELECT execution_id FROM ready \
         WHERE queue = $1 AND tenant_id = $2 ORDER BY priority, ready_at, execution_id \
         LIMIT $3 {}) \
         DELETE FROM ready WHERE execution_id IN (SELECT execution_id FROM picked) \
         RETURNING execution_id",
        lock_clause(db, "FOR UPDATE SKIP LOCKED")
    );
    let rows = sql::query(db, &text, [queue.into(), tenant.into(), limit_value(limit)]).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(get(row, "execution_id")?)))
        .collect()
}

async fn due_timers(
    db: &Transaction,
    limit: usize,
    now: i64,
) -> Result<Vec<(ExecutionId, i64, String)>, Error> {
    let text = format!(
        "WITH due AS MATERIALIZED (SELECT execution_id, kind FROM timer WHERE fire_at <= $1 \
         ORDER BY fire_at LIMIT $2 {}) \
         DELETE FROM timer WHERE (execution_id, kind) IN (SELECT execution_id, kind FROM due) \
         RETURNING execution_id, kind, queue",
        lock_clause(db, "FOR UPDATE SKIP LOCKED")
    );
    let rows = sql::query(db, &text, [now.into(), limit_value(limit)]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                ExecutionId(get(row, "execution_id")?),
                get(row, "kind")?,
                get(row, "queue")?,
            ))
        })
        .collect()
}

/// Executions that dead incarnations hold; only among `within` when given.
async fn lost(
    db: &Transaction,
    now: i64,
    limit: usize,
    within: Option<&[ExecutionId]>,
) -> Result<Vec<ExecutionId>, Error> {
    let from = "lease l LEFT JOIN node n ON n.id = l.node_id";
    let dead = format!("(n.id IS NULL OR n.expires_at <= {now})");
    let rows = match within {
        None => {
            let text = format!("SELECT l.execution_id FROM {from} WHERE {dead} LIMIT $1");
            sql::query(db, &text, [limit_value(limit)]).await?
        }
        Some(ids) => {
            let tail = format!(
                "SELECT l.execution_id FROM x JOIN {} WHERE {dead}",
                from.replacen("lease l", "lease l ON l.execution_id = x.id", 1)
            );
            id_rows(ids).query(db, &tail).await?
        }
    };
    rows.iter()
        .map(|row| Ok(ExecutionId(get(row, "execution_id")?)))
        .collect()
}

/// Those that are live and have no place.
async fn stranded(db: &Transaction, among: &[ExecutionId]) -> Result<Vec<ExecutionId>, Error> {
    let tail = format!("SELECT e.id FROM x JOIN execution e ON e.id = x.id WHERE {STRANDED}");
    let rows = id_rows(among).query(db, &tail).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(get(row, "id")?)))
        .collect()
}

fn id_rows(ids: &[ExecutionId]) -> Rows {
    Rows::column(&["id"], ids.iter().map(|id| id.0))
}

fn whole_executions() -> String {
    let columns = columns::<execution::Entity>("e");
    format!("SELECT {columns} FROM x JOIN execution e ON e.id = x.id")
}

const LOCK_EXECUTIONS: &str = "ORDER BY e.id FOR UPDATE OF e";

async fn lock_executions(
    db: &Transaction,
    ids: &BTreeSet<ExecutionId>,
    working: &mut Working,
) -> Result<(), Error> {
    let clause = lock_clause(db, LOCK_EXECUTIONS);
    let rows = Rows::column(&["id"], ids.iter().map(|id| id.0))
        .query(db, &format!("{} {clause}", whole_executions()))
        .await?;
    remember_executions(rows, working)
}

/// Locks those that nobody else has locked, without waiting.
async fn lock_more(
    db: &Transaction,
    ids: &BTreeSet<ExecutionId>,
    working: &mut Working,
) -> Result<(), Error> {
    let clause = lock_clause(db, "FOR UPDATE OF e SKIP LOCKED");
    let rows = Rows::column(&["id"], ids.iter().map(|id| id.0))
        .query(db, &format!("{} {clause}", whole_executions()))
        .await?;
    remember_executions(rows, working)
}

fn remember_executions(rows: Vec<QueryResult>, working: &mut Working) -> Result<(), Error> {
    for row in rows {
        let execution = Execution::try_from(execution::Model::from_query_result(&row, "")?)?;
        working
            .executions
            .insert(execution.id, Tracked::loaded(execution));
    }
    Ok(())
}

/// What cancellations reach, before anything is locked: it is locked together with all other
/// executions, in one order.
async fn families(db: &Transaction, needs: &Needs) -> Result<BTreeSet<ExecutionId>, Error> {
    let mut found = BTreeSet::new();
    for (root, scope) in &needs.cancel {
        found.extend(live_family(db, *root, scope.tenant()).await?);
    }
    Ok(found)
}

/// Looks again once the families are locked: a child may have been submitted until its parent was.
/// To wait for its row now would be out of order, so who cannot have it at once begins anew.
async fn cancel_targets(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
    held: &mut Vec<ExecutionId>,
) -> Result<(), Error> {
    for (root, scope) in &needs.cancel {
        loop {
            let family = live_family(db, *root, scope.tenant()).await?;
            let missing: BTreeSet<ExecutionId> = family
                .iter()
                .filter(|id| !working.executions.contains_key(id))
                .copied()
                .collect();
            if missing.is_empty() {
                held.extend(&family);
                let below = family.into_iter().filter(|id| id != root).collect();
                working.descendants.insert(*root, below);
                break;
            }
            lock_more(db, &missing, working).await?;
            if missing
                .iter()
                .any(|id| !working.executions.contains_key(id))
            {
                working.must_begin_anew = true;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The execution itself, whatever its status, and its live descendants.
async fn live_family(
    db: &Transaction,
    root: ExecutionId,
    tenant: &TenantId,
) -> Result<Vec<ExecutionId>, Error> {
    let text = "WITH RECURSIVE d(id) AS ( \
         SELECT id FROM execution WHERE id = $1 AND tenant_id = $2 \
         UNION SELECT e.id FROM execution e JOIN d ON e.parent_id = d.id) \
         SELECT e.id FROM d JOIN execution e ON e.id = d.id \
         WHERE e.status IN (0, 1) OR e.id = $1 ORDER BY e.id";
    let rows = sql::query(db, text, [root.0.into(), tenant.as_str().into()]).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(get(row, "id")?)))
        .collect()
}

/// What was picked without a lock may have moved before its row was locked.
async fn recheck(db: &Transaction, working: &mut Working) -> Result<(), Error> {
    if !working.lost.is_empty() {
        working.lost = lost(db, working.now, usize::MAX, Some(&working.lost)).await?;
    }
    if !working.stranded.is_empty() {
        working.stranded = stranded(db, &working.stranded).await?;
    }
    Ok(())
}

async fn leases(db: &Transaction, ids: &[ExecutionId], working: &mut Working) -> Result<(), Error> {
    let tail = "SELECT l.execution_id, l.node_id FROM x JOIN lease l ON l.execution_id = x.id";
    for row in id_rows(ids).query(db, tail).await? {
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
    let tail = "SELECT s.execution_id, s.name FROM x JOIN step s \
                ON s.execution_id = x.id AND s.name = x.name";
    for row in rows.query(db, tail).await? {
        working
            .steps
            .insert((ExecutionId(get(&row, "execution_id")?), get(&row, "name")?));
    }
    Ok(())
}

fn session_rows<'a>(ids: impl IntoIterator<Item = &'a SessionId>) -> Rows {
    let ids: BTreeSet<SessionId> = ids.into_iter().copied().collect();
    Rows::column(&["id"], ids.iter().map(|id| id.0))
}

fn whole_sessions() -> String {
    let columns = columns::<session::Entity>("s");
    format!("SELECT {columns} FROM x JOIN session s ON s.id = x.id")
}

const LOCK_SESSIONS: &str = "ORDER BY s.id FOR UPDATE OF s";

/// Those that are not there yet; first the ones to be locked.
async fn sessions(db: &Transaction, needs: &Needs, working: &mut Working) -> Result<(), Error> {
    let lock = format!("{} {}", whole_sessions(), lock_clause(db, LOCK_SESSIONS));
    let overdue = working.overdue_sessions.clone();
    let locked = needs.sessions_locked.iter().chain(&overdue);
    let missing = locked.filter(|id| !working.sessions.contains_key(id));
    let found = session_rows(missing).query(db, &lock).await?;
    remember_sessions(found, working)?;
    let missing = needs.sessions.iter();
    let missing = missing.filter(|id| !working.sessions.contains_key(id));
    let found = session_rows(missing).query(db, READ_SESSIONS).await?;
    remember_sessions(found, working)
}

/// What is only looked at comes without its state, which may be large.
const READ_SESSIONS: &str = "SELECT s.id, s.tenant_id, s.user_id, s.solution_id, s.is_anonymous, \
     s.status, '{}' AS metadata, '{}' AS state, s.state_version, s.next_seq, s.created_at, \
     s.updated_at, s.expires_at FROM x JOIN session s ON s.id = x.id";

fn remember_sessions(rows: Vec<QueryResult>, working: &mut Working) -> Result<(), Error> {
    for row in rows {
        let next_seq = get(&row, "next_seq")?;
        let session = Session::try_from(session::Model::from_query_result(&row, "")?)?;
        let row = SessionRow { session, next_seq };
        working
            .sessions
            .insert(row.session.id, Tracked::loaded(row));
    }
    Ok(())
}

async fn states(db: &Transaction, ids: &[ExecutionId], working: &mut Working) -> Result<(), Error> {
    // The execution's own lock guards its state.
    let tail = format!(
        "SELECT {} FROM x JOIN execution_state s ON s.execution_id = x.id",
        columns::<execution_state::Entity>("s")
    );
    for row in id_rows(ids).query(db, &tail).await? {
        let tenant: String = get(&row, "tenant_id")?;
        let state = StateRow {
            tenant_id: TenantId::stored(&tenant),
            state: RawJson::trusted(get(&row, "state")?),
            version: get(&row, "version")?,
        };
        working.states.insert(
            ExecutionId(get(&row, "execution_id")?),
            Tracked::loaded(state),
        );
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
        let tail = format!(
            "SELECT {} FROM x JOIN artifact a ON a.id = x.id {clause}",
            columns::<artifact::Entity>("a")
        );
        for row in Rows::column(&["id"], ids.iter().map(|id| id.0))
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
            working
                .artifacts
                .insert(row.artifact.id, Tracked::loaded(row));
        }
    }
    Ok(())
}
