//! The settled part of the log: below this number of PostgreSQL's transactions nothing can appear
//! any more.
//!
//! A writer gets its number before it commits, and writers commit out of order. What is settled could
//! be told by `pg_snapshot_xmin`, which waits for every transaction of the whole cluster, also those
//! that never write to this database. Only writers of this runtime write to the log, so only they are
//! waited for:
//!
//! 1. A snapshot is taken. Every number below its `xmax` has been given out.
//! 2. After that it is read which numbers writers of this runtime hold. One that was given out before
//!    and is not held has ended; one that is given out later is not below `xmax`.
//! 3. What is below `xmax` and below all that are held has ended, and a snapshot that is taken now, as
//!    that of the read which follows, sees it.
//!
//! Both looks are one statement: its snapshot is taken before it begins. PostgreSQL shows the numbers
//! and the application names of all sessions to every role.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    super::{Error, db::APPLICATION, db::Reader, era::FLOOR, sql},
    gather::Gather,
};
use crate::telemetry::metrics::Metrics;
use sql::get;

/// From then on whoever holds feeds back is named.
const PATIENCE: Duration = Duration::from_secs(1);

/// The number below which the log is settled; those who ask at the same time share the answer.
pub(in crate::storage) type Settled = Gather<(), i64>;

/// Watches the writers of a database on PostgreSQL.
pub(in crate::storage) fn settled(db: &Reader, metrics: &Metrics) -> Settled {
    let (db, metrics) = (db.clone(), metrics.clone());
    let oldest = Arc::new(Mutex::new(None));
    Gather::start(1, 1024, move |_| {
        let (db, metrics, oldest) = (db.clone(), metrics.clone(), Arc::clone(&oldest));
        async move {
            let look = look(&db).await?;
            let mut oldest = oldest.lock().unwrap_or_else(PoisonError::into_inner);
            notice(&look, &mut oldest, &metrics);
            Ok(HashMap::from([((), look.settled)]))
        }
    })
}

/// A writer that holds feeds back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    tx: i64,
    pid: i64,
    address: Option<String>,
}

struct Look {
    settled: i64,
    holder: Option<Holder>,
}

async fn look(db: &Reader) -> Result<Look, Error> {
    let text = format!(
        "SELECT {FLOOR} AS floor, pg_snapshot_xmax(c.seen)::text::bigint AS xmax, \
         pg_snapshot_xmin(c.seen)::text::bigint AS xmin, \
         a.pid::bigint AS pid, a.pid = pg_backend_pid() AS is_own, \
         a.backend_xid::text::bigint AS xid, host(a.client_addr) AS address \
         FROM (SELECT pg_current_snapshot() AS seen) c LEFT JOIN pg_stat_activity a \
         ON a.datname = current_database() AND a.application_name = '{APPLICATION}' \
         AND (a.backend_xid IS NOT NULL OR a.pid = pg_backend_pid())"
    );
    let rows = sql::query(db, &text, []).await?;
    let first = rows.first().ok_or(Error::Corrupt {
        what: "snapshot",
        source: None,
    })?;
    let xmax: i64 = get(first, "xmax")?;
    let mut look = Look {
        settled: xmax,
        holder: None,
    };
    let mut is_visible = false;
    for row in &rows {
        is_visible |= get::<Option<bool>>(row, "is_own")?.unwrap_or(false);
        let Some(xid) = get::<Option<i64>>(row, "xid")? else {
            continue;
        };
        let tx = full_number(xid, xmax);
        if tx < look.settled {
            look.settled = tx;
            look.holder = Some(Holder {
                tx,
                pid: get(row, "pid")?,
                address: get(row, "address")?,
            });
        }
    }
    if !is_visible {
        // Something between this node and the database gives sessions other names: then it is not
        // known which ones write, and all of the cluster are waited for.
        look.settled = get(first, "xmin")?;
    }
    // A writer's number is of the era that it has read, which ends only when there is none at work.
    look.settled += get::<i64>(first, "floor")?;
    Ok(look)
}

/// A number of which the view shows 32 bits; those that are held are less than 2^31 away from `xmax`.
fn full_number(xid: i64, xmax: i64) -> i64 {
    let bits = i64::from(u32::MAX);
    let distance = (xmax & bits).wrapping_sub(xid) & bits;
    let is_behind = distance < 1 << 31;
    xmax - if is_behind {
        distance
    } else {
        distance - (1 << 32)
    }
}

/// The oldest writer, since when it was seen, and whether it was named.
type Oldest = Option<(Holder, Instant, bool)>;

fn notice(look: &Look, oldest: &mut Oldest, metrics: &Metrics) {
    let Some(holder) = &look.holder else {
        *oldest = None;
        metrics.feeds_held_back(Duration::ZERO);
        return;
    };
    match oldest {
        Some((seen, since, is_named)) if seen == holder => {
            let held = since.elapsed();
            if held < PATIENCE {
                return;
            }
            metrics.feeds_held_back(held);
            if !*is_named {
                *is_named = true;
                tracing::warn!(
                    pid = holder.pid,
                    address = holder.address.as_deref().unwrap_or("local"),
                    transaction = holder.tx,
                    "a writer's transaction holds the feeds of sessions and tenants back"
                );
            }
        }
        _ => {
            *oldest = Some((holder.clone(), Instant::now(), false));
            metrics.feeds_held_back(Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::full_number;

    #[test]
    fn a_number_of_32_bits_is_the_one_near_the_snapshot() {
        let era = 1_i64 << 32;
        for (xid, xmax, full) in [
            (100, 105, 100),
            (105, 105, 105),
            (107, 105, 107),
            (100, 3 * era + 105, 3 * era + 100),
            // On either side of an overflow.
            (era - 2, 3 * era + 5, 3 * era - 2),
            (5, 3 * era - 2, 3 * era + 5),
        ] {
            assert_eq!(full_number(xid, xmax), full, "{xid} {xmax}");
        }
    }
}
