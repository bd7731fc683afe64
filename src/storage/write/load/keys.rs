//! Keys: taken if they are free, and else with who holds them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    super::{Error, db::Transaction, sql},
    keys::{KeyClaim, KeyHolder, KeyName, KeyScope},
    working::Working,
};
use crate::model::{ArtifactState, ExecutionId, ExecutionStatus, TenantId};
use entity::idempotency;
use sea_orm::QueryResult;
use sql::{Rows, columns, get};

/// Takes the free keys and finds out who holds the others. Of several operations that name the same
/// key the first one takes it; who follows is decided after it.
pub(super) async fn load(
    db: &Transaction,
    claims: &[KeyClaim],
    working: &mut Working,
) -> Result<(), Error> {
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
         RETURNING tenant_id, scope, key",
        working.now
    );
    let taken = rows.query(db, &insert).await?;
    let taken: BTreeSet<KeyName> = taken.iter().map(name_of).collect::<Result<_, _>>()?;
    let mut others = Vec::new();
    for (name, claim) in first {
        if taken.contains(&name) {
            working.keys_taken.insert(name, claim.clone());
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

fn name_of(row: &QueryResult) -> Result<KeyName, Error> {
    let tenant: String = get(row, "tenant_id")?;
    let scope = scope_of(get(row, "scope")?);
    Ok((TenantId::stored(&tenant), scope, get(row, "key")?))
}

fn remember_holder(row: &QueryResult, working: &mut Working) -> Result<(), Error> {
    let holder = KeyHolder {
        execution_id: ExecutionId(get(row, "execution_id")?),
        request_hash: get(row, "request_hash")?,
    };
    working.keys.insert(name_of(row)?, holder);
    Ok(())
}

/// Finds out which of the ids that callers chose name something that is there, whatever it is and whose.
pub(super) async fn find_taken_ids(
    db: &Transaction,
    chosen: &[ExecutionId],
    working: &mut Working,
) -> Result<(), Error> {
    let chosen: BTreeSet<ExecutionId> = chosen.iter().copied().collect();
    // Whatever has a stream has its first entry; a stream is removed as a whole.
    let tail = format!(
        "SELECT e.stream_id FROM x {} event e ON e.stream_id = x.id AND e.seq = 1",
        sql::join(db)
    );
    let rows = Rows::column("id", chosen.iter().map(|id| id.0));
    for row in rows.query(db, &tail).await? {
        working
            .taken_ids
            .insert(ExecutionId(get(&row, "stream_id")?));
    }
    Ok(())
}

/// Finds the completed executions that hold a fingerprint and lost an artifact since.
pub(super) async fn find_worn(db: &Transaction, working: &mut Working) -> Result<(), Error> {
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
        2 => KeyScope::Child,
        4 => KeyScope::Chosen,
        5 => KeyScope::Operation,
        _ => KeyScope::Schedule,
    }
}
