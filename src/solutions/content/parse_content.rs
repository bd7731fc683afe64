//! `parse_content`: a file becomes records with typed columns.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    NAME,
    blocking::blocking,
    parsing::{self, Column, Format, ParseError, ParseOptions, Parsed, Skipped},
    target::{self, Target, content_of, derived_name},
};
use crate::{
    model::{ArtifactId, Fault},
    runtime::{
        ArtifactDraft, ExecutionContext, FingerprintInput, HandlerError, IntentRegistry,
        RegistrationError,
    },
};

/// The version of how files are read: what another one made of the same file is another artifact.
const VERSION: &[u8] = b"2";

// Serde cannot refuse unknown fields beside flattened ones; the schema does, at submit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
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

/// What the rows mean and how they were read.
#[derive(Debug, Serialize)]
struct Descriptor<'a> {
    schema: &'a Schema,
    record_count: u64,
    parser_type: Format,
    encoding: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_header: Option<bool>,
    /// The lines before the table that were left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'a Skipped>,
    /// How many lines were left out as comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_lines: Option<u64>,
}

pub(super) fn register(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("parse_content", NAME, parse)
        .description("Parses a file: CSV, TSV, JSON, NDJSON or plain text.")
        .solution(NAME)
        .eligible_for("file")
        .check(check)
        .fingerprint(Arc::new(|input| {
            Box::pin(async move { fingerprint(input) })
        }))
        .register()
}

fn check(parameters: &Value) -> Vec<Fault> {
    let mut faults = target::check(parameters);
    faults.extend(check_options(parameters));
    faults
}

/// The faults of `parse_options`, which need not be given.
pub(super) fn check_options(parameters: &Value) -> Option<Fault> {
    let given = parameters.get("parse_options")?;
    let options = match ParseOptions::deserialize(given) {
        Ok(options) => options,
        Err(error) => {
            return Some(Fault::at(
                ["parameters", "parse_options"],
                error.to_string(),
            ));
        }
    };
    match options.validate().err()? {
        ParseError::InvalidOption { option, reason } => {
            let path = ["parameters", "parse_options", option];
            Some(Fault::at(path, format!("{option} {reason}")))
        }
        other => Some(Fault::at(
            ["parameters", "parse_options"],
            other.to_string(),
        )),
    }
}

/// The same file with the same options is the same work.
fn fingerprint(input: FingerprintInput) -> Result<Option<Vec<Vec<u8>>>, HandlerError> {
    let parameters: Parameters = serde_json::from_value(input.parameters)
        .map_err(|e| HandlerError::fatal("INVALID_PARAMETERS", e.to_string()))?;
    let options = serde_json::to_vec(&parameters.parse_options)?;
    Ok(Some(vec![
        parameters.target.id()?.0.as_bytes().to_vec(),
        options,
        VERSION.to_vec(),
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
    let has_comments = options.comment.is_some();
    let parsed = blocking(&ctx, move || {
        parsing::parse(&bytes, name.as_deref(), &options)
    });
    let parsed = parsed.await?.map_err(|error| malformed(&error))?;
    ctx.progress(0.8, "parsed").await?;
    let Parsed {
        parser_type,
        columns,
        record_count,
        rows,
        ..
    } = parsed;
    let stored = ctx.artifacts().store_packed(rows).await?;
    let schema = Schema { columns };
    let descriptor = Descriptor {
        schema: &schema,
        record_count,
        parser_type,
        encoding: &parsed.encoding,
        delimiter: parsed.delimiter,
        has_header: parsed.has_header,
        skipped: parsed.skipped.as_ref(),
        comment_lines: has_comments.then_some(parsed.comments),
    };
    let mut draft = ArtifactDraft::new(&derived_name(&ctx, "parsed").await?, "parsed_content")
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
        schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schema_knows_each_option_and_no_other() {
        let schema = schemars::schema_for!(Parameters).to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let options = json!({"format": "csv", "delimiter": ";", "has_header": true, "encoding": "latin1",
                "skip_rows": 2, "comment": "#", "decimal": ",", "date_format": "DD/MM/YYYY"});
        let all = json!({"artifact_id": "x", "parse_options": options});
        assert!(validator.is_valid(&all), "{schema}");
        assert!(validator.is_valid(&json!({"file_id": "x"})));
        for wrong in [
            json!({"file_id": "x", "parse_option": {}}),
            json!({"file_id": "x", "parse_options": {"delimitr": ";"}}),
            json!({"file_id": "x", "parse_options": {"delimiter": ";;"}}),
            json!({"file_id": "x", "parse_options": {"format": "xml"}}),
            json!({"file_id": "x", "parse_options": {"skip_rows": 1001}}),
            json!({"file_id": "x", "parse_options": {"comment": "//"}}),
            json!({"file_id": "x", "parse_options": {"decimal": ";"}}),
            json!({"file_id": "x", "parse_options": {"date_format": "M/D/Y"}}),
            json!({"file_id": 1}),
        ] {
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_found_at_submit() {
        let fault = |options: Value| check_options(&json!({"parse_options": options}));
        assert_eq!(fault(json!({"format": "csv", "has_header": false})), None);
        assert_eq!(check_options(&json!({})), None);
        let header = fault(json!({"format": "json", "has_header": true})).unwrap();
        assert_eq!(header.path, ["parameters", "parse_options", "has_header"]);
        let unknown = fault(json!({"delimitr": ","})).unwrap();
        assert_eq!(unknown.path, ["parameters", "parse_options"]);
    }
}
