//! `get_parsed_file`: a look at the rows of parsed content. Makes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    NAME,
    blocking::blocking,
    parse_content::malformed,
    parsing,
    target::{self, Target, form_of},
};
use crate::{
    content::LineWindow,
    model::{ArtifactId, RawJson},
    runtime::{ExecutionContext, HandlerError, IntentRegistry, RegistrationError, Works},
};

const DEFAULT_LIMIT: usize = 20;

// Serde cannot refuse unknown fields beside flattened ones; the schema does, at submit.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
struct Parameters {
    #[serde(flatten)]
    target: Target,
    /// Rows to skip.
    #[serde(default)]
    offset: u64,
    /// Rows to return; 20 if not given.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Preview {
    artifact_id: ArtifactId,
    offset: u64,
    /// As they are stored, so that the columns keep the order of the file.
    rows: Vec<RawJson>,
}

pub(super) fn register(
    registry: &mut IntentRegistry,
    works: &Works,
) -> Result<(), RegistrationError> {
    let max_bytes = usize::try_from(works.limits.result_bytes).unwrap_or(usize::MAX);
    registry
        .handler("get_parsed_file", NAME, move |ctx, parameters| {
            preview(ctx, parameters, max_bytes)
        })
        .description("Returns some rows of parsed content.")
        .solution(NAME)
        .eligible_for("parsed_content")
        .check(target::check)
        .read_only()
        .register()
}

async fn preview(
    ctx: ExecutionContext,
    parameters: Parameters,
    max_bytes: usize,
) -> Result<Preview, HandlerError> {
    let parsed = parameters.target.resolve(&ctx, "parsed_content").await?;
    let form = form_of(&ctx, &parsed).await?;
    let (offset, limit) = (parameters.offset, parameters.limit.unwrap_or(DEFAULT_LIMIT));
    let window = LineWindow {
        skip: offset,
        most: limit,
        max_bytes,
    };
    let lines = ctx.artifacts().read_lines(&form, window).await?;
    let rows = blocking(&ctx, move || parsing::preview(&lines, offset));
    let rows = rows.await?.map_err(|error| malformed(&error))?;
    Ok(Preview {
        artifact_id: parsed.id,
        offset,
        rows,
    })
}
