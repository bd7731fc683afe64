//! What retention would remove by now, and what it would leave and why, without removing anything.

use std::fmt;

use super::{
    engine::due,
    retention::{ENDS, Retention},
};
use crate::{
    model::{Micros, TenantId},
    storage::{Ended, Error, Storage},
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

/// Looks through all that has ended, of all tenants.
///
/// # Errors
/// When the database does not answer.
pub async fn outlook(storage: &Storage, retention: &Retention) -> Result<Vec<Outlook>, Error> {
    let (mut all, mut after) = (Vec::new(), None);
    while let Some((tenant, now)) = storage.find_next_tenant(after.as_ref()).await? {
        of_executions(storage, retention, &tenant, now, &mut all).await?;
        for kind in Ended::ALL {
            all.extend(of_ended(storage, retention, &tenant, now, kind).await?);
        }
        after = Some(tenant);
    }
    Ok(all)
}

async fn of_executions(
    storage: &Storage,
    retention: &Retention,
    tenant: &TenantId,
    now: Micros,
    all: &mut Vec<Outlook>,
) -> Result<(), Error> {
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
) -> Result<Option<Outlook>, Error> {
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
