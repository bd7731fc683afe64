//! The log of each tenant against its signed checkpoints.

use std::collections::VecDeque;

use entity::{checkpoint, removed_entry};
use sea_orm::FromQueryResult;

use super::{super::Error, PAGE, View, chains::ChainReport};
use crate::{
    model::{
        ChainHash, Checkpoint, Cursor, KeptCheckpoint, KeptEntries, LogHead, RemovedEntry, Signed,
        TenantId, time_of,
    },
    storage::{
        checkpoints::{advance, entries_after, find, head_at, head_of},
        sql::{self, columns, get},
    },
};

/// Returns whether something was signed or sealed by a key that is known.
pub(super) type IsSigned<'a> = &'a (dyn Fn(Signed<'_>) -> bool + Sync);

fn missing(first: i64, last: i64) -> String {
    if first == last {
        format!("checkpoint {first} is missing")
    } else {
        format!("the checkpoints {first} to {last} are missing")
    }
}

/// A tenant's log, gone through from its beginning.
struct Walk {
    head: LogHead,
    page: VecDeque<(Cursor, Option<ChainHash>)>,
}

impl View<'_> {
    /// Hashes each tenant's log again and compares it with what was signed.
    pub(super) async fn verify_signed(
        &self,
        is_signed: Option<IsSigned<'_>>,
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        let text = "SELECT MIN(t.tenant_id) AS tenant_id FROM \
             (SELECT MIN(tenant_id) AS tenant_id FROM event WHERE tenant_id > $1 UNION ALL \
             SELECT MIN(tenant_id) AS tenant_id FROM checkpoint WHERE tenant_id > $2) t";
        let mut after = String::new();
        loop {
            let values = [after.as_str().into(), after.as_str().into()];
            let rows = sql::query(self.0, text, values).await?;
            let next = rows
                .first()
                .map(|row| get::<Option<String>>(row, "tenant_id"));
            let Some(tenant) = next.transpose()?.flatten() else {
                break;
            };
            self.verify_log(&TenantId::stored(&tenant), is_signed, report)
                .await?;
            after = tenant;
        }
        if is_signed.is_none() && report.checkpoints > 0 {
            let what = "no keys are known, so no signature of a checkpoint was checked";
            report.fault("log.checkpoint_keys", what);
        }
        Ok(())
    }

    async fn verify_log(
        &self,
        tenant: &TenantId,
        is_signed: Option<IsSigned<'_>>,
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        let mut walk = Walk {
            head: head_of(tenant),
            page: VecDeque::new(),
        };
        let (name, mut number) = (format!("tenant {tenant}"), 0);
        loop {
            let page = self.checkpoints_after(tenant, number).await?;
            if page.is_empty() {
                break;
            }
            for checkpoint in page {
                report.checkpoints += 1;
                let kept = checkpoint.kept.as_ref();
                let first = kept.map_or(checkpoint.number, |kept| kept.first);
                let last = first.saturating_sub(1);
                if number < last {
                    report.fault(&name, missing(number + 1, last));
                }
                number = checkpoint.number;
                if is_signed.is_some_and(|is_signed| !is_signed(Signed::Checkpoint(&checkpoint))) {
                    let what =
                        format!("checkpoint {number} was not signed by a key of this server");
                    report.fault(&name, what);
                }
                if let Some(kept) = kept {
                    self.verify_what_is_kept(&mut walk, &checkpoint, kept, is_signed, report)
                        .await?;
                    walk.head = head_at(&checkpoint);
                    continue;
                }
                let begin = walk.head.clone();
                self.go_on(&mut walk, Some(checkpoint.position)).await?;
                let (found, signed) = (&walk.head, head_at(&checkpoint));
                if (found.entries, found.hash) != (signed.entries, signed.hash) {
                    let what = format!(
                        "the entries after cursor {} up to cursor {} are not those that checkpoint {number} \
                         signed at {}: it has {} of them, the log has {}",
                        begin.position,
                        signed.position,
                        time_of(checkpoint.signed_at).to_rfc3339(),
                        signed.entries.saturating_sub(begin.entries),
                        found.entries.saturating_sub(begin.entries)
                    );
                    report.fault(&name, what);
                }
                // What comes after is judged by itself.
                walk.head = signed;
            }
        }
        let signed = walk.head.entries;
        self.go_on(&mut walk, None).await?;
        report.unsigned += walk.head.entries.abs_diff(signed);
        Ok(())
    }

    /// Compares the entries up to a checkpoint with those that retention has kept.
    async fn verify_what_is_kept(
        &self,
        walk: &mut Walk,
        checkpoint: &Checkpoint,
        kept: &KeptEntries,
        is_signed: Option<IsSigned<'_>>,
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        let (name, number) = (
            format!("tenant {}", checkpoint.tenant_id),
            checkpoint.number,
        );
        if is_signed.is_some_and(|is_signed| !is_signed(Signed::Kept(checkpoint, kept))) {
            let what = format!(
                "what is kept under checkpoint {number} was not signed by a key of this server"
            );
            report.fault(&name, what);
        }
        let begin = walk.head.position;
        (walk.head.entries, walk.head.hash) = (0, ChainHash::NONE);
        self.go_on(walk, Some(checkpoint.position)).await?;
        let found = &walk.head;
        if (found.entries, found.hash) != (kept.entries, kept.hash) {
            let what = format!(
                "the entries after cursor {begin} up to cursor {} are not those that were kept under checkpoint \
                 {number}: it has {} of them, the log has {}",
                checkpoint.position, kept.entries, found.entries
            );
            report.fault(&name, what);
        }
        Ok(())
    }

    /// Looks whether each entry that is said to be removed was removed by retention.
    pub(super) async fn verify_removed(
        &self,
        is_signed: Option<IsSigned<'_>>,
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        let text = format!(
            "SELECT {} FROM removed_entry r WHERE (r.tenant_id, r.tx, r.ord) > ($1, $2, $3) \
             ORDER BY r.tenant_id, r.tx, r.ord LIMIT $4",
            columns::<removed_entry::Entity>("r")
        );
        let mut after = (String::new(), 0_i64, 0_i64);
        loop {
            let values = [
                after.0.as_str().into(),
                after.1.into(),
                after.2.into(),
                PAGE.into(),
            ];
            let rows = sql::query(self.0, &text, values).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = (get(last, "tenant_id")?, get(last, "tx")?, get(last, "ord")?);
            for row in &rows {
                let entry = removed_entry::Model::from_query_result(row, "")?;
                let entry = RemovedEntry::try_from(entry)?;
                report.removed += 1;
                if is_signed.is_some_and(|is_signed| !is_signed(Signed::Removed(&entry))) {
                    let what = format!(
                        "the entry at cursor {} was removed, and not by this server",
                        entry.position
                    );
                    report.fault(&format!("tenant {}", entry.tenant_id), what);
                }
            }
        }
    }

    /// Compares the checkpoints that somebody kept elsewhere with those that are there.
    pub(super) async fn verify_kept(
        &self,
        kept: &[KeptCheckpoint],
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        for one in kept {
            let number = one.number;
            let found = find(self.0, &one.tenant_id, Some(number)).await?;
            let what = match found {
                None if self.is_replaced(&one.tenant_id, number).await? => continue,
                None => format!("checkpoint {number}, which was kept elsewhere, is not there"),
                Some(found) if found.hash != one.hash => {
                    format!("checkpoint {number} is not the one that was kept elsewhere")
                }
                Some(_) => continue,
            };
            report.fault(&format!("tenant {}", one.tenant_id), what);
        }
        Ok(())
    }

    /// Returns whether retention has left no more of a checkpoint than what a later one keeps of it.
    async fn is_replaced(&self, tenant: &TenantId, number: i64) -> Result<bool, Error> {
        let later = self.checkpoints_after(tenant, number).await?;
        let kept = later.first().and_then(|later| later.kept.as_ref());
        Ok(kept.is_some_and(|kept| kept.first <= number))
    }

    /// Goes on to a place, or to the end.
    async fn go_on(&self, walk: &mut Walk, to: Option<Cursor>) -> Result<(), Error> {
        loop {
            if walk.page.is_empty() {
                let head = &walk.head;
                let page = entries_after(self.0, head, i64::MAX).await?;
                walk.page = page.into();
            }
            let is_wanted =
                |(at, _): &mut (Cursor, _)| to.is_none_or(|to| (at.tx, at.ord) <= (to.tx, to.ord));
            let Some((position, hash)) = walk.page.pop_front_if(is_wanted) else {
                return Ok(());
            };
            advance(&mut walk.head, hash);
            walk.head.position = position;
        }
    }

    async fn checkpoints_after(
        &self,
        tenant: &TenantId,
        number: i64,
    ) -> Result<Vec<Checkpoint>, Error> {
        let text = format!(
            "SELECT {} FROM checkpoint c WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
            columns::<checkpoint::Entity>("c")
        );
        let values = [tenant.as_str().into(), number.into(), PAGE.into()];
        let rows = sql::query(self.0, &text, values).await?;
        let rows = rows.iter();
        rows.map(|row| Checkpoint::try_from(checkpoint::Model::from_query_result(row, "")?))
            .collect()
    }
}
