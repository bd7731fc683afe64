//! Artifacts with their edges, their history and their stored forms; uploads; content that goes.

use super::{
    super::{
        super::{Error, connection::Transaction, sql},
        changes::Changes,
        rows::Tracked,
        working::Working,
    },
    filled, update_tail,
};
use crate::model::{Artifact, ArtifactId};
use sql::{Cell, Combined, Rows, get};

const ARTIFACT_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "artifact_type",
    "session_id",
    "execution_id",
    "intent_id",
    "intent_type",
    "state",
    "semantic_descriptor",
    "display_name",
    "owner",
    "purpose",
    "generation",
    "roots",
    "content_hash",
    "version",
    "next_seq",
    "created_at",
    "updated_at",
];

fn artifact_cells(artifact: &Artifact) -> Vec<Cell> {
    vec![
        artifact.id.0.into(),
        artifact.tenant_id.as_str().into(),
        artifact.artifact_type.as_str().into(),
        artifact.session_id.0.into(),
        artifact.execution_id.0.into(),
        artifact.intent_id.0.into(),
        artifact.intent_type.as_str().into(),
        artifact.state.code().into(),
        artifact.semantic_descriptor.as_str().into(),
        artifact.display_name.clone().into(),
        artifact.owner.clone().into(),
        artifact.purpose.clone().into(),
        artifact.generation.into(),
        serde_json::to_string(&artifact.roots)
            .unwrap_or_default()
            .into(),
        artifact.content_hash.as_str().into(),
        artifact.version.into(),
        artifact.next_seq.into(),
        artifact.created_at.into(),
        artifact.updated_at.into(),
    ]
}

pub(super) async fn new_artifacts(db: &Transaction, working: &mut Working) -> Result<usize, Error> {
    let mut made = Rows::of(ARTIFACT_COLUMNS);
    // A parent that is made in the same transaction gets the smaller key.
    let mut new: Vec<&Artifact> = working
        .artifacts
        .values()
        .filter(|tracked| tracked.is_new)
        .map(|tracked| &tracked.row.artifact)
        .collect();
    new.sort_by_key(|artifact| (artifact.generation, artifact.id));
    for artifact in &new {
        made.push(artifact_cells(artifact));
    }
    let names = ARTIFACT_COLUMNS.join(", ");
    let insert = format!(
        "INSERT INTO artifact ({names}) SELECT {names} FROM x ORDER BY generation, id \
         RETURNING id, key"
    );
    let count = made.len();
    for row in made.query(db, &insert).await? {
        if let Some(tracked) = working.artifacts.get_mut(&ArtifactId(get(&row, "id")?)) {
            tracked.row.key = Some(get(&row, "key")?);
        }
    }
    Ok(count)
}

pub(super) const ARTIFACT_CHANGES: &[&str] = &["id", "state", "version", "next_seq", "updated_at"];

pub(super) fn changed_artifacts(all: &mut Combined, working: &Working) {
    let mut changed = Rows::of(ARTIFACT_CHANGES);
    for Tracked { row, is_new, dirty } in working.artifacts.values() {
        let artifact = &row.artifact;
        if *dirty && !is_new {
            changed.push(vec![
                artifact.id.0.into(),
                artifact.state.code().into(),
                artifact.version.into(),
                artifact.next_seq.into(),
                artifact.updated_at.into(),
            ]);
        }
    }
    all.add(changed, update_tail("artifact", ARTIFACT_CHANGES, 1));
}

pub(super) fn edges(all: &mut Combined, working: &Working) {
    let mut rows = Rows::of(&["child", "parent"]);
    let key_of = |id: &ArtifactId| {
        working
            .artifacts
            .get(id)
            .and_then(|tracked| tracked.row.key)
    };
    for Tracked { row, is_new, .. } in working.artifacts.values() {
        if !is_new {
            continue;
        }
        let mut parents: Vec<i64> = row.parents.iter().filter_map(key_of).collect();
        parents.sort_unstable();
        parents.dedup();
        if let Some(child) = row.key {
            for parent in parents {
                rows.push(vec![child.into(), parent.into()]);
            }
        }
    }
    all.insert(rows, "artifact_edge");
}

pub(super) fn histories(all: &mut Combined, decided: &mut Changes) {
    let mut transitions = Rows::of(&[
        "artifact_id",
        "version",
        "from_state",
        "to_state",
        "at",
        "actor",
        "reason",
    ]);
    for (version, transition) in decided.transitions.drain(..) {
        transitions.push(vec![
            transition.artifact_id.0.into(),
            version.into(),
            transition
                .from
                .map(crate::model::ArtifactState::code)
                .into(),
            transition.to.code().into(),
            transition.at.into(),
            transition.actor.into(),
            transition.reason.into(),
        ]);
    }
    all.insert(transitions, "artifact_transition");
    let mut forms = Rows::of(&[
        "id",
        "artifact_id",
        "storage_type",
        "uri",
        "format",
        "compression",
        "size_bytes",
        "digest",
        "created_at",
    ]);
    for form in decided.materializations.drain(..) {
        forms.push(vec![
            form.id.0.into(),
            form.artifact_id.0.into(),
            form.storage_type.into(),
            form.uri.into(),
            form.format.into(),
            form.compression.into(),
            form.size_bytes.into(),
            form.digest.into(),
            form.created_at.into(),
        ]);
    }
    all.insert(forms, "materialization");
}

pub(super) fn uploads(all: &mut Combined, decided: &mut Changes) {
    let columns = &[
        "id",
        "tenant_id",
        "filename",
        "mime_type",
        "declared_size_bytes",
        "created_at",
        "expires_at",
    ];
    let announced = std::mem::take(&mut decided.uploads);
    all.insert(filled(columns, announced), "upload");
    let columns = &["id", "tenant_id", "digest", "completed_at"];
    let tail = "UPDATE upload SET digest = x.digest, completed_at = x.completed_at FROM x \
         WHERE upload.id = x.id AND upload.tenant_id = x.tenant_id AND upload.digest IS NULL";
    let done = std::mem::take(&mut decided.uploads_done);
    all.add(filled(columns, done), tail);
}

pub(super) fn releases(all: &mut Combined, decided: &mut Changes) {
    let found = std::mem::take(&mut decided.artifacts_found);
    let found = filled(&["execution_id", "artifact_id"], found);
    all.insert(found, "artifact_found");
    let deleted = std::mem::take(&mut decided.releases_in);
    let columns = &["artifact_id", "tenant_id", "deleted_at"];
    all.insert(filled(columns, deleted), "content_release");
    let aside = std::mem::take(&mut decided.releases_aside);
    let tail = "UPDATE content_release SET aside_at = x.aside_at FROM x \
         WHERE content_release.artifact_id = x.artifact_id";
    all.add(filled(&["artifact_id", "aside_at"], aside), tail);
    let gone = std::mem::take(&mut decided.releases_out);
    let tail = "DELETE FROM content_release WHERE artifact_id IN (SELECT id FROM x)";
    let gone = Rows::column(&["id"], gone.into_iter().map(|id| id.0));
    all.add(gone, tail);
}
