//! Rows that operations take without naming them: those of the queues, and what dead nodes hold.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Value};

use super::{
    super::{
        super::{
            Error,
            db::Transaction,
            node::is_alive,
            places::{LeaseHolder, PARKED_QUEUE, TimerKind, accepts_writes, is_stranded},
            sql,
        },
        lifecycle::FIRST_ROOT,
        operation::Needs,
        queue::{Claimed, Wanted},
        rows::Lost,
        shares::Turn,
        working::Working,
    },
    rows::{id_rows, lock_clause},
};
use crate::model::{ExecutionId, SessionId, SessionKey, TenantId};
use sql::{Rows, get};

/// A claim looks at so many tenants at least, and at so many at most.
const TENANTS_PER_CLAIM: std::ops::RangeInclusive<usize> = 16..=256;

/// Takes rows of the queues.
pub(super) async fn pick(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    for wanted in &needs.claims {
        let claimed = claim(db, wanted).await?;
        working.claimed.insert(wanted.queue.clone(), claimed);
    }
    if let Some(limit) = needs.timers {
        working.fired = due_timers(db, limit, working.now).await?;
    }
    let mut parked = parked(db, &needs.parked).await?;
    working.fired.append(&mut parked);
    if let Some(limit) = needs.lost {
        working.lost = lost(db, working.now, limit, None).await?;
    }
    working.stranded.clone_from(&needs.stranded);
    if let Some(limit) = needs.overdue_sessions {
        working.overdue_sessions = overdue_sessions(db, limit, working.now).await?;
    }
    Ok(())
}

async fn overdue_sessions(
    db: &Transaction,
    limit: usize,
    now: i64,
) -> Result<Vec<SessionKey>, Error> {
    let accepts_writes = accepts_writes();
    let text = format!(
        "SELECT id, tenant_id FROM session WHERE {accepts_writes} AND expires_at <= $1 LIMIT $2"
    );
    let rows = sql::query(db, &text, [now.into(), limit_value(limit)]).await?;
    let keys = rows.iter().map(|row| {
        Ok(SessionKey {
            id: SessionId(get(row, "id")?),
            tenant_id: TenantId::stored(&get::<String>(row, "tenant_id")?),
        })
    });
    keys.collect()
}

/// Looks again at executions that were picked without a lock: they may have moved before their rows
/// were locked.
pub(super) async fn recheck(db: &Transaction, working: &mut Working) -> Result<(), Error> {
    if !working.lost.is_empty() {
        let ids: Vec<ExecutionId> = working.lost.iter().map(|lost| lost.id).collect();
        working.lost = lost(db, working.now, usize::MAX, Some(&ids)).await?;
    }
    if !working.stranded.is_empty() {
        working.stranded = stranded(db, &working.stranded).await?;
    }
    Ok(())
}

fn limit_value(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

/// Takes rows of `ready`: the tenants in turn, each its share.
async fn claim(db: &Transaction, wanted: &Wanted) -> Result<Claimed, Error> {
    let most = wanted
        .slots
        .clamp(*TENANTS_PER_CLAIM.start(), *TENANTS_PER_CLAIM.end());
    let tenants = waiting_tenants(db, &wanted.queue, wanted.after.as_ref(), most).await?;
    let mut turn = Turn::new(tenants, most, &wanted.shares);
    let mut picked = Vec::new();
    if wanted.roots < wanted.slots {
        take(
            db,
            &wanted.queue,
            &mut turn,
            wanted.slots,
            true,
            &mut picked,
        )
        .await?;
        turn.begin_again();
    }
    let roots = wanted.roots.min(wanted.slots - picked.len());
    let before = picked.len();
    take(db, &wanted.queue, &mut turn, roots, false, &mut picked).await?;
    let free = wanted.slots - picked.len();
    Ok(Claimed {
        more_wait: turn.more_wait() || (picked.len() - before == roots && roots < wanted.slots),
        go_on: free > 0 && roots > picked.len() - before && turn.is_cut(),
        last: turn.last(),
        picked,
    })
}

/// Takes up to `slots` rows, of children alone if so asked, until no tenant has more or may have more.
async fn take(
    db: &Transaction,
    queue: &str,
    turn: &mut Turn<'_>,
    slots: usize,
    children: bool,
    picked: &mut Vec<ExecutionId>,
) -> Result<(), Error> {
    let mut left = slots;
    while left > 0 {
        let wants = turn.split(left);
        if wants.is_empty() {
            return Ok(());
        }
        let taken = claim_of(db, queue, &wants, children).await?;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (tenant, id) in &taken {
            *counts.entry(tenant).or_default() += 1;
            picked.push(*id);
        }
        left -= taken.len();
        for (tenant, wanted) in &wants {
            let count = counts.get(tenant.as_str()).copied().unwrap_or(0);
            turn.took(tenant, count, count < *wanted);
        }
    }
    Ok(())
}

/// The tenants with something to run, `most` of them, from the one after `after` round to it; by
/// hops over the index.
async fn waiting_tenants(
    db: &Transaction,
    queue: &str,
    after: Option<&TenantId>,
    most: usize,
) -> Result<Vec<TenantId>, Error> {
    let text = "WITH RECURSIVE t(tenant_id) AS ( \
         SELECT * FROM (SELECT tenant_id FROM ready WHERE queue = $1 AND tenant_id > $2 \
         ORDER BY tenant_id LIMIT 1) f \
         UNION ALL SELECT (SELECT r.tenant_id FROM ready r WHERE r.queue = $1 \
         AND r.tenant_id > t.tenant_id ORDER BY r.tenant_id LIMIT 1) \
         FROM t WHERE t.tenant_id IS NOT NULL) \
         SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL LIMIT $3";
    let mut tenants = Vec::new();
    let start = after.map_or("", TenantId::as_str);
    for from in [start, ""] {
        let rest = limit_value(most - tenants.len());
        for row in sql::query(db, text, [queue.into(), from.into(), rest]).await? {
            let tenant: String = get(&row, "tenant_id")?;
            if from.is_empty() && !start.is_empty() && tenant.as_str() > start {
                break;
            }
            tenants.push(TenantId::stored(&tenant));
        }
        if from.is_empty() || tenants.len() == most {
            break;
        }
    }
    Ok(tenants)
}

/// Takes of each tenant up to as many as are wanted of it.
async fn claim_of(
    db: &Transaction,
    queue: &str,
    wants: &[(TenantId, usize)],
    children: bool,
) -> Result<Vec<(String, ExecutionId)>, Error> {
    let only = if children {
        format!("AND priority < {FIRST_ROOT}")
    } else {
        String::new()
    };
    let mut taken = Vec::new();
    if db.get_database_backend() == DbBackend::Postgres {
        let mut rows = Rows::of(&["tenant_id", "wanted"]);
        for (tenant, wanted) in wants {
            let wanted = i64::try_from(*wanted).unwrap_or(i64::MAX);
            rows.push(vec![tenant.as_str().into(), wanted.into()]);
        }
        let tail = format!(
            ", picked AS MATERIALIZED (SELECT r.execution_id FROM x CROSS JOIN LATERAL \
             (SELECT execution_id FROM ready WHERE queue = '{queue}' \
             AND tenant_id = x.tenant_id {only} ORDER BY priority, ready_at, execution_id \
             LIMIT x.wanted FOR UPDATE SKIP LOCKED) r) \
             DELETE FROM ready WHERE execution_id IN (SELECT execution_id FROM picked) \
             RETURNING tenant_id, execution_id"
        );
        for row in rows.query(db, &tail).await? {
            taken.push(claimed_row(&row)?);
        }
        return Ok(taken);
    }
    let text = format!(
        "DELETE FROM ready WHERE execution_id IN (SELECT execution_id FROM ready \
         WHERE queue = $1 AND tenant_id = $2 {only} ORDER BY priority, ready_at, execution_id \
         LIMIT $3) RETURNING tenant_id, execution_id"
    );
    for (tenant, wanted) in wants {
        let values = [queue.into(), tenant.as_str().into(), limit_value(*wanted)];
        for row in sql::query(db, &text, values).await? {
            taken.push(claimed_row(&row)?);
        }
    }
    Ok(taken)
}

fn claimed_row(row: &QueryResult) -> Result<(String, ExecutionId), Error> {
    Ok((
        get(row, "tenant_id")?,
        ExecutionId(get(row, "execution_id")?),
    ))
}

async fn due_timers(
    db: &Transaction,
    limit: usize,
    now: i64,
) -> Result<Vec<(ExecutionId, i64)>, Error> {
    let text = format!(
        "WITH due AS MATERIALIZED (SELECT execution_id, kind FROM timer WHERE fire_at <= $1 \
         ORDER BY fire_at LIMIT $2 {}) \
         DELETE FROM timer WHERE (execution_id, kind) IN (SELECT execution_id, kind FROM due) \
         RETURNING execution_id, kind",
        lock_clause(db, "FOR UPDATE SKIP LOCKED")
    );
    let rows = sql::query(db, &text, [now.into(), limit_value(limit)]).await?;
    rows.iter().map(fired).collect()
}

fn fired(row: &QueryResult) -> Result<(ExecutionId, i64), Error> {
    Ok((ExecutionId(get(row, "execution_id")?), get(row, "kind")?))
}

/// Those among `ids` that are parked.
async fn parked(db: &Transaction, ids: &[ExecutionId]) -> Result<Vec<(ExecutionId, i64)>, Error> {
    let retry = TimerKind::Retry.code();
    let join = sql::join(db);
    let tail = format!(
        ", due AS MATERIALIZED (SELECT t.execution_id FROM x {join} timer t \
         ON t.execution_id = x.id AND t.kind = {retry} WHERE t.queue = '{PARKED_QUEUE}' {}) \
         DELETE FROM timer WHERE kind = {retry} AND execution_id IN (SELECT execution_id FROM due) \
         RETURNING execution_id, kind",
        lock_clause(db, "FOR UPDATE OF t SKIP LOCKED")
    );
    let ids: BTreeSet<ExecutionId> = ids.iter().copied().collect();
    let ids: Vec<ExecutionId> = ids.into_iter().collect();
    let rows = id_rows(&ids).query(db, &tail).await?;
    rows.iter().map(fired).collect()
}

/// Executions that dead incarnations hold; only among `within` when given. An incarnation that gave
/// up its lease itself has no row any more: its process lived on.
async fn lost(
    db: &Transaction,
    now: i64,
    limit: usize,
    within: Option<&[ExecutionId]>,
) -> Result<Vec<Lost>, Error> {
    let select = "SELECT l.execution_id, l.alone, n.id IS NOT NULL AS process_gone";
    let node = "LEFT JOIN node n ON n.id = l.node_id";
    let alive = is_alive(db.get_database_backend(), &now.to_string());
    let by_node = LeaseHolder::Node.code();
    let dead = format!("l.holder = {by_node} AND (n.id IS NULL OR NOT n.{alive})");
    let rows = match within {
        None => {
            let text = format!("{select} FROM lease l {node} WHERE {dead} LIMIT $1");
            sql::query(db, &text, [limit_value(limit)]).await?
        }
        Some(ids) => {
            let join = sql::join(db);
            let tail = format!(
                "{select} FROM x {join} lease l ON l.execution_id = x.id {node} WHERE {dead}"
            );
            id_rows(ids).query(db, &tail).await?
        }
    };
    rows.iter()
        .map(|row| {
            Ok(Lost {
                id: ExecutionId(get(row, "execution_id")?),
                process_gone: get(row, "process_gone")?,
                was_alone: get(row, "alone")?,
            })
        })
        .collect()
}

/// Those that are live and have no place.
async fn stranded(db: &Transaction, among: &[ExecutionId]) -> Result<Vec<ExecutionId>, Error> {
    let is_stranded = is_stranded();
    let join = sql::join(db);
    let tail = format!("SELECT e.id FROM x {join} execution e ON e.id = x.id WHERE {is_stranded}");
    let rows = id_rows(among).query(db, &tail).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(get(row, "id")?)))
        .collect()
}
