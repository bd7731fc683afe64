//! What retention removes, and what it leaves.

use entity::checkpoint;
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::{
    super::{
        super::{
            retention::{Ended, Kept},
            sql,
        },
        changes::Changes,
        keys::KeyScope,
        ops::EndedRow,
    },
    update,
};
use crate::model::TenantId;
use sql::{Combined, Rows};

/// Tables whose rows go with an execution, and the column that names it.
const OF_EXECUTIONS: [(&str, &str); 6] = [
    ("execution", "id"),
    ("event", "stream_id"),
    ("step", "execution_id"),
    ("execution_state", "execution_id"),
    ("artifact_found", "execution_id"),
    ("limit_place", "execution_id"),
];

/// The same for an artifact.
const OF_ARTIFACTS: [(&str, &str); 4] = [
    ("artifact", "id"),
    ("event", "stream_id"),
    ("artifact_transition", "artifact_id"),
    ("materialization", "artifact_id"),
];

pub(super) fn removals(all: &mut Combined, decided: &mut Changes, now: i64) {
    for keys in decided.keys_forgotten.drain(..) {
        // One that was taken over meanwhile has another time.
        let tail = format!(
            "DELETE FROM idempotency WHERE (tenant_id, scope, key) IN (SELECT tenant_id, scope, key FROM x) \
             AND expires_at <= {now}"
        );
        all.add(keys, tail);
    }
    if decided.removals.is_empty() {
        return;
    }
    let removals = std::mem::take(&mut decided.removals);
    let mut trims = Rows::of(&["tenant_id", "tx", "ord", "seq", "trimmed_at"]);
    for (tenant, last) in removals.trims {
        trims.push(vec![
            tenant.as_str().into(),
            last.tx.into(),
            last.ord.into(),
            last.seq.into(),
            now.into(),
        ]);
    }
    let tail = "UPDATE log_trim SET tx = x.tx, ord = x.ord, seq = x.seq, trimmed_at = x.trimmed_at FROM x \
         WHERE log_trim.tenant_id = x.tenant_id AND (log_trim.tx, log_trim.ord) < (x.tx, x.ord)";
    all.add(trims, tail);
    all.insert(Rows::set(removals.entries), "removed_entry");
    delete(all, &OF_EXECUTIONS, &removals.executions);
    let mut keys = Rows::of(&["tenant_id", "scope", "key"]);
    for (tenant, key) in removals.child_keys {
        let scope = KeyScope::Child as i64;
        keys.push(vec![tenant.as_str().into(), scope.into(), key.into()]);
    }
    let tail = "DELETE FROM idempotency \
         WHERE (tenant_id, scope, key) IN (SELECT tenant_id, scope, key FROM x)";
    all.add(keys, tail);
    ended(all, &removals.ended);
    kept(all, &removals.kept);
}

/// Removes the rows of tables by a column of theirs.
fn delete(all: &mut Combined, tables: &[(&str, &str)], ids: &[Uuid]) {
    for (table, column) in tables {
        let tail = format!("DELETE FROM {table} WHERE {column} IN (SELECT id FROM x)");
        all.add(Rows::column("id", ids.iter().copied()), tail);
    }
}

fn ended(all: &mut Combined, rows: &[(TenantId, Ended, EndedRow)]) {
    let of = |kinds: &[Ended]| {
        let of = rows.iter().filter(|(_, kind, _)| kinds.contains(kind));
        of.map(|(_, _, row)| row.id).collect::<Vec<_>>()
    };
    let artifacts = of(&[Ended::DeletedArtifacts]);
    let tail = "DELETE FROM artifact_edge WHERE child IN \
         (SELECT a.key FROM x JOIN artifact a ON a.id = x.id)";
    all.add(Rows::column("id", artifacts.iter().copied()), tail);
    delete(all, &OF_ARTIFACTS, &artifacts);
    delete(all, &[("upload", "id")], &of(&[Ended::Uploads]));
    let keys = of(&[Ended::ApiKeys]);
    delete(all, &[("api_key", "id"), ("event", "stream_id")], &keys);
    let operations = of(&[Ended::Operations]);
    delete(
        all,
        &[("operation", "id"), ("event", "stream_id")],
        &operations,
    );
    let webhooks = of(&[Ended::Webhooks]);
    delete(all, &[("webhook", "id"), ("event", "stream_id")], &webhooks);
    let is_session = |kind: Ended| matches!(kind, Ended::ClosedSessions | Ended::ExpiredSessions);
    let sessions = rows.iter().filter(|(_, kind, _)| is_session(*kind));
    let (mut keys, mut streams) = (Rows::of(&["id", "tenant_id"]), Vec::new());
    for (tenant, _, row) in sessions {
        keys.push(vec![row.id.into(), tenant.as_str().into()]);
        streams.push(row.stream_id);
    }
    let tail = "DELETE FROM session WHERE (id, tenant_id) IN (SELECT id, tenant_id FROM x)";
    all.add(keys, tail);
    delete(all, &[("event", "stream_id")], &streams);
}

fn kept(all: &mut Combined, kept: &[Kept]) {
    let rows = kept.iter().filter_map(|kept| {
        let row = checkpoint::Model::from(kept.checkpoint.clone());
        Some(checkpoint::ActiveModel {
            tenant_id: Set(row.tenant_id),
            number: Set(row.number),
            kept_first: Set(Some(row.kept_first?)),
            kept_entries: Set(Some(row.kept_entries?)),
            kept_hash: Set(Some(row.kept_hash?)),
            kept_public_key: Set(Some(row.kept_public_key?)),
            kept_signature: Set(Some(row.kept_signature?)),
            ..checkpoint::ActiveModel::default()
        })
    });
    update(all, Rows::set(rows), "checkpoint", 2);
    let mut replaced = Rows::of(&["tenant_id", "number"]);
    let mut removed = Rows::of(&["tenant_id", "tx", "ord"]);
    for kept in kept {
        let (tenant, own) = (kept.checkpoint.tenant_id.as_str(), kept.checkpoint.number);
        for (number, _) in kept.expected.iter().filter(|(number, _)| *number != own) {
            replaced.push(vec![tenant.into(), (*number).into()]);
        }
        for place in &kept.removed {
            removed.push(vec![tenant.into(), place.tx.into(), place.ord.into()]);
        }
    }
    let tail =
        "DELETE FROM checkpoint WHERE (tenant_id, number) IN (SELECT tenant_id, number FROM x)";
    all.add(replaced, tail);
    let tail = "DELETE FROM removed_entry WHERE (tenant_id, tx, ord) IN (SELECT tenant_id, tx, ord FROM x)";
    all.add(removed, tail);
}
