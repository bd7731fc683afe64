//! A tenant with a session, and what it asks for.

use serde_json::{Value, json};
use takeoff::{
    artifact_registry::DeleteRequest,
    model::{
        Artifact, ArtifactId, ArtifactState, Execution, ExecutionStatus, Materialization,
        Principal, RawJson, Refusal, SessionId, TransitionRequest,
    },
    runtime::SubmitIntent,
    services::Error,
    state_surface::NewSession,
    uploads::Shown,
};

use crate::support::{PATIENCE, TestApp};

/// A tenant that asks by the services themselves.
pub(super) struct Member<'a> {
    app: &'a TestApp,
    pub(super) principal: Principal,
    pub(super) session: SessionId,
}

/// The policy that denies something; empty where none permits it. None if it is permitted.
pub(super) type Denial = Option<String>;

/// The answer of a service that must not fail otherwise.
pub(super) fn denial<T>(answer: Result<T, impl Into<Error>>) -> Denial {
    match answer.map_err(Into::into) {
        Ok(_) => None,
        Err(Error::Refused(Refusal::PolicyDenied { policy_id, .. })) => {
            Some(policy_id.unwrap_or_default())
        }
        Err(other) => panic!("{other:?}"),
    }
}

pub(super) fn by(id: &str) -> String {
    id.to_owned()
}

impl<'a> Member<'a> {
    pub(super) async fn of(app: &'a TestApp, tenant: &str) -> Self {
        let principal = app.principal_of(tenant);
        let session = Self::session_of(app, &principal, None).await;
        Self {
            app,
            principal,
            session,
        }
    }

    /// The same in another session, of a user if one is named.
    pub(super) async fn elsewhere(&self, user: Option<&str>) -> Self {
        Self {
            app: self.app,
            principal: self.principal.clone(),
            session: Self::session_of(self.app, &self.principal, user).await,
        }
    }

    async fn session_of(app: &TestApp, principal: &Principal, user: Option<&str>) -> SessionId {
        let new = match user {
            Some(user) => NewSession {
                user_id: Some(user.to_owned()),
                ..NewSession::anonymous()
            },
            None => NewSession::anonymous(),
        };
        let state = &app.services().state;
        state.create_session(principal, new).await.unwrap().id
    }

    async fn submit(&self, intent_type: &str, parameters: Value) -> Result<Execution, Error> {
        let intent = SubmitIntent::new(intent_type, self.session, RawJson::from(&parameters));
        let runtime = &self.app.services().runtime;
        let submitted = runtime.submit(&self.principal, intent).await;
        submitted.map(|submitted| submitted.execution)
    }

    /// Whether a submit is denied.
    pub(super) async fn submits(&self, intent_type: &str, parameters: Value) -> Denial {
        denial(self.submit(intent_type, parameters).await)
    }

    pub(super) async fn run(&self, intent_type: &str, parameters: Value) -> Execution {
        let execution = self.submit(intent_type, parameters).await.unwrap();
        let scope = self.principal.scope();
        let events = &self.app.services().events;
        let ended = events.wait_until_terminal(&scope, execution.id);
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        *ended.expect("it did not end").unwrap()
    }

    /// Whether what an execution does is denied to it: the message that it fails with.
    pub(super) async fn runs(&self, intent_type: &str, parameters: Value) -> Option<String> {
        let ended = self.run(intent_type, parameters).await;
        let error = ended.error?;
        assert_eq!(
            (ended.status, error.code.as_str()),
            (ExecutionStatus::Failed, "POLICY_DENIED")
        );
        assert_eq!(ended.attempt, 1, "it is not tried again");
        Some(error.message)
    }

    /// Takes in a file; the artifact.
    pub(super) async fn ingest(&self, filename: &str, content: &str) -> Artifact {
        let parameters = json!({"filename": filename, "content": content});
        let done = self.run("ingest_file", parameters).await;
        self.result_artifact(&done).await
    }

    /// The artifact that an execution names in its result.
    pub(super) async fn result_artifact(&self, done: &Execution) -> Artifact {
        assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
        let result = done
            .result
            .as_ref()
            .unwrap()
            .as_inline()
            .unwrap()
            .to_value();
        let id = result["artifact_id"].as_str().unwrap().parse().unwrap();
        self.artifact(id).await
    }

    pub(super) async fn artifact(&self, id: ArtifactId) -> Artifact {
        let scope = self.principal.scope();
        let found = self.app.services().artifacts.find(&scope, id).await;
        found.unwrap().unwrap()
    }

    async fn form(&self, id: ArtifactId) -> Materialization {
        let scope = self.principal.scope();
        let registry = &self.app.services().artifacts;
        let mut forms = registry.find_materializations(&scope, &[id]).await.unwrap();
        forms.remove(&id).unwrap().remove(0)
    }

    /// Whether a change of state is denied.
    pub(super) async fn changes(&self, artifact: &Artifact, to: ArtifactState) -> Denial {
        let request = TransitionRequest {
            artifact_id: artifact.id,
            to,
            actor: "ann".into(),
            reason: None,
        };
        let registry = &self.app.services().artifacts;
        denial(registry.transition(&self.principal, request).await)
    }

    /// Whether a link to content is denied, and a preview of it the same.
    pub(super) async fn reads(&self, artifact: &Artifact) -> Denial {
        let form = self.form(artifact.id).await;
        let uploads = &self.app.services().uploads;
        let shown = Shown {
            artifact,
            form: &form,
        };
        denial(uploads.download_url(&self.principal, shown).await)
    }
}

impl Member<'_> {
    /// Whether a deletion is denied.
    pub(super) async fn deletes(&self, artifact: &Artifact, dry_run: bool) -> Denial {
        let request = DeleteRequest {
            artifact_id: artifact.id,
            include_descendants: true,
            dry_run,
            reason: None,
        };
        let registry = &self.app.services().artifacts;
        denial(registry.delete(&self.principal, request).await)
    }
}
