//! `create_deterministic_embeddings`: a profile of parsed content that is the same every time.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    NAME,
    blocking::blocking,
    parse_content::malformed,
    parsing::{Column, Profile, Profiler},
    statistics::Summary,
    target::{self, Target, derived_name, form_of},
};
use crate::{
    model::{Artifact, ArtifactId},
    runtime::{
        ArtifactDraft, ExecutionContext, FingerprintInput, HandlerError, IntentRegistry,
        RegistrationError, Works,
    },
};

/// Rows that are profiled at a time; progress is reported after each.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The version of what a profile holds: profiles of another one are other artifacts.
const VERSION: &[u8] = b"2";

// Serde cannot refuse unknown fields beside flattened ones; the schema does, at submit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
struct Parameters {
    #[serde(flatten)]
    target: Target,
}

#[derive(Debug, Serialize)]
struct Profiled {
    artifact_id: ArtifactId,
    schema_fingerprint: String,
    record_count: u64,
}

/// The descriptor of parsed content, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Descriptor {
    schema: Schema,
}

#[derive(Debug, Deserialize)]
struct Schema {
    columns: Vec<Column>,
}

pub(super) fn register(
    registry: &mut IntentRegistry,
    works: &Works,
) -> Result<(), RegistrationError> {
    let max_bytes = usize::try_from(works.limits.descriptor_bytes).unwrap_or(usize::MAX);
    registry
        .handler("create_deterministic_embeddings", NAME, move |ctx, parameters| {
            profile(ctx, parameters, max_bytes)
        })
        .description("Profiles parsed content: types, nulls, distinct and top values, extremes, quantiles, patterns.")
        .solution(NAME)
        .eligible_for("parsed_content")
        .check(target::check)
        .fingerprint(Arc::new(|input| {
            Box::pin(async move { fingerprint(input) })
        }))
        .register()
}

fn fingerprint(input: FingerprintInput) -> Result<Option<Vec<Vec<u8>>>, HandlerError> {
    let parameters: Parameters = serde_json::from_value(input.parameters)
        .map_err(|e| HandlerError::fatal("INVALID_PARAMETERS", e.to_string()))?;
    Ok(Some(vec![
        parameters.target.id()?.0.as_bytes().to_vec(),
        VERSION.to_vec(),
    ]))
}

fn columns_of(artifact: &Artifact) -> Result<Vec<Column>, HandlerError> {
    let descriptor: Descriptor = artifact.semantic_descriptor.read().map_err(|_| {
        HandlerError::fatal(
            "NO_SCHEMA",
            "the artifact's descriptor has no schema of columns",
        )
    })?;
    Ok(descriptor.schema.columns)
}

async fn profile(
    ctx: ExecutionContext,
    parameters: Parameters,
    max_bytes: usize,
) -> Result<Profiled, HandlerError> {
    let parsed = parameters.target.resolve(&ctx, "parsed_content").await?;
    let columns = columns_of(&parsed)?;
    let profile = profiled(&ctx, &parsed, &columns).await?;
    ctx.progress(0.95, "profiled").await?;
    let stored = ctx
        .artifacts()
        .store(Bytes::from(serde_json::to_vec(&profile)?))
        .await?;
    let mut draft = ArtifactDraft::new(
        &derived_name(&ctx, "profile").await?,
        "deterministic_embeddings",
    )
    .parent(parsed.id)
    .descriptor(&Summary::of(&profile, max_bytes)?)?
    .stored(&stored, "json");
    if let Some(name) = &parsed.display_name {
        draft = draft.display_name(name);
    }
    let artifact_id = ctx.artifacts().register(draft)?;
    let (schema_fingerprint, record_count) = (profile.schema_fingerprint, profile.record_count);
    Ok(Profiled {
        artifact_id,
        schema_fingerprint,
        record_count,
    })
}

/// Reads the rows part by part, and says how far it is each time a part is done.
async fn profiled(
    ctx: &ExecutionContext,
    parsed: &Artifact,
    columns: &[Column],
) -> Result<Profile, HandlerError> {
    let form = form_of(ctx, parsed).await?;
    let total = form.size_bytes.max(1);
    let mut rows = ctx.artifacts().read_stream(&form).await?;
    let mut profiler = Profiler::new(columns);
    let (mut part, mut done) = (Vec::new(), 0_i64);
    loop {
        let next = rows.next().await.transpose()?;
        let is_last = next.is_none();
        part.extend_from_slice(&next.unwrap_or_default());
        if part.len() < PART_BYTES && !is_last {
            continue;
        }
        done = done.saturating_add(i64::try_from(part.len()).unwrap_or(i64::MAX));
        let taken = std::mem::take(&mut part);
        let added = blocking(ctx, move || profiler.push(&taken).map(|()| profiler));
        profiler = added.await?.map_err(|error| malformed(&error))?;
        if is_last {
            return profiler.finish().map_err(|error| malformed(&error));
        }
        ctx.progress(0.9 * share(done, total), "profiling").await?;
    }
}

fn share(done: i64, total: i64) -> f64 {
    let number = |n: i64| f64::from(u32::try_from(n / 1024).unwrap_or(u32::MAX));
    number(done) / number(total).max(1.0)
}
