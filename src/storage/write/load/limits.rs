//! Limits: the guards of what operations may change are locked, then places are counted.
//!
//! All places of a bucket are guarded by one row of `limit_guard`: that of its tenant and intent type, or, where all
//! tenants share it, that of the type alone. Guards are locked after everything else, those of tenants before those of
//! types. Whoever holds one may change the places of executions that wait below it, which are not locked themselves.
//! What guards the number of a tenant's webhooks, or of its bulk operations, is locked where these are counted.

use std::collections::{BTreeMap, BTreeSet};

use entity::limit_place;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult};

use super::{
    super::{
        super::{Error, db::Transaction, places::PlaceState, sql},
        operation::Needs,
        working::Working,
    },
    next_places::waiting,
};
use crate::model::{Execution, ExecutionId};
use sql::{Rows, columns, get};

/// Of `execution.limits`: it is under limits of its tenant's.
pub(in crate::storage) const OWN: i64 = 1;
/// It is under limits that all tenants share.
pub(in crate::storage) const SHARED: i64 = 2;

/// The name of a guard: true for those of types, which come last; the tenant, or nothing; the type.
type Guard = (bool, String, String);

/// The places of a bucket that may become free.
#[derive(Debug, Clone, Default)]
pub(super) struct Free {
    pub(super) places: i64,
    pub(super) is_shared: bool,
    /// Whose they are; where all tenants share the bucket, one that leaves a place.
    pub(super) tenant: String,
}

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    let ids = limited(needs, working);
    if ids.is_empty() && needs.limits.is_empty() {
        return Ok(());
    }
    // Boxed, for few transactions need the room.
    Box::pin(load_limited(db, needs, ids, working)).await
}

async fn load_limited(
    db: &Transaction,
    needs: &Needs,
    ids: BTreeSet<ExecutionId>,
    working: &mut Working,
) -> Result<(), Error> {
    let mut guards = BTreeSet::new();
    for execution in ids.iter().filter_map(|id| working.executions.see(id)) {
        guards.extend(guards_of(execution));
    }
    for new in &needs.limits {
        guards.extend(new.limits.iter().map(|limit| {
            let tenant = if limit.is_shared {
                ""
            } else {
                new.tenant.as_str()
            };
            (limit.is_shared, tenant.to_owned(), new.intent_type.clone())
        }));
    }
    lock(db, &guards).await?;
    let resized = resize(db, needs).await?;
    let rows = Rows::column("id", ids.iter().map(|id| id.0));
    remember(&rows.query(db, &places_of(db)).await?, working)?;
    // Whoever is loaded may leave a place.
    let mut leaving = resized.clone();
    for row in working.limits.all().filter(|row| row.per_micros.is_none()) {
        let free = leaving.entry(row.bucket.clone()).or_default();
        free.places += 1;
        free.is_shared = row.is_shared;
        free.tenant.clone_from(&row.tenant_id);
    }
    waiting(db, &leaving, working).await?;
    // Who waits below the guard of a tenant may come to that of a type.
    if working.limits.all().any(|row| row.is_shared) {
        let types = guards.iter().map(|(_, _, name)| name);
        let shared = types.map(|name| (true, String::new(), name.clone()));
        let shared: BTreeSet<Guard> = shared.filter(|guard| !guards.contains(guard)).collect();
        lock(db, &shared).await?;
    }
    let own = working.limits.all();
    let own = own.map(|row| (row.per_micros.is_some(), row.bucket.clone()));
    let new = needs.limits.iter().flat_map(|new| &new.limits);
    let new = new.map(|limit| (limit.per_micros.is_some(), limit.bucket.clone()));
    let (rates, buckets): (BTreeSet<_>, BTreeSet<_>) =
        own.chain(new).partition(|(is_rate, _)| *is_rate);
    count(db, &buckets, working).await?;
    tokens(db, &rates, working).await?;
    for bucket in resized.keys() {
        working.fill(bucket);
    }
    Ok(())
}

/// Lets what waits know of another number of places, as new executions are told it: a configuration has changed it.
/// Returns the buckets with their numbers.
async fn resize(db: &Transaction, needs: &Needs) -> Result<BTreeMap<String, Free>, Error> {
    let mut new = BTreeMap::new();
    for of_one in &needs.limits {
        let limits = of_one.limits.iter();
        for limit in limits.filter(|limit| limit.per_micros.is_none()) {
            let free = Free {
                places: limit.most,
                is_shared: limit.is_shared,
                tenant: of_one.tenant.to_string(),
            };
            new.insert(limit.bucket.clone(), free);
        }
    }
    let mut rows = Rows::of(&["bucket", "most"]);
    for (bucket, free) in &new {
        rows.push(vec![bucket.as_str().into(), free.places.into()]);
    }
    let tail = format!(
        "SELECT x.bucket, x.most FROM x WHERE x.most <> (SELECT w.most FROM limit_place w \
         WHERE w.bucket = x.bucket AND w.state = {} LIMIT 1)",
        PlaceState::Waiting.code()
    );
    let mut resized = BTreeMap::new();
    for row in rows.query(db, &tail).await? {
        resized.extend(new.remove_entry(&get::<String>(&row, "bucket")?));
    }
    let mut rows = Rows::of(&["bucket", "most"]);
    for (bucket, free) in &resized {
        rows.push(vec![bucket.as_str().into(), free.places.into()]);
    }
    let tail = format!(
        "UPDATE limit_place SET most = x.most FROM x \
         WHERE limit_place.bucket = x.bucket AND limit_place.state = {}",
        PlaceState::Waiting.code()
    );
    rows.query(db, &tail).await?;
    Ok(resized)
}

/// The loaded executions that may leave their places or come to their limits.
fn limited(needs: &Needs, working: &Working) -> BTreeSet<ExecutionId> {
    let mut ids: BTreeSet<ExecutionId> = needs.ending.iter().copied().collect();
    ids.extend(needs.cancel.iter().map(|(id, _)| *id));
    ids.extend(&needs.cancel_below);
    ids.extend(working.descendants.values().flatten());
    ids.extend(working.fired.iter().map(|(id, _)| *id));
    ids.extend(working.lost.iter().map(|lost| lost.id));
    ids.extend(&working.stranded);
    let claimed = working.claimed.values().flat_map(|claimed| &claimed.picked);
    let ends = |id: &&ExecutionId| {
        let found = working.executions.see(id);
        working.marks.contains_key(id)
            || found.is_some_and(|row| {
                row.status.is_terminal()
                    || row.cancel_requested_at.is_some()
                    || row.deadline_at.is_some_and(|at| at <= working.now)
            })
    };
    ids.extend(claimed.filter(ends));
    ids.retain(|id| {
        let found = working.executions.see(id);
        found.is_some_and(|row| row.limits != 0)
    });
    ids
}

fn guards_of(execution: &Execution) -> impl Iterator<Item = Guard> {
    let (tenant, intent_type) = (&execution.intent.tenant_id, &execution.intent.intent_type);
    let own = (false, tenant.to_string(), intent_type.clone());
    let shared = (true, String::new(), intent_type.clone());
    let own = (execution.limits & OWN != 0).then_some(own);
    let shared = (execution.limits & SHARED != 0).then_some(shared);
    own.into_iter().chain(shared)
}

/// Locks guards, which are made when they are first needed. SQLite has one writer.
async fn lock(db: &Transaction, guards: &BTreeSet<Guard>) -> Result<(), Error> {
    if guards.is_empty() || db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let mut rows = Rows::of(&["is_shared", "tenant_id", "intent_type"]);
    for (is_shared, tenant, intent_type) in guards {
        rows.push(vec![
            (*is_shared).into(),
            tenant.as_str().into(),
            intent_type.as_str().into(),
        ]);
    }
    let lock = "SELECT g.intent_type FROM x JOIN limit_guard g \
         ON g.tenant_id = x.tenant_id AND g.intent_type = x.intent_type \
         ORDER BY x.is_shared, x.tenant_id, x.intent_type FOR UPDATE OF g";
    let found = rows.clone().query(db, lock).await?;
    if found.len() == guards.len() {
        return Ok(());
    }
    let make = "INSERT INTO limit_guard (tenant_id, intent_type) \
         SELECT tenant_id, intent_type FROM x ORDER BY is_shared, tenant_id, intent_type \
         ON CONFLICT DO NOTHING";
    rows.clone().query(db, make).await?;
    rows.query(db, lock).await?;
    Ok(())
}

/// Locks what guards the number of some rows of each of these tenants, so that whoever makes one more counts those that
/// another transaction has made. `what` has a sign that no intent type has.
pub(super) async fn lock_numbers(
    db: &Transaction,
    what: &str,
    tenants: &BTreeSet<&str>,
) -> Result<(), Error> {
    let guard = |tenant: &&str| (false, (*tenant).to_owned(), what.to_owned());
    lock(db, &tenants.iter().map(guard).collect()).await
}

/// What is loaded of executions in `x`: all their places.
pub(super) fn places_of(db: &Transaction) -> String {
    format!(
        "SELECT {} FROM x {} limit_place p ON p.execution_id = x.id",
        columns::<limit_place::Entity>("p"),
        sql::join(db)
    )
}

pub(super) fn remember(rows: &[QueryResult], working: &mut Working) -> Result<(), Error> {
    for row in rows {
        working
            .limits
            .load(limit_place::Model::from_query_result(row, "")?);
    }
    Ok(())
}

async fn count(
    db: &Transaction,
    buckets: &BTreeSet<(bool, String)>,
    working: &mut Working,
) -> Result<(), Error> {
    let tail = format!(
        "SELECT x.bucket, (SELECT COUNT(*) FROM limit_place h WHERE h.bucket = x.bucket \
         AND h.state = {}) AS held FROM x",
        PlaceState::Held.code()
    );
    let rows = Rows::column("bucket", buckets.iter().map(|(_, bucket)| bucket.as_str()));
    for row in rows.query(db, &tail).await? {
        let bucket: String = get(&row, "bucket")?;
        let bucket = working.limits.buckets.entry(bucket).or_default();
        bucket.held = get(&row, "held")?;
    }
    Ok(())
}

async fn tokens(
    db: &Transaction,
    buckets: &BTreeSet<(bool, String)>,
    working: &mut Working,
) -> Result<(), Error> {
    let tail = format!(
        "SELECT r.bucket, r.next_at FROM x {} limit_rate r ON r.bucket = x.bucket",
        sql::join(db)
    );
    let rows = Rows::column("bucket", buckets.iter().map(|(_, bucket)| bucket.as_str()));
    for row in rows.query(db, &tail).await? {
        let bucket = get(&row, "bucket")?;
        working.limits.rates.insert(bucket, get(&row, "next_at")?);
    }
    Ok(())
}
