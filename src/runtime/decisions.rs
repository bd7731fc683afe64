//! The questions that the runtime puts to the policies: before an intent is accepted, and for what an attempt does in
//! the name of whoever submitted it.

use std::collections::HashMap;

use super::{
    attempt::Attempt, catalog::Declaration, engine::Engine, error::Error,
    handler_error::HandlerError, mutex::lock,
};
use crate::{
    model::{
        Artifact, ArtifactId, ArtifactState, Execution, Materialization, NewArtifact, Principal,
        Refusal, SessionId,
    },
    policy::{self, About, Action, Asked, Described, Phase, Question, Submit},
    storage,
};

/// An intent that is to be accepted, as far as it is not its handler's.
pub(super) struct Accepting<'a> {
    pub(super) session_id: SessionId,
    pub(super) solution_id: &'a str,
    pub(super) priority: i64,
    /// The number of bytes of its parameters.
    pub(super) size_bytes: usize,
    pub(super) is_rerun: bool,
    /// The parent, of a child.
    pub(super) parent: Option<&'a Execution>,
}

impl Engine {
    /// Asks whether a principal may submit an intent to a handler.
    pub(super) async fn decide_submit(
        &self,
        principal: &Principal,
        handler: &Declaration,
        accepting: Accepting<'_>,
    ) -> Result<(), Error> {
        let submit = Submit {
            intent_type: &handler.intent_type,
            handler_name: &handler.handler_name,
            is_read_only: handler.metadata.read_only,
            solution_id: accepting.solution_id,
            session_id: accepting.session_id,
            priority: accepting.priority,
            size_bytes: i64::try_from(accepting.size_bytes).unwrap_or(i64::MAX),
            is_rerun: accepting.is_rerun,
        };
        let question = Question {
            asked: Asked::Submit(submit),
            during: accepting.parent.map(Into::into),
        };
        Ok(self.policies.check(principal, &question).await?)
    }
}

impl Attempt {
    /// Asks whether the attempt may read the content of an artifact in one form.
    pub(super) async fn decide_read(&self, form: &Materialization) -> Result<(), HandlerError> {
        let policies = &self.handles.policies;
        if !policies.decides(self.principal.tenant(), Action::ReadContent) {
            return Ok(());
        }
        let artifact = self.stored_artifact(form.artifact_id).await?;
        let artifact = artifact.ok_or_else(|| Refusal::not_found("artifact", "artifactId"))?;
        let about = About {
            artifact: (&artifact).into(),
            size_bytes: Some(form.size_bytes),
        };
        self.decide(Asked::ReadContent(about, &form.format)).await
    }

    /// Asks whether the attempt may register what it has made, and change what it wants to change.
    pub(super) async fn decide_artifacts(&self) -> Result<(), HandlerError> {
        let made = lock(&self.artifacts).clone();
        let tenant = self.principal.tenant();
        let policies = &self.handles.policies;
        if policies.decides(tenant, Action::Materialize) {
            for new in &made {
                let phase = Phase::of_registration(new.state);
                self.decide(Asked::Materialize(self.about_new(new), phase))
                    .await?;
            }
        }
        let mut states: HashMap<ArtifactId, ArtifactState> = HashMap::new();
        let changes = lock(&self.transitions).clone();
        for change in changes {
            if !policies.decides_change(tenant, change.to) {
                continue;
            }
            let id = change.artifact_id;
            let stored;
            let mut about = if let Some(new) = made.iter().find(|new| new.id == id) {
                self.about_new(new)
            } else if let Some(artifact) = self.stored_artifact(id).await? {
                stored = artifact;
                About {
                    artifact: (&stored).into(),
                    size_bytes: None,
                }
            } else {
                // It is refused when the execution completes.
                continue;
            };
            // Where the attempt changes it more than once.
            about.artifact.state = states.insert(id, change.to).unwrap_or(about.artifact.state);
            let during = Some((&self.execution).into());
            let principal = &self.principal;
            let decided = policies.check_change(principal, about, change.to, during);
            told(decided.await)?;
        }
        Ok(())
    }

    fn about_new<'a>(&'a self, new: &'a NewArtifact) -> About<'a> {
        let forms = new.materializations.iter();
        About {
            artifact: Described::of_new(new, &self.execution),
            size_bytes: Some(policy::sum(forms.map(|form| form.size_bytes))),
        }
    }

    async fn stored_artifact(&self, id: ArtifactId) -> Result<Option<Artifact>, HandlerError> {
        let scope = self.principal.scope();
        let found = self.storage().find_artifacts(&scope, &[id]).await?;
        Ok(found.into_iter().next())
    }

    async fn decide(&self, asked: Asked<'_>) -> Result<(), HandlerError> {
        let during = Some((&self.execution).into());
        let policies = &self.handles.policies;
        told(
            policies
                .check(&self.principal, &Question { asked, during })
                .await,
        )
    }
}

/// A decision as a handler is told it.
fn told(decided: Result<(), storage::Error>) -> Result<(), HandlerError> {
    decided.map_err(|error| match error {
        storage::Error::Refused(refusal @ Refusal::PolicyDenied { .. }) => {
            HandlerError::fatal("POLICY_DENIED", refusal.to_string())
        }
        error => error.into(),
    })
}
