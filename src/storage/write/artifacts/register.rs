//! Registers artifacts that a completed execution has made.

use entity::artifact_found;
use sha2::{Digest, Sha256};

use super::{
    super::{
        super::{Error, convert::ArtifactRow},
        working::Working,
    },
    transition::record,
};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, EventBody, ExecutionId, Materialization,
    MaterializationId, NewArtifact, Refusal, TenantId, is_name, is_prose,
};

/// An artifact remembers at most this many roots.
const MAX_ROOTS: usize = 100;

pub(super) fn check_new(
    working: &Working,
    tenant: &TenantId,
    new: &NewArtifact,
    earlier: &[&NewArtifact],
) -> Result<(), Error> {
    check_text(new)?;
    if let Some(existing) = working.artifacts.see(&new.id) {
        let artifact = &existing.artifact;
        if artifact.tenant_id != *tenant || !is_repetition(new, artifact) {
            let message = "an artifact with this id and other content is registered already";
            return Err(Refusal::invalid(["artifactId"], message).into());
        }
        if artifact.state == ArtifactState::Deleted {
            return Err(Refusal::InvalidTransition {
                from: artifact.state,
                to: new.state,
            }
            .into());
        }
        return Ok(());
    }
    if !matches!(new.state, ArtifactState::Pending | ArtifactState::Ready) {
        let message = "an artifact is registered as PENDING or READY";
        return Err(Refusal::invalid(["lifecycleState"], message).into());
    }
    for parent in &new.parents {
        let is_stored = working
            .artifacts
            .see(parent)
            .is_some_and(|row| row.artifact.tenant_id == *tenant);
        let is_older = earlier.iter().any(|other| other.id == *parent);
        if !is_stored && !is_older {
            return Err(Refusal::not_found("parent artifact", "parentArtifacts").into());
        }
    }
    Ok(())
}

fn check_text(new: &NewArtifact) -> Result<(), Refusal> {
    let mut names = vec![
        ("artifactType", Some(&new.artifact_type), 100),
        ("displayName", new.display_name.as_ref(), 255),
        ("owner", new.owner.as_ref(), 255),
    ];
    for form in &new.materializations {
        names.extend([
            ("storageType", Some(&form.storage_type), 100),
            ("uri", Some(&form.uri), 2000),
            ("format", Some(&form.format), 255),
            ("compression", form.compression.as_ref(), 100),
            ("digest", Some(&form.digest), 100),
        ]);
    }
    for (path, name, max) in names {
        if name.is_some_and(|name| !is_name(name, max)) {
            let message =
                format!("{path} has 1 to {max} characters, none of them a control character");
            return Err(Refusal::invalid([path], message));
        }
    }
    if new
        .purpose
        .as_deref()
        .is_some_and(|purpose| !is_prose(purpose, 1000))
    {
        let message = "a purpose has at most 1000 characters, none of them a control character";
        return Err(Refusal::invalid(["purpose"], message));
    }
    Ok(())
}

/// Returns whether an artifact is registered again. The order of members in its descriptor does not matter.
fn is_repetition(new: &NewArtifact, artifact: &Artifact) -> bool {
    let stored = &artifact.semantic_descriptor;
    artifact.content_hash == content_hash(new)
        || stored.canonical() == new.semantic_descriptor.canonical()
            && artifact.content_hash
                == content_hash(&NewArtifact {
                    semantic_descriptor: stored.clone(),
                    ..new.clone()
                })
}

/// Returns the digest of what is registered, to tell a repetition from another content.
fn content_hash(new: &NewArtifact) -> String {
    let framed = serde_json::to_vec(new).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&Sha256::digest(framed))
}

/// Registers what was checked. Of a repetition only is noted that the execution found the artifact
/// again.
pub(in super::super) fn register_all(
    working: &mut Working,
    execution_id: ExecutionId,
    artifacts: &[NewArtifact],
    actor: &str,
) {
    for new in artifacts {
        if working.artifacts.has(&new.id) {
            working.changes.artifacts_found.push(artifact_found::Model {
                execution_id: execution_id.0,
                artifact_id: new.id.0,
            });
        } else {
            register(working, execution_id, new, actor);
        }
    }
}

fn register(working: &mut Working, execution_id: ExecutionId, new: &NewArtifact, actor: &str) {
    let Some(execution) = working.executions.see(&execution_id) else {
        return;
    };
    let (intent, user_id) = (execution.intent.clone(), execution.user_id.clone());
    let (generation, roots) = descent(working, new);
    let artifact = Artifact {
        id: new.id,
        artifact_type: new.artifact_type.clone(),
        tenant_id: intent.tenant_id,
        session_id: intent.session_id,
        execution_id,
        intent_id: intent.id,
        intent_type: intent.intent_type,
        state: new.state,
        semantic_descriptor: new.semantic_descriptor.clone(),
        display_name: new.display_name.clone(),
        owner: new.owner.clone(),
        purpose: new.purpose.clone(),
        generation,
        roots,
        content_hash: content_hash(new),
        version: 1,
        next_seq: 1,
        created_at: working.now,
        updated_at: working.now,
        user_id,
    };
    let materializations = materializations(working, new);
    working
        .changes
        .materializations
        .extend(materializations.iter().cloned());
    record(working, &artifact, None, actor, None);
    let row = ArtifactRow {
        artifact: artifact.clone(),
        key: None,
        parents: new.parents.clone(),
        last_hash: None,
    };
    working.artifacts.make(new.id, row);
    let (parents, actor) = (new.parents.clone(), actor.to_owned());
    let body = EventBody::ArtifactRegistered {
        artifact,
        parents,
        materializations,
        actor,
    };
    working.append(execution_id, body, None);
}

/// Generation and roots, from the parents'.
fn descent(working: &Working, new: &NewArtifact) -> (i64, Vec<ArtifactId>) {
    let mut roots = Vec::new();
    let mut generation = 0;
    for parent in &new.parents {
        let Some(row) = working.artifacts.see(parent) else {
            continue;
        };
        let parent = &row.artifact;
        generation = generation.max(parent.generation + 1);
        for root in &parent.roots {
            if !roots.contains(root) && roots.len() < MAX_ROOTS {
                roots.push(*root);
            }
        }
    }
    if new.parents.is_empty() {
        roots.push(new.id);
    }
    (generation, roots)
}

fn materializations(working: &Working, new: &NewArtifact) -> Vec<Materialization> {
    let stored = new.materializations.iter().enumerate();
    stored
        .map(|(position, form)| Materialization {
            id: MaterializationId::derived(new.id, position),
            artifact_id: new.id,
            storage_type: form.storage_type.clone(),
            uri: form.uri.clone(),
            format: form.format.clone(),
            compression: form.compression.clone(),
            size_bytes: form.size_bytes,
            digest: form.digest.clone(),
            created_at: working.now,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::RawJson,
        storage::{
            read_tests::on_each_database,
            write::tests::{Scene, TENANT, alone, completion, refusal, thing},
        },
    };

    #[tokio::test]
    async fn a_descriptor_is_the_same_whatever_the_order_of_its_members() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let id = ArtifactId::derived(TENANT, b"x", "thing");
            let register = async |descriptor: &str| {
                let mut complete = completion(&scene.running(world).await);
                complete.artifacts.push(NewArtifact {
                    semantic_descriptor: RawJson::parse(descriptor).unwrap(),
                    ..thing(id)
                });
                alone(world, complete).await
            };
            register(r#"{"b":{"d":1,"c":2},"a":3}"#).await.unwrap();
            register(r#"{"a":3,"b":{"c":2,"d":1}}"#).await.unwrap();
            let other = register(r#"{"a":3,"b":{"c":2,"d":2}}"#).await;
            assert!(matches!(refusal(other), Refusal::InvalidInput(_)));
        })
        .await;
    }
}
