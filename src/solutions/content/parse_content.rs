//! `parse_content`: a file becomes records with typed columns.

use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    NAME,
    parsing::{self, Column, Format, ParseError, ParseOptions, Parsed},
    target::{self, Target, content_of},
};
use crate::{
    model::ArtifactId,
    runtime::{
        ArtifactDraft, ExecutionContext, FingerprintInput, HandlerError, IntentRegistry,
        RegistrationError,
    },
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Parameters {
    #[serde(flatten)]
    target: Target,
    /// What is known of the format; the rest is detected.
    #[serde(default)]
    parse_options: ParseOptions,
}

#[derive(Debug, Serialize)]
struct ParsedContent {
    artifact_id: ArtifactId,
    parser_type: Format,
    record_count: u64,
    schema: Schema,
}

#[derive(Debug, Serialize)]
struct Schema {
    columns: Vec<Column>,
}

pub(super) fn register(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("parse_content", NAME, parse)
        .description("Parses a file: CSV, TSV, JSON, NDJSON or plain text.")
        .solution(NAME)
        .eligible_for("file")
        .check(target::check)
        .fingerprint(Arc::new(|input| {
            Box::pin(async move { fingerprint(input) })
        }))
        .register()
}

/// The same file with the same options is the same work.
fn fingerprint(input: FingerprintInput) -> Result<Option<Vec<Vec<u8>>>, HandlerError> {
    let parameters: Parameters = serde_json::from_value(input.parameters)
        .map_err(|e| HandlerError::fatal("INVALID_PARAMETERS", e.to_string()))?;
    let options = serde_json::to_vec(&parameters.parse_options)?;
    Ok(Some(vec![
        parameters.target.id()?.0.as_bytes().to_vec(),
        options,
    ]))
}

/// What the parser says is final: the same bytes fail again.
pub(super) fn malformed(error: &ParseError) -> HandlerError {
    HandlerError::fatal(error.code(), error.to_string())
}

async fn parse(
    ctx: ExecutionContext,
    parameters: Parameters,
) -> Result<ParsedContent, HandlerError> {
    let file = parameters.target.resolve(&ctx, "file").await?;
    let bytes = content_of(&ctx, &file).await?;
    ctx.progress(0.2, "read").await?;
    let (name, options) = (file.display_name.clone(), parameters.parse_options);
    let parsed =
        tokio::task::spawn_blocking(move || parsing::parse(&bytes, name.as_deref(), &options));
    let parsed = parsed.await?.map_err(|error| malformed(&error))?;
    ctx.progress(0.8, "parsed").await?;
    let Parsed {
        parser_type,
        columns,
        record_count,
        rows_ndjson,
        ..
    } = parsed;
    let stored = ctx.artifacts().store(Bytes::from(rows_ndjson)).await?;
    let descriptor = json!({
        "schema": {"columns": columns},
        "record_count": record_count,
        "parser_type": parser_type,
        "encoding": parsed.encoding,
        "delimiter": parsed.delimiter,
        "has_header": parsed.has_header,
    });
    let mut draft = ArtifactDraft::new("parsed", "parsed_content")
        .parent(file.id)
        .descriptor(&descriptor)?
        .stored(&stored, "ndjson");
    if let Some(name) = &file.display_name {
        draft = draft.display_name(name);
    }
    let artifact_id = ctx.artifacts().register(draft)?;
    Ok(ParsedContent {
        artifact_id,
        parser_type,
        record_count,
        schema: Schema { columns },
    })
}
