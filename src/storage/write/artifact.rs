//! Registering artifacts and changing their state: for a running execution, or by a client.

use entity::{artifact_found, content_release};
use sea_orm::ActiveValue::Set;
use sha2::{Digest, Sha256};

use super::{
    super::{Error, convert::ArtifactRow},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, ArtifactTransition, EventBody, ExecutionId,
    Materialization, MaterializationId, Micros, NewArtifact, Refusal, TenantId, TenantScope,
    TransitionRequest, check_reason, is_name, is_prose,
};

/// An artifact remembers at most this many roots.
const MAX_ROOTS: usize = 100;

/// The rows that registrations and transitions look at.
pub(super) fn needs(
    artifacts: &[NewArtifact],
    transitions: &[TransitionRequest],
    needs: &mut Needs,
) {
    for artifact in artifacts {
        needs.artifacts.push(artifact.id);
        needs.artifacts.extend(&artifact.parents);
    }
    needs
        .artifacts_locked
        .extend(transitions.iter().map(|transition| transition.artifact_id));
}

/// Whether one of these artifacts was made or changed since `time`: an attempt that began then may
/// have decided by what is no longer true.
pub(super) fn changed_since(
    working: &Working,
    artifacts: &[NewArtifact],
    transitions: &[TransitionRequest],
    time: Micros,
) -> bool {
    let registered = artifacts.iter().map(|new| new.id);
    let changed = transitions.iter().map(|transition| transition.artifact_id);
    registered.chain(changed).any(|id| {
        let found = working.artifacts.see(&id);
        found.is_some_and(|row| row.artifact.updated_at >= time)
    })
}

/// Refuses what cannot be registered or changed, before anything is changed.
pub(super) fn check(
    working: &Working,
    tenant: &TenantId,
    artifacts: &[NewArtifact],
    transitions: &[TransitionRequest],
) -> Result<(), Error> {
    let mut earlier: Vec<&NewArtifact> = Vec::new();
    for new in artifacts {
        check_new(working, tenant, new, &earlier)?;
        earlier.push(new);
    }
    for transition in transitions {
        check_reason(transition.reason.as_deref())?;
        if !earlier.iter().any(|new| new.id == transition.artifact_id) {
            let id = transition.artifact_id;
            let is_there = working.artifacts.see(&id).is_some_and(|row| {
                let artifact = &row.artifact;
                artifact.tenant_id == *tenant && artifact.state == transition.to
            });
            // Another execution has done the same meanwhile: there is nothing left to do.
            if !is_there {
                working.check_transition(id, tenant, transition.to)?;
            }
        }
    }
    Ok(())
}

fn check_new(
    working: &Working,
    tenant: &TenantId,
    new: &NewArtifact,
    earlier: &[&NewArtifact],
) -> Result<(), Error> {
    check_text(new)?;
    if let Some(existing) = working.artifacts.see(&new.id) {
        let artifact = &existing.artifact;
        if artifact.tenant_id != *tenant || artifact.content_hash != content_hash(new) {
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

/// What was registered, to tell a repetition from another content.
fn content_hash(new: &NewArtifact) -> String {
    let framed = serde_json::to_vec(new).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&Sha256::digest(framed))
}

/// Registers what was checked. Of a repetition only is noted that the execution found the artifact
/// again.
pub(super) fn write(
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
    let intent = execution.intent.clone();
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

fn record(
    working: &mut Working,
    artifact: &Artifact,
    from: Option<ArtifactState>,
    actor: &str,
    reason: Option<String>,
) {
    let transition = ArtifactTransition {
        artifact_id: artifact.id,
        from,
        to: artifact.state,
        at: working.now,
        actor: actor.to_owned(),
        reason,
    };
    working
        .changes
        .transitions
        .push((artifact.version, transition));
}

/// Carries out transitions that were checked, as events of the execution.
pub(super) fn transition_all(
    working: &mut Working,
    execution_id: ExecutionId,
    transitions: &[TransitionRequest],
) {
    for request in transitions {
        if let Some(body) = transition(working, request) {
            working.append(execution_id, body, None);
        }
    }
}

/// Changes the state; the event that says so.
fn transition(working: &mut Working, request: &TransitionRequest) -> Option<EventBody> {
    let now = working.now;
    let from = working.artifacts.see(&request.artifact_id)?.artifact.state;
    if !from.can_become(request.to) {
        return None;
    }
    let artifact = &mut working.artifacts.change(&request.artifact_id)?.artifact;
    artifact.state = request.to;
    artifact.version += 1;
    artifact.updated_at = now;
    let artifact = artifact.clone();
    if artifact.state == ArtifactState::Deleted {
        working.changes.releases_in.push(content_release::Model {
            artifact_id: artifact.id.0,
            tenant_id: artifact.tenant_id.to_string(),
            deleted_at: now,
            aside_at: None,
        });
    }
    record(
        working,
        &artifact,
        Some(from),
        &request.actor,
        request.reason.clone(),
    );
    Some(EventBody::ArtifactTransitioned {
        artifact_id: request.artifact_id,
        from,
        to: request.to,
        version: artifact.version,
        actor: request.actor.clone(),
        reason: request.reason.clone(),
    })
}

/// A change of state that a client asks for.
#[derive(Debug, Clone)]
pub(in crate::storage) struct TransitionArtifact {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) request: TransitionRequest,
}

impl Operation for TransitionArtifact {
    type Output = Artifact;

    fn needs(&self, needs: &mut Needs) {
        needs.artifacts_locked.push(self.request.artifact_id);
    }

    fn decide(&self, working: &mut Working) -> Result<Artifact, Error> {
        let id = self.request.artifact_id;
        check_reason(self.request.reason.as_deref())?;
        working.check_transition(id, self.scope.tenant(), self.request.to)?;
        if let Some(body) = transition(working, &self.request) {
            working.append_to_artifact(id, body);
        }
        let found = working.artifacts.see(&id).map(|row| row.artifact.clone());
        found.ok_or(Error::Corrupt {
            what: "artifact",
            source: None,
        })
    }
}

/// Makes tombstones of artifacts, in one transaction: a READY one is archived, a PENDING one fails
/// on the way, as the lifecycle wants it.
#[derive(Debug, Clone)]
pub(in crate::storage) struct DeleteArtifacts {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) ids: Vec<ArtifactId>,
    pub(in crate::storage) actor: String,
    pub(in crate::storage) reason: Option<String>,
}

/// The steps from a state to the end of the life.
fn steps_to_deleted(from: ArtifactState) -> &'static [ArtifactState] {
    match from {
        ArtifactState::Pending => &[ArtifactState::Failed, ArtifactState::Deleted],
        ArtifactState::Ready => &[ArtifactState::Archived, ArtifactState::Deleted],
        ArtifactState::Archived | ArtifactState::Failed => &[ArtifactState::Deleted],
        ArtifactState::Deleted => &[],
    }
}

impl Operation for DeleteArtifacts {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.artifacts_locked.extend(&self.ids);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        check_reason(self.reason.as_deref())?;
        let mut steps = Vec::new();
        for id in &self.ids {
            let found = working.artifacts.see(id).map(|row| &row.artifact);
            let artifact = found
                .filter(|artifact| artifact.tenant_id == *self.scope.tenant())
                .ok_or_else(|| Refusal::not_found("artifact", "artifactId"))?;
            steps.push((*id, steps_to_deleted(artifact.state)));
        }
        for (artifact_id, states) in steps {
            for to in states {
                let request = TransitionRequest {
                    artifact_id,
                    to: *to,
                    actor: self.actor.clone(),
                    reason: self.reason.clone(),
                };
                if let Some(body) = transition(working, &request) {
                    working.append_to_artifact(artifact_id, body);
                }
            }
        }
        Ok(())
    }
}

/// Notes how far the release of deleted artifacts' content is.
#[derive(Debug, Clone)]
pub(in crate::storage) struct AdvanceReleases {
    pub(in crate::storage) ids: Vec<ArtifactId>,
    /// None when it is over.
    pub(in crate::storage) aside_at: Option<Micros>,
}

impl Operation for AdvanceReleases {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let changes = &mut working.changes;
        match self.aside_at {
            None => changes.releases_out.extend(&self.ids),
            Some(at) => {
                let row = |id: &ArtifactId| content_release::ActiveModel {
                    artifact_id: Set(id.0),
                    aside_at: Set(Some(at)),
                    ..content_release::ActiveModel::default()
                };
                changes.releases_aside.extend(self.ids.iter().map(row));
            }
        }
        Ok(())
    }
}
