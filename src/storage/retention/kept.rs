//! What is kept of the entries under checkpoints is signed anew, once retention has removed some of them: the hashes
//! of those need not stay then. Nothing is signed that does not agree with what was signed before, so what somebody
//! else has changed stays visible.

use entity::{checkpoint, removed_entry};
use sea_orm::FromQueryResult;

use super::super::{
    Error, Storage, chain,
    checkpoints::{advance, head_at, head_of},
    sql,
    write::KeepEntries,
};
use crate::model::{
    ChainHash, Checkpoint, Cursor, KeptEntries, LogHead, RemovedEntry, Signed, TenantId,
};
use sql::{columns, get};

/// Checkpoints that follow each other become one while no more entries are kept of them.
const MOST_TOGETHER: i64 = 2_000;

/// What is kept of the entries under a checkpoint, to be recorded.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The checkpoint with what is kept; not yet signed.
    pub checkpoint: Checkpoint,
    /// The numbers of the checkpoints that it is made of, and what is kept of each as far as it is known.
    pub(in crate::storage) expected: Vec<(i64, Option<String>)>,
    /// The places of the entries that were removed.
    pub(in crate::storage) removed: Vec<Cursor>,
}

/// The next checkpoint under which entries were removed.
#[derive(Debug, Clone)]
pub enum NextKept {
    /// Agrees with what was signed.
    Agrees(Box<Kept>),
    /// Does not; its number.
    Differs(i64),
}

/// An entry, or what is left of a removed one.
struct Found {
    position: Cursor,
    hash: Option<ChainHash>,
    removed: Option<RemovedEntry>,
}

impl Storage {
    /// Looks for the next checkpoint of a tenant after a number under which entries were removed, and reads what is
    /// kept of them. `is_signed` checks what was signed before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_kept(
        &self,
        tenant: &TenantId,
        after: i64,
        is_signed: &(dyn Fn(Signed<'_>) -> bool + Sync),
    ) -> Result<Option<NextKept>, Error> {
        let Some(found) = self.checkpoint_of_removed(tenant, after).await? else {
            return Ok(None);
        };
        let first = |checkpoint: &Checkpoint| {
            let kept = checkpoint.kept.as_ref();
            kept.map_or(checkpoint.number, |kept| kept.first)
        };
        let before = self.checkpoint_before(tenant, first(&found)).await?;
        let mut made_of = vec![found];
        let mut before = before;
        if let Some(other) = before.take_if(|other| {
            let kept = other.kept.as_ref();
            kept.is_some_and(|kept| kept.entries < MOST_TOGETHER)
        }) {
            before = self.checkpoint_before(tenant, first(&other)).await?;
            made_of.insert(0, other);
        }
        let (mut head, mut whole) = (
            before.as_ref().map_or_else(|| head_of(tenant), head_at),
            KeptEntries {
                first: first(&made_of[0]),
                entries: 0,
                hash: ChainHash::NONE,
                public_key: String::new(),
                signature: String::new(),
            },
        );
        let (mut removed, mut expected) = (Vec::new(), Vec::new());
        for checkpoint in &made_of {
            let entries = self.entries_under(&head, checkpoint).await?;
            if !agrees(&head, checkpoint, &entries, is_signed) {
                return Ok(Some(NextKept::Differs(checkpoint.number)));
            }
            for entry in entries {
                if entry.removed.is_some() {
                    removed.push(entry.position);
                } else {
                    let hash = entry.hash.unwrap_or(ChainHash::NONE);
                    whole.hash = chain::joined(whole.hash, hash);
                    whole.entries += 1;
                }
            }
            let kept = checkpoint.kept.as_ref();
            expected.push((checkpoint.number, kept.map(|kept| kept.signature.clone())));
            head = head_at(checkpoint);
        }
        let Some(mut checkpoint) = made_of.pop() else {
            return Ok(None);
        };
        checkpoint.kept = Some(whole);
        Ok(Some(NextKept::Agrees(Box::new(Kept {
            checkpoint,
            expected,
            removed,
        }))))
    }

    /// Records what is kept under a checkpoint, once it is signed; false if somebody else has done so.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn record_kept(&self, kept: Kept) -> Result<bool, Error> {
        self.writer.run(KeepEntries(kept)).await
    }

    /// The first checkpoint after a number under which an entry was removed.
    async fn checkpoint_of_removed(
        &self,
        tenant: &TenantId,
        after: i64,
    ) -> Result<Option<Checkpoint>, Error> {
        // The first one may not have been signed yet.
        let text = format!(
            "SELECT {} FROM checkpoint c WHERE c.tenant_id = $1 AND c.number > $2 AND (c.tx, c.ord) >= \
             (SELECT r.tx, r.ord FROM removed_entry r WHERE r.tenant_id = $1 AND (r.tx, r.ord) > \
             (COALESCE((SELECT b.tx FROM checkpoint b WHERE b.tenant_id = $1 AND b.number = $2), -1), \
             COALESCE((SELECT b.ord FROM checkpoint b WHERE b.tenant_id = $1 AND b.number = $2), -1)) \
             ORDER BY r.tx, r.ord LIMIT 1) ORDER BY c.number LIMIT 1",
            columns::<checkpoint::Entity>("c")
        );
        self.checkpoint(&text, tenant, after).await
    }

    async fn checkpoint_before(
        &self,
        tenant: &TenantId,
        number: i64,
    ) -> Result<Option<Checkpoint>, Error> {
        let text = format!(
            "SELECT {} FROM checkpoint c WHERE c.tenant_id = $1 AND c.number < $2 \
             ORDER BY c.number DESC LIMIT 1",
            columns::<checkpoint::Entity>("c")
        );
        self.checkpoint(&text, tenant, number).await
    }

    async fn checkpoint(
        &self,
        text: &str,
        tenant: &TenantId,
        number: i64,
    ) -> Result<Option<Checkpoint>, Error> {
        let values = [tenant.as_str().into(), number.into()];
        let rows = sql::query(&self.db.reader, text, values).await?;
        let row = rows
            .first()
            .map(|row| checkpoint::Model::from_query_result(row, ""));
        row.transpose()?.map(Checkpoint::try_from).transpose()
    }

    /// The entries behind one checkpoint up to the next, in order.
    async fn entries_under(
        &self,
        head: &LogHead,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<Found>, Error> {
        let range = "tenant_id = $1 AND (tx, ord) > ($2, $3) AND (tx, ord) <= ($4, $5)";
        let values = || {
            [
                checkpoint.tenant_id.as_str().into(),
                head.position.tx.into(),
                head.position.ord.into(),
                checkpoint.position.tx.into(),
                checkpoint.position.ord.into(),
            ]
        };
        let text = format!(
            "SELECT {} FROM removed_entry r WHERE {range}",
            columns::<removed_entry::Entity>("r")
        );
        let mut found = Vec::new();
        // Those that are removed meanwhile are found twice, as they were and as they are, and not left out.
        let text_of_events = format!("SELECT tx, ord, seq, hash FROM event WHERE {range}");
        for row in sql::query(&self.db.reader, &text_of_events, values()).await? {
            found.push(Found {
                position: Cursor {
                    tx: get(&row, "tx")?,
                    ord: get(&row, "ord")?,
                    seq: get(&row, "seq")?,
                },
                hash: chain::stored(get(&row, "hash")?)?,
                removed: None,
            });
        }
        for row in sql::query(&self.db.reader, &text, values()).await? {
            let entry = RemovedEntry::try_from(removed_entry::Model::from_query_result(&row, "")?)?;
            found.push(Found {
                position: entry.position,
                hash: entry.hash,
                removed: Some(entry),
            });
        }
        // Of two at one place the first stays: it was there when it was read, and what became of it is found later.
        found.sort_by_key(|entry| (entry.position, entry.removed.is_some()));
        found.dedup_by_key(|entry| entry.position);
        Ok(found)
    }
}

/// Returns whether entries are those that were signed under a checkpoint.
fn agrees(
    head: &LogHead,
    checkpoint: &Checkpoint,
    entries: &[Found],
    is_signed: &(dyn Fn(Signed<'_>) -> bool + Sync),
) -> bool {
    let mut found = head.clone();
    let kept = checkpoint.kept.as_ref();
    if kept.is_some() {
        (found.entries, found.hash) = (0, ChainHash::NONE);
    }
    for entry in entries {
        advance(&mut found, entry.hash);
    }
    let signed = kept.map_or((checkpoint.entries, checkpoint.hash), |kept| {
        (kept.entries, kept.hash)
    });
    let is_removed = |entry: &RemovedEntry| is_signed(Signed::Removed(entry));
    (found.entries, found.hash) == signed
        && is_signed(Signed::Checkpoint(checkpoint))
        && kept.is_none_or(|kept| is_signed(Signed::Kept(checkpoint, kept)))
        && entries
            .iter()
            .filter_map(|entry| entry.removed.as_ref())
            .all(is_removed)
}
