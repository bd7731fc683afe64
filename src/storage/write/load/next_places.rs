//! Who waits first for places under limits. Within a tenant by priority and age, as in a queue; where all tenants share a
//! limit they take turns, whoever holds the fewest places first.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sea_orm::{ConnectionTrait, DbBackend};

use super::{
    super::{
        super::{Error, db::Transaction, places::PlaceState, sql},
        shares::{Shares, Turn},
        working::Working,
    },
    limits::{Free, places_of, remember},
};
use crate::model::{ExecutionId, TenantId};
use sql::{Rows, get};

/// So many tenants are looked at, at least and at most.
const TENANTS: std::ops::RangeInclusive<usize> = 16..=256;

/// Those of a tenant that wait for a bucket, from one on.
struct Wanted<'a> {
    bucket: &'a str,
    tenant: &'a str,
    places: i64,
    after: i64,
}

/// Loads those that wait first for places of buckets, as many of each as may become free.
pub(super) async fn waiting(
    db: &Transaction,
    free: &BTreeMap<String, Free>,
    working: &mut Working,
) -> Result<(), Error> {
    let own = free.iter().filter(|(_, free)| !free.is_shared);
    let wanted = own.map(|(bucket, free)| Wanted {
        bucket,
        tenant: &free.tenant,
        places: free.places,
        after: 0,
    });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    let of_tenants = first(db, &wanted).await?.into_iter();
    let mut ids: Vec<ExecutionId> = of_tenants.map(|(_, id)| id).collect();
    for (bucket, free) in free.iter().filter(|(_, free)| free.is_shared) {
        ids.extend(in_turn(db, bucket, free, working).await?);
    }
    ids.sort_unstable();
    ids.dedup();
    let rows = Rows::column("id", ids.iter().map(|id| id.0));
    remember(&rows.query(db, &places_of(db)).await?, working)
}

/// Of a bucket that all tenants share, with the turn that each has.
async fn in_turn(
    db: &Transaction,
    bucket: &str,
    free: &Free,
    working: &mut Working,
) -> Result<Vec<ExecutionId>, Error> {
    let places = usize::try_from(free.places).unwrap_or(0);
    let most = places.clamp(*TENANTS.start(), *TENANTS.end());
    let tenants = tenants(db, bucket, &free.tenant, most).await?;
    let held = held(db, bucket, &tenants).await?;
    let position: HashMap<TenantId, i64> = tenants.iter().cloned().zip(0..).collect();
    let shares = Shares {
        held,
        cap: usize::MAX,
        weights: Arc::default(),
    };
    let mut turn = Turn::new(tenants, most, &shares);
    let (mut ids, mut taken) = (Vec::new(), HashMap::<TenantId, i64>::new());
    while ids.len() < places {
        let wants = turn.split(places - ids.len());
        if wants.is_empty() {
            break;
        }
        let wanted = wants.iter().map(|(tenant, places)| Wanted {
            bucket,
            tenant: tenant.as_str(),
            places: i64::try_from(*places).unwrap_or(i64::MAX),
            after: taken.get(tenant).copied().unwrap_or(0),
        });
        let wanted: Vec<Wanted<'_>> = wanted.collect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for (tenant, id) in first(db, &wanted).await? {
            *counts.entry(tenant.clone()).or_default() += 1;
            let tenant = TenantId::stored(&tenant);
            let before = taken.entry(tenant.clone()).or_default();
            let of_tenant = shares.held.get(&tenant).copied().unwrap_or(0);
            let round = *before + i64::try_from(of_tenant).unwrap_or(i64::MAX >> 32);
            let rank = (round << 16) + position.get(&tenant).copied().unwrap_or(0);
            *before += 1;
            working.limits.rank(id, bucket, rank);
            ids.push(id);
        }
        for (tenant, wanted) in &wants {
            let count = counts.get(tenant.as_str()).copied().unwrap_or(0);
            turn.took(tenant, count, count < *wanted);
        }
    }
    Ok(ids)
}

/// The tenants that wait for a bucket, from the one after `after` round to it; by hops over the index.
async fn tenants(
    db: &Transaction,
    bucket: &str,
    after: &str,
    most: usize,
) -> Result<Vec<TenantId>, Error> {
    let waiting = PlaceState::Waiting.code();
    let text = format!(
        "WITH RECURSIVE t(tenant_id) AS ( \
         SELECT * FROM (SELECT tenant_id FROM limit_place WHERE bucket = $1 AND state = {waiting} \
         AND tenant_id > $2 ORDER BY tenant_id LIMIT 1) f \
         UNION ALL SELECT (SELECT p.tenant_id FROM limit_place p WHERE p.bucket = $1 \
         AND p.state = {waiting} AND p.tenant_id > t.tenant_id ORDER BY p.tenant_id LIMIT 1) \
         FROM t WHERE t.tenant_id IS NOT NULL) \
         SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL LIMIT $3"
    );
    let mut tenants = Vec::new();
    for from in [after, ""] {
        let left = i64::try_from(most - tenants.len()).unwrap_or(i64::MAX);
        let rows = sql::query(db, &text, [bucket.into(), from.into(), left.into()]).await?;
        for row in rows {
            let tenant: String = get(&row, "tenant_id")?;
            if from.is_empty() && !after.is_empty() && tenant.as_str() > after {
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

/// The places of a bucket that each of these tenants holds.
async fn held(
    db: &Transaction,
    bucket: &str,
    tenants: &[TenantId],
) -> Result<HashMap<TenantId, usize>, Error> {
    let mut rows = Rows::of(&["bucket", "tenant_id"]);
    for tenant in tenants {
        rows.push(vec![bucket.into(), tenant.as_str().into()]);
    }
    let tail = format!(
        "SELECT x.tenant_id, (SELECT COUNT(*) FROM limit_place h WHERE h.bucket = x.bucket \
         AND h.state = {} AND h.tenant_id = x.tenant_id) AS held FROM x",
        PlaceState::Held.code()
    );
    let found = rows.query(db, &tail).await?;
    let held = found.iter().map(|row| {
        let tenant = TenantId::stored(&get::<String>(row, "tenant_id")?);
        Ok((
            tenant,
            usize::try_from(get::<i64>(row, "held")?).unwrap_or(0),
        ))
    });
    held.collect()
}

/// Those of tenants that wait first, with their tenants.
async fn first(
    db: &Transaction,
    wanted: &[Wanted<'_>],
) -> Result<Vec<(String, ExecutionId)>, Error> {
    let waiting = PlaceState::Waiting.code();
    let mut found = Vec::new();
    if db.get_database_backend() == DbBackend::Postgres {
        let mut rows = Rows::of(&["bucket", "tenant_id", "places", "after"]);
        for one in wanted {
            rows.push(vec![
                one.bucket.into(),
                one.tenant.into(),
                one.places.into(),
                one.after.into(),
            ]);
        }
        let tail = format!(
            "SELECT f.tenant_id, f.execution_id FROM x CROSS JOIN LATERAL \
             (SELECT w.tenant_id, w.execution_id FROM limit_place w WHERE w.bucket = x.bucket \
             AND w.state = {waiting} AND w.tenant_id = x.tenant_id \
             ORDER BY w.priority, w.ready_at, w.execution_id LIMIT x.places OFFSET x.after) f"
        );
        for row in rows.query(db, &tail).await? {
            let id = ExecutionId(get(&row, "execution_id")?);
            found.push((get(&row, "tenant_id")?, id));
        }
        return Ok(found);
    }
    let text = format!(
        "SELECT w.tenant_id, w.execution_id FROM limit_place w WHERE w.bucket = $1 \
         AND w.state = {waiting} AND w.tenant_id = $2 \
         ORDER BY w.priority, w.ready_at, w.execution_id LIMIT $3 OFFSET $4"
    );
    for one in wanted {
        let values = [
            one.bucket.into(),
            one.tenant.into(),
            one.places.into(),
            one.after.into(),
        ];
        for row in sql::query(db, &text, values).await? {
            let id = ExecutionId(get(&row, "execution_id")?);
            found.push((get(&row, "tenant_id")?, id));
        }
    }
    Ok(found)
}
