//! What retention would remove by now, and what it would leave and why, without removing anything.

use std::{collections::BTreeMap, fmt};

use super::{
    Error,
    engine::due,
    retention::{ENDS, Retention},
    unreferenced::Review,
};
use crate::{
    content::{ContentStore, StoredObject},
    model::{Micros, TenantId},
    storage::{self, Ended, Storage},
};

/// Rows that are looked at together.
const PAGE: u32 = 1_000;

/// What retention would do with one kind of things of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The tenant.
    pub tenant_id: TenantId,
    /// What it is about.
    pub what: String,
    /// The number of those that would go.
    pub goes: u64,
    /// The numbers of those that would stay, each with the reason; without those that there are none of.
    pub stays: Vec<(u64, &'static str)>,
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {} would go",
            self.tenant_id, self.what, self.goes
        )?;
        for (count, reason) in &self.stays {
            write!(f, "; {count} stay: {reason}")?;
        }
        Ok(())
    }
}

/// Looks through all that has ended, of all tenants, and through the content store at `now`.
///
/// # Errors
/// When the database or the content store does not answer.
pub async fn outlook(
    storage: &Storage,
    content: &ContentStore,
    retention: &Retention,
    now: Micros,
) -> Result<Vec<Outlook>, Error> {
    let (mut all, mut after) = (Vec::new(), None);
    while let Some((tenant, now)) = storage.find_next_tenant(after.as_ref()).await? {
        of_executions(storage, retention, &tenant, now, &mut all).await?;
        for kind in Ended::ALL {
            all.extend(of_ended(storage, retention, &tenant, now, kind).await?);
        }
        after = Some(tenant);
    }
    of_content(storage, content, retention, now, &mut all).await?;
    Ok(all)
}

/// Numbers of objects of a tenant.
#[derive(Default)]
struct Objects {
    free: u64,
    free_bytes: u64,
    used: u64,
    young: u64,
}

async fn of_content(
    storage: &Storage,
    content: &ContentStore,
    retention: &Retention,
    now: Micros,
    all: &mut Vec<Outlook>,
) -> Result<(), Error> {
    // What is kept for ever is shown as well.
    let before = now.saturating_sub(retention.unreferenced.unwrap_or(0));
    let is_forever = retention.unreferenced.is_none();
    for (what, objects) in [
        ("objects of the content store", content.objects()),
        (
            "objects put aside, to which nothing referred",
            content.withdrawn_objects(),
        ),
    ] {
        let mut found: BTreeMap<TenantId, Objects> = BTreeMap::new();
        let mut count = |some: &[StoredObject], add: fn(&mut Objects, u64)| {
            for object in some {
                add(
                    found.entry(object.tenant.clone()).or_default(),
                    object.size_bytes,
                );
            }
        };
        let mut review = Review::of(storage, objects, before);
        while let Some(page) = review.next().await? {
            count(&page.free, |it, bytes| {
                it.free += 1;
                it.free_bytes += bytes;
            });
            count(&page.used, |it, _| it.used += 1);
            count(&page.young, |it, _| it.young += 1);
        }
        for (tenant_id, it) in found {
            let goes = if is_forever { 0 } else { it.free };
            let stays = [
                (
                    it.free - goes,
                    "nothing refers to them, and they are kept for ever",
                ),
                (it.used, "something refers to them"),
                (it.young, "not there for long enough"),
            ];
            all.push(Outlook {
                tenant_id,
                what: format!("{what} ({} bytes to which nothing refers)", it.free_bytes),
                goes,
                stays: stays.into_iter().filter(|(count, _)| *count > 0).collect(),
            });
        }
    }
    Ok(())
}

async fn of_executions(
    storage: &Storage,
    retention: &Retention,
    tenant: &TenantId,
    now: Micros,
    all: &mut Vec<Outlook>,
) -> Result<(), storage::Error> {
    for end in ENDS {
        let (mut roots, mut goes, mut forever, mut young, mut held) = (0, 0, 0, 0, 0);
        let mut after = None;
        loop {
            let page = storage.list_ended_roots(tenant, end, Micros::MAX, after, PAGE);
            let page = page.await?;
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id));
            let due = due(storage, retention, tenant, now, end, &page).await?;
            roots += page.len();
            goes += due.members.len() as u64;
            forever += due.forever;
            young += due.young;
            held += due.held;
        }
        if roots > 0 {
            let stays = [
                (forever, "trees that are kept for ever"),
                (young, "trees that have not ended for long enough"),
                (held, "trees in which something has not ended for as long"),
            ];
            all.push(Outlook {
                tenant_id: tenant.clone(),
                what: format!("{} executions", end.name()),
                goes,
                stays: stays.into_iter().filter(|(count, _)| *count > 0).collect(),
            });
        }
    }
    Ok(())
}

async fn of_ended(
    storage: &Storage,
    retention: &Retention,
    tenant: &TenantId,
    now: Micros,
    kind: Ended,
) -> Result<Option<Outlook>, storage::Error> {
    let (what, reason) = match kind {
        Ended::ClosedSessions => (
            "closed sessions",
            "something is in them, or not long enough",
        ),
        Ended::ExpiredSessions => (
            "expired sessions",
            "something is in them, or not long enough",
        ),
        Ended::ApiKeys => ("keys of the API", "not ended for long enough"),
        Ended::Uploads => ("uploads", "not there for long enough"),
        Ended::Operations => ("bulk operations", "not ended for long enough"),
        Ended::Webhooks => ("deleted webhooks", "not deleted for long enough"),
        Ended::DeletedArtifacts => (
            "records of deleted artifacts",
            "something was made from them, their execution or content is there, or not long enough",
        ),
    };
    let kept_for = retention.ended.get(&kind);
    let (mut goes, mut kept, mut after) = (0, 0, None);
    loop {
        let page =
            storage.list_ended_by(tenant, kind, kept_for.map(|kept| now - kept), after, PAGE);
        let page = page.await?;
        if page.last.is_none() {
            break;
        }
        after = page.last;
        goes += page.len() as u64;
        kept += page.kept as u64;
    }
    let stays = if kept_for.is_none() {
        "kept for ever"
    } else {
        reason
    };
    Ok((goes + kept > 0).then(|| Outlook {
        tenant_id: tenant.clone(),
        what: what.to_owned(),
        goes,
        stays: (kept > 0).then_some((kept, stays)).into_iter().collect(),
    }))
}
