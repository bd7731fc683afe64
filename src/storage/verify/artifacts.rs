//! Artifacts against what the log tells of them.

use std::collections::{HashMap, HashSet};

use entity::artifact;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{super::Error, PAGE, Report, View, field};
use crate::{
    model::{Artifact, ArtifactId, ArtifactState, EventBody},
    storage::sql::{self, Rows, columns, get},
};

/// An artifact as the log tells it.
#[derive(Debug)]
struct ToldArtifact {
    record: Artifact,
    parents: Vec<ArtifactId>,
    forms: usize,
    changes: Vec<Change>,
}

/// The version that a change made, and the states before and after it.
type Change = (i64, ArtifactState, ArtifactState);

/// Artifacts as the log tells them.
#[derive(Debug, Default)]
pub(super) struct ToldArtifacts {
    registered: HashMap<ArtifactId, ToldArtifact>,
    /// A change may stand in a stream that comes before that of the registration.
    changes: Vec<(ArtifactId, Change)>,
}

impl ToldArtifacts {
    pub(super) fn hear(&mut self, body: &EventBody) {
        match body {
            EventBody::ArtifactRegistered {
                artifact,
                parents,
                materializations,
                ..
            } => {
                let told = ToldArtifact {
                    record: artifact.clone(),
                    parents: parents.clone(),
                    forms: materializations.len(),
                    changes: Vec::new(),
                };
                // Retention tells an artifact again, as it is by then, when it removes what told of it before.
                let is_later = |known: &ToldArtifact| known.record.version > artifact.version;
                if !self.registered.get(&artifact.id).is_some_and(is_later) {
                    self.registered.insert(artifact.id, told);
                }
            }
            EventBody::ArtifactTransitioned {
                artifact_id,
                from,
                to,
                version,
                ..
            } => self.changes.push((*artifact_id, (*version, *from, *to))),
            _ => {}
        }
    }

    fn put_together(self, report: &mut Report) -> HashMap<ArtifactId, ToldArtifact> {
        let mut told = self.registered;
        // Of a deleted artifact retention has removed the record, with the stream that told of it.
        let deleted = self.changes.iter();
        let deleted = deleted.filter(|(_, (_, _, to))| *to == ArtifactState::Deleted);
        let deleted: HashSet<ArtifactId> = deleted.map(|(id, _)| *id).collect();
        for (id, change) in self.changes {
            match told.get_mut(&id) {
                None if deleted.contains(&id) => {}
                Some(told) if change.0 <= told.record.version => {}
                Some(told) => told.changes.push(change),
                None => report.differ(id, "the log changes it without having registered it"),
            }
        }
        told
    }
}

impl View<'_> {
    pub(super) async fn verify_artifacts(
        &self,
        told: ToldArtifacts,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut told = told.put_together(report);
        let mut after = 0_i64;
        loop {
            let text = format!(
                "SELECT {} FROM artifact a WHERE key > $1 ORDER BY key LIMIT $2",
                columns::<artifact::Entity>("a")
            );
            let rows = sql::query(self.0, &text, [after.into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else { break };
            after = get(last, "key")?;
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                let model = artifact::Model::from_query_result(row, "")?;
                let id = ArtifactId(model.id);
                match Artifact::try_from(model) {
                    Ok(artifact) => page.push(artifact),
                    Err(error) => report.differ(id, error.to_string()),
                }
            }
            let ids: Vec<ArtifactId> = page.iter().map(|artifact| artifact.id).collect();
            let mut parents = self.all_parents(&ids).await?;
            let mut forms = self.form_counts(&ids).await?;
            for artifact in page {
                report.artifacts += 1;
                let parents = parents.remove(&artifact.id.0).unwrap_or_default();
                let forms = forms.remove(&artifact.id.0).unwrap_or_default();
                match told.remove(&artifact.id) {
                    Some(told) => compare_artifact(&artifact, &told, &parents, forms, report),
                    None => report.differ(artifact.id, "the state has it, the log has not"),
                }
            }
        }
        for id in told.into_keys() {
            report.differ(id, "the log has it, the state has not");
        }
        Ok(())
    }

    async fn all_parents(
        &self,
        ids: &[ArtifactId],
    ) -> Result<HashMap<Uuid, Vec<ArtifactId>>, Error> {
        let rows = Rows::column("id", ids.iter().map(|id| id.0));
        let join = sql::join(self.0);
        let tail = format!(
            "SELECT a.id AS child_id, p.id AS parent_id FROM x {join} artifact a ON a.id = x.id \
             {join} artifact_edge e ON e.child = a.key {join} artifact p ON p.key = e.parent"
        );
        let mut parents: HashMap<Uuid, Vec<ArtifactId>> = HashMap::new();
        for row in rows.query(self.0, &tail).await? {
            let parent = ArtifactId(get(&row, "parent_id")?);
            parents
                .entry(get(&row, "child_id")?)
                .or_default()
                .push(parent);
        }
        Ok(parents)
    }

    async fn form_counts(&self, ids: &[ArtifactId]) -> Result<HashMap<Uuid, usize>, Error> {
        let rows = Rows::column("id", ids.iter().map(|id| id.0));
        let join = sql::join(self.0);
        let tail = format!(
            "SELECT m.artifact_id, COUNT(*) AS forms FROM x {join} materialization m \
                    ON m.artifact_id = x.id GROUP BY m.artifact_id"
        );
        let rows = rows.query(self.0, &tail).await?;
        rows.iter()
            .map(|row| {
                let forms = usize::try_from(get::<i64>(row, "forms")?).unwrap_or(0);
                Ok((get(row, "artifact_id")?, forms))
            })
            .collect()
    }
}

fn compare_artifact(
    artifact: &Artifact,
    told: &ToldArtifact,
    parents: &[ArtifactId],
    forms: usize,
    report: &mut Report,
) {
    let id = artifact.id;
    let mut changes = told.changes.clone();
    changes.sort_unstable_by_key(|(version, _, _)| *version);
    let (mut state, mut version) = (told.record.state, told.record.version);
    for (next, from, to) in changes {
        if next != version + 1 || from != state || !from.can_become(to) {
            report.differ(id, format!("its history breaks at version {next}"));
        }
        (state, version) = (to, next);
    }
    field(report, id, "state", &state, &artifact.state);
    field(report, id, "version", &version, &artifact.version);
    // What may change after registration is compared above; the rest is fixed.
    let mut fixed = artifact.clone();
    fixed.state = told.record.state;
    fixed.version = told.record.version;
    fixed.next_seq = told.record.next_seq;
    fixed.updated_at = told.record.updated_at;
    if fixed != told.record {
        report.differ(id, "its record is not the one that was registered");
    }
    let (mut told_parents, mut stored) = (told.parents.clone(), parents.to_vec());
    told_parents.sort_unstable();
    told_parents.dedup();
    stored.sort_unstable();
    field(report, id, "parents", &told_parents, &stored);
    field(report, id, "number of stored forms", &told.forms, &forms);
}
