//! `ingest_file`: takes content, stores it by its digest, registers a `file` that is PENDING.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    NAME,
    source::{self, Source},
};
use crate::{
    content::Digest,
    model::{ArtifactId, Fault},
    runtime::{
        ArtifactDraft, ExecutionContext, FingerprintInput, HandlerError, IntentRegistry,
        RegistrationError, Works,
    },
};

#[derive(Debug, Deserialize, JsonSchema)]
struct Parameters {
    #[serde(flatten)]
    source: Source,
    /// The file's name, as people know it.
    #[schemars(length(min = 1, max = 255))]
    ui_name: Option<String>,
    /// The same as `ui_name`.
    #[schemars(length(min = 1, max = 255))]
    filename: Option<String>,
    /// What kind of file it is, as the client says.
    #[schemars(length(max = 100))]
    file_type: Option<String>,
    /// Its media type, as the client says.
    #[schemars(length(max = 255))]
    mime_type: Option<String>,
    /// Where it comes from, in the client's own terms.
    source_metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct Ingested {
    artifact_id: ArtifactId,
    digest: Digest,
    size_bytes: u64,
}

pub(super) fn register(
    registry: &mut IntentRegistry,
    works: &Works,
) -> Result<(), RegistrationError> {
    let (for_run, for_print) = (works.clone(), works.clone());
    registry
        .handler("ingest_file", NAME, move |ctx, parameters| {
            ingest(ctx, parameters, for_run.clone())
        })
        .description("Takes a file in: inline text or base64, or an upload. The file is PENDING.")
        .solution(NAME)
        .check(check)
        .fingerprint(Arc::new(move |input| {
            Box::pin(fingerprint(input, for_print.clone()))
        }))
        .register()
}

fn check(parameters: &Value) -> Vec<Fault> {
    let mut faults = source::check(parameters, &["parameters"]);
    if parameters
        .get("ui_name")
        .or(parameters.get("filename"))
        .is_none()
    {
        faults.push(Fault::at(["parameters", "ui_name"], "ui_name is missing"));
    }
    faults
}

/// The same content in the same session is the same work.
async fn fingerprint(
    input: FingerprintInput,
    works: Works,
) -> Result<Option<Vec<Vec<u8>>>, HandlerError> {
    let source: Source = serde_json::from_value(input.parameters)
        .map_err(|e| HandlerError::fatal("INVALID_PARAMETERS", e.to_string()))?;
    let digest = source.digest(&works, &input.scope).await?;
    Ok(Some(vec![
        digest.0.to_vec(),
        input.session_id.0.as_bytes().to_vec(),
    ]))
}

async fn ingest(
    ctx: ExecutionContext,
    parameters: Parameters,
    works: Works,
) -> Result<Ingested, HandlerError> {
    let stored = parameters.source.store(&works, &ctx).await?;
    let name = parameters
        .ui_name
        .or(parameters.filename)
        .unwrap_or_default();
    let format = name
        .rsplit_once('.')
        .map_or("binary", |(_, extension)| extension);
    let descriptor = json!({
        "ui_name": name,
        "file_type": parameters.file_type,
        "mime_type": parameters.mime_type,
        "source_metadata": parameters.source_metadata,
    });
    let draft = ArtifactDraft::new("file", "file")
        .pending()
        .display_name(&name)
        .descriptor(&descriptor)?
        .stored(&stored, &format.to_lowercase());
    let artifact_id = ctx.artifacts().register(draft)?;
    Ok(Ingested {
        artifact_id,
        digest: stored.digest,
        size_bytes: stored.size_bytes,
    })
}
