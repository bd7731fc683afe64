//! Streams that are to be removed from the log, and what of it has to be told again.

use std::collections::{BTreeSet, HashMap};

use entity::materialization;
use sea_orm::FromQueryResult;
use serde::Deserialize;
use uuid::Uuid;

use super::super::{
    Error, Storage, chain, sql,
    write::{RemovedLog, RetoldArtifact},
};
use crate::model::{ArtifactId, Cursor, Materialization, RemovedEntry, TenantId};
use sql::{Rows, columns, get};

/// Seals an entry that is removed.
pub type Sealer<'a> = &'a (dyn Fn(&mut RemovedEntry) + Sync);

/// The entries of streams.
pub(super) struct EntriesToRemove {
    pub(super) removed: RemovedLog,
    /// The artifacts whose state they change.
    pub(super) changed: BTreeSet<ArtifactId>,
}

/// The part of an entry that says which artifact was changed.
#[derive(Deserialize)]
struct Changed {
    artifact_id: ArtifactId,
}

impl Storage {
    /// All entries of these streams. Without `seal`, where the log is not signed, nothing of them has to stay.
    pub(super) async fn entries_to_remove(
        &self,
        tenant: &TenantId,
        streams: &[Uuid],
        seal: Option<Sealer<'_>>,
    ) -> Result<EntriesToRemove, Error> {
        let mut rows = Rows::of(&["id", "tenant_id"]);
        for stream in streams {
            rows.push(vec![(*stream).into(), tenant.as_str().into()]);
        }
        let tail = format!(
            "SELECT e.tx, e.ord, e.seq, e.hash, \
             CASE WHEN e.event_type = 'artifact.transitioned' THEN e.data END AS change \
             FROM x {} event e ON e.stream_id = x.id AND e.tenant_id || '' = x.tenant_id",
            sql::join(&self.db.reader)
        );
        let mut found = EntriesToRemove {
            removed: RemovedLog::default(),
            changed: BTreeSet::new(),
        };
        for row in rows.query(&self.db.reader, &tail).await? {
            let position = Cursor {
                tx: get(&row, "tx")?,
                ord: get(&row, "ord")?,
                seq: get(&row, "seq")?,
            };
            found.removed.last = found.removed.last.max(position);
            if let Some(change) = get::<Option<String>>(&row, "change")? {
                let change: Changed = serde_json::from_str(&change)
                    .map_err(|error| Error::corrupt("event", error))?;
                found.changed.insert(change.artifact_id);
            }
            if let Some(seal) = seal {
                let mut entry = RemovedEntry {
                    tenant_id: tenant.clone(),
                    position,
                    hash: chain::stored(get(&row, "hash")?)?,
                    seal: Vec::new(),
                };
                seal(&mut entry);
                found.removed.entries.push(entry);
            }
        }
        Ok(found)
    }

    /// The artifacts that these executions have made or changed: their streams do not tell of them any more.
    pub(super) async fn artifacts_to_retell(
        &self,
        tenant: &TenantId,
        executions: &[Uuid],
        changed: &BTreeSet<ArtifactId>,
    ) -> Result<Vec<RetoldArtifact>, Error> {
        let (db, join) = (&self.db.reader, sql::join(&self.db.reader));
        let of_tenant = |ids: &mut dyn Iterator<Item = Uuid>| {
            let mut rows = Rows::of(&["id", "tenant_id"]);
            ids.for_each(|id| rows.push(vec![id.into(), tenant.as_str().into()]));
            rows
        };
        let tail = format!(
            "SELECT a.id FROM x {join} artifact a ON a.execution_id = x.id AND a.tenant_id || '' = x.tenant_id"
        );
        let made = of_tenant(&mut executions.iter().copied());
        let mut ids = changed.clone();
        for row in made.query(db, &tail).await? {
            ids.insert(ArtifactId(get(&row, "id")?));
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = || of_tenant(&mut ids.iter().map(|id| id.0));
        let artifacts =
            format!("FROM x {join} artifact a ON a.id = x.id AND a.tenant_id || '' = x.tenant_id");
        let mut parents: HashMap<Uuid, Vec<ArtifactId>> = HashMap::new();
        let tail = format!(
            "SELECT a.id AS child_id, p.id AS parent_id {artifacts} \
             {join} artifact_edge e ON e.child = a.key {join} artifact p ON p.key = e.parent"
        );
        for row in rows().query(db, &tail).await? {
            let parent = ArtifactId(get(&row, "parent_id")?);
            let of = parents.entry(get(&row, "child_id")?);
            of.or_default().push(parent);
        }
        let mut forms: HashMap<Uuid, Vec<Materialization>> = HashMap::new();
        let tail = format!(
            "SELECT {} {artifacts} {join} materialization m ON m.artifact_id = a.id",
            columns::<materialization::Entity>("m")
        );
        for row in rows().query(db, &tail).await? {
            let form = materialization::Model::from_query_result(&row, "")?;
            let of = forms.entry(form.artifact_id);
            of.or_default().push(Materialization::from(form));
        }
        let tail = format!(
            "SELECT t.artifact_id, t.actor {artifacts} {join} artifact_transition t \
             ON t.artifact_id = a.id AND t.version = 1"
        );
        let mut actors: HashMap<Uuid, String> = HashMap::new();
        for row in rows().query(db, &tail).await? {
            actors.insert(get(&row, "artifact_id")?, get(&row, "actor")?);
        }
        let retold = ids.iter().map(|id| RetoldArtifact {
            id: *id,
            parents: parents.remove(&id.0).unwrap_or_default(),
            materializations: forms.remove(&id.0).unwrap_or_default(),
            actor: actors.remove(&id.0).unwrap_or_default(),
        });
        Ok(retold.collect())
    }
}
