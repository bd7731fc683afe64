//! The artifact that an intent works on: `artifact_id`, or its alias `file_id`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    model::{Artifact, ArtifactId, ArtifactState, Fault, Materialization},
    runtime::{ExecutionContext, HandlerError},
};

/// The parameters that name an artifact; exactly one of the two.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Target {
    /// The artifact.
    artifact_id: Option<String>,
    /// The artifact, by the name that some clients know.
    file_id: Option<String>,
}

/// The faults of parameters that should name one artifact.
pub(super) fn check(parameters: &Value) -> Vec<Fault> {
    let given: Vec<(&str, &str)> = ["artifact_id", "file_id"]
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name)?.as_str()?)))
        .collect();
    match given.as_slice() {
        [(name, text)] => match text.parse::<ArtifactId>() {
            Ok(_) => Vec::new(),
            Err(error) => vec![Fault::at(["parameters", name], error.to_string())],
        },
        [] => vec![Fault::at(
            ["parameters", "artifact_id"],
            "artifact_id is missing",
        )],
        _ => vec![Fault::at(
            ["parameters", "file_id"],
            "artifact_id and file_id are one thing: give one",
        )],
    }
}

impl Target {
    pub(super) fn id(&self) -> Result<ArtifactId, HandlerError> {
        let text = self
            .artifact_id
            .as_deref()
            .or(self.file_id.as_deref())
            .unwrap_or_default();
        text.parse()
            .map_err(|_| HandlerError::fatal("INVALID_PARAMETERS", "malformed artifact id"))
    }

    /// The artifact, in whatever state, if it is of this type.
    pub(super) async fn find(
        &self,
        ctx: &ExecutionContext,
        artifact_type: Option<&str>,
    ) -> Result<Artifact, HandlerError> {
        let found = ctx.artifacts().find(self.id()?).await?;
        found
            .filter(|artifact| artifact_type.is_none_or(|wanted| artifact.artifact_type == wanted))
            .ok_or_else(|| {
                let what = artifact_type.unwrap_or("artifact");
                HandlerError::fatal("NOT_FOUND", format!("there is no {what} with this id"))
            })
    }

    /// The artifact, if its content may be used.
    pub(super) async fn resolve(
        &self,
        ctx: &ExecutionContext,
        artifact_type: &str,
    ) -> Result<Artifact, HandlerError> {
        let artifact = self.find(ctx, Some(artifact_type)).await?;
        if artifact.state == ArtifactState::Pending {
            let message = format!("the {artifact_type} is PENDING: it is not a record of fact yet");
            return Err(HandlerError::fatal("NOT_READY", message));
        }
        if !artifact.state.resolves() {
            let message = format!("there is no {artifact_type} with this id");
            return Err(HandlerError::fatal("NOT_FOUND", message));
        }
        Ok(artifact)
    }
}

/// The name for what is made from an artifact: `name`, whose id is the same for the same work, unless
/// that artifact has been deleted. Deleted is for ever, so what is made then is another artifact.
pub(super) async fn derived_name(
    ctx: &ExecutionContext,
    name: &str,
) -> Result<String, HandlerError> {
    let artifacts = ctx.artifacts();
    let existing = artifacts.find(artifacts.id_of(name)).await?;
    let is_deleted = existing.is_some_and(|it| it.state == ArtifactState::Deleted);
    Ok(if is_deleted {
        format!("{name} of {}", ctx.execution_id())
    } else {
        name.to_owned()
    })
}

/// An artifact's first stored form.
pub(super) async fn form_of(
    ctx: &ExecutionContext,
    artifact: &Artifact,
) -> Result<Materialization, HandlerError> {
    let forms = ctx.artifacts().materializations(artifact.id).await?;
    let first = forms.into_iter().next();
    first.ok_or_else(|| HandlerError::fatal("NOT_STORED", "the artifact has no stored content"))
}

/// The content of an artifact's first stored form.
pub(super) async fn content_of(
    ctx: &ExecutionContext,
    artifact: &Artifact,
) -> Result<bytes::Bytes, HandlerError> {
    ctx.artifacts().read(&form_of(ctx, artifact).await?).await
}
