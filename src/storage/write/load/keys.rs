//! Keys: taken if they are free, and else with who holds them.

use std::collections::{BTreeMap, BTreeSet};

use entity::idempotency;
use sea_orm::QueryResult;
use uuid::Uuid;

use super::{
    super::{
        super::{Error, db::Transaction, sql},
        keys::{KeyClaim, KeyHolder, KeyName, KeyScope},
        working::Working,
    },
    rows::column,
};
use crate::model::{ArtifactState, ExecutionId, ExecutionStatus, TenantId};
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
        _ => KeyScope::Child,
    }
}
