//! Artifacts with their edges, their history and their stored forms; uploads; content that goes.

use entity::{artifact::Column, artifact_edge, artifact_transition, materialization, upload};
use sea_orm::Iterable as _;

use super::{
    super::{
        super::{Error, convert::ArtifactRow, db::Transaction, sql},
        changes::Changes,
        working::Working,
    },
    update,
};
use crate::model::{ArtifactId, ArtifactState};
use sql::{Combined, Rows, get};

pub(super) async fn new_artifacts(db: &Transaction, working: &mut Working) -> Result<usize, Error> {
    // A parent that is made in the same transaction gets the smaller key.
    let mut new: Vec<&ArtifactRow> = working.artifacts.made().map(|(_, row)| row).collect();
    new.sort_by_key(|row| (row.artifact.generation, row.artifact.id));
    let without_key = Column::iter().filter(|column| !matches!(column, Column::Key));
    let made = Rows::part(&without_key.collect::<Vec<_>>(), new);
    let names = made.names();
    let insert = format!(
        "INSERT INTO artifact ({names}) SELECT {names} FROM x ORDER BY generation, id \
         RETURNING id, key"
    );
    let count = made.len();
    for row in made.query(db, &insert).await? {
        if let Some(made) = working.artifacts.change(&ArtifactId(get(&row, "id")?)) {
            made.key = Some(get(&row, "key")?);
        }
    }
    Ok(count)
}

/// The key, and what changes after the first write.
pub(super) const ARTIFACT_CHANGES: &[Column] = &[
    Column::Id,
    Column::State,
    Column::Version,
    Column::NextSeq,
    Column::LastHash,
    Column::UpdatedAt,
];

pub(super) fn changed_artifacts(all: &mut Combined, working: &Working) {
    let changed = working.artifacts.changed().map(|(_, row)| row);
    update(all, Rows::part(ARTIFACT_CHANGES, changed), "artifact", 1);
}

pub(super) fn edges(all: &mut Combined, working: &Working) {
    let mut edges = Vec::new();
    let key_of = |id: &ArtifactId| working.artifacts.see(id).and_then(|row| row.key);
    for (_, row) in working.artifacts.made() {
        let mut parents: Vec<i64> = row.parents.iter().filter_map(key_of).collect();
        parents.sort_unstable();
        parents.dedup();
        if let Some(child) = row.key {
            let edge = |parent| artifact_edge::Model { child, parent };
            edges.extend(parents.into_iter().map(edge));
        }
    }
    all.insert(Rows::set(edges), "artifact_edge");
}

pub(super) fn histories(all: &mut Combined, decided: &mut Changes) {
    let transitions = decided.transitions.drain(..);
    let transitions = transitions.map(|(version, transition)| artifact_transition::Model {
        artifact_id: transition.artifact_id.0,
        version,
        from_state: transition.from.map(ArtifactState::code),
        to_state: transition.to.code(),
        at: transition.at,
        actor: transition.actor,
        reason: transition.reason,
    });
    all.insert(Rows::set(transitions), "artifact_transition");
    let forms = decided.materializations.drain(..);
    let forms = forms.map(materialization::Model::from);
    all.insert(Rows::set(forms), "materialization");
}

pub(super) fn uploads(all: &mut Combined, decided: &mut Changes) {
    let announced = decided.uploads.drain(..).map(upload::Model::from);
    all.insert(Rows::set(announced), "upload");
    let tail = "UPDATE upload SET digest = x.digest, completed_at = x.completed_at FROM x \
         WHERE upload.id = x.id AND upload.tenant_id = x.tenant_id AND upload.digest IS NULL";
    all.add(Rows::set(decided.uploads_done.drain(..)), tail);
}

pub(super) fn releases(all: &mut Combined, decided: &mut Changes) {
    let found = Rows::set(decided.artifacts_found.drain(..));
    all.insert(found, "artifact_found");
    let deleted = Rows::set(decided.releases_in.drain(..));
    all.insert(deleted, "content_release");
    let aside = Rows::set(decided.releases_aside.drain(..));
    update(all, aside, "content_release", 1);
    let gone = std::mem::take(&mut decided.releases_out);
    let tail = "DELETE FROM content_release WHERE artifact_id IN (SELECT id FROM x)";
    all.add(Rows::column("id", gone.into_iter().map(|id| id.0)), tail);
}
