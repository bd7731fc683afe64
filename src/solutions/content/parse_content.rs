//! `parse_content`: a file becomes records with typed columns.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    NAME,
    blocking::blocking,
    parsing::{self, Column, Format, ParseError, ParseOptions, Parsed, Rejected, Skipped},
    target::{self, Target, content_of, derived_name},
};
use crate::{
    model::{Artifact, ArtifactId, Fault},
    runtime::{
        ArtifactDraft, ExecutionContext, FingerprintInput, HandlerError, IntentRegistry,
        RegistrationError,
    },
};

/// The version of how files are read: what another one made of the same file is another artifact.
const VERSION: &[u8] = b"2";

/// The time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

// Serde cannot refuse unknown fields beside flattened ones; the schema does, at submit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
struct Parameters {
    #[serde(flatten)]
    target: Target,
    /// The options of the format; the others are detected.
    #[serde(default)]
    parse_options: ParseOptions,
}

#[derive(Debug, Serialize)]
struct ParsedContent {
    artifact_id: ArtifactId,
    parser_type: Format,
    record_count: u64,
    schema: Schema,
    /// The rows that lenient reading left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_count: Option<u64>,
    /// The artifact with the first of them, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_artifact_id: Option<ArtifactId>,
}

#[derive(Debug, Serialize)]
struct Schema {
    columns: Vec<Column>,
}

/// The meaning of the rows, and how they were read.
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
    /// The number of lines that were left out as comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_lines: Option<u64>,
    /// The number of rows that lenient reading left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_count: Option<u64>,
}

/// A description of the rows that were left out; some of them are content.
#[derive(Debug, Serialize)]
struct RejectedDescriptor {
    rejected_count: u64,
    /// The number of them that are in the content, the first ones.
    kept_count: usize,
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
        Err(error) => return Some(unreadable(given, &error)),
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

/// The fault of options that cannot be read, at the first one that cannot be read by itself.
fn unreadable(given: &Value, error: &serde_json::Error) -> Fault {
    let fault_of = |(name, value): (&String, &Value)| {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        let error = ParseOptions::deserialize(Value::Object(alone)).err()?;
        let path = ["parameters", "parse_options", name];
        Some(Fault::at(path, error.to_string()))
    };
    let mut options = given.as_object().into_iter().flatten();
    let whole = || Fault::at(["parameters", "parse_options"], error.to_string());
    options.find_map(fault_of).unwrap_or_else(whole)
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

/// Returns the error for a fault that the parser found. It is final: the same bytes fail again.
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
    let (has_comments, is_lenient) = (options.comment.is_some(), options.is_lenient());
    let (told, heard) = watch::channel(0);
    let parsed = blocking(&ctx, move || {
        let tell = |thousandths| {
            told.send_replace(thousandths);
        };
        parsing::parse_watched(&bytes, name.as_deref(), &options, &tell)
    });
    let parsed = reporting(&ctx, parsed, heard).await?;
    let parsed = parsed.map_err(|error| malformed(&error))?;
    ctx.progress(0.8, "parsed").await?;
    let Parsed {
        parser_type,
        columns,
        record_count,
        rows,
        rejected,
        ..
    } = parsed;
    let rejected_count = is_lenient.then_some(rejected.count);
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
        rejected_count,
    };
    let mut draft = ArtifactDraft::new(&derived_name(&ctx, "parsed").await?, "parsed_content")
        .parent(file.id)
        .descriptor(&descriptor)?
        .stored(&stored, "ndjson");
    if let Some(name) = &file.display_name {
        draft = draft.display_name(name);
    }
    let artifact_id = ctx.artifacts().register(draft)?;
    let rejected_artifact_id = match rejected.count {
        0 => None,
        _ => Some(set_aside(&ctx, &file, &rejected).await?),
    };
    Ok(ParsedContent {
        artifact_id,
        parser_type,
        record_count,
        schema,
        rejected_count,
        rejected_artifact_id,
    })
}

/// Waits for `work` and reports meanwhile how far it is, twice a second at most.
async fn reporting<T>(
    ctx: &ExecutionContext,
    work: impl Future<Output = Result<T, HandlerError>>,
    mut heard: watch::Receiver<u32>,
) -> Result<T, HandlerError> {
    tokio::pin!(work);
    loop {
        let is_told = tokio::select! {
            biased;
            told = heard.changed() => told.is_ok(),
            ended = &mut work => return ended,
        };
        if !is_told {
            return work.await;
        }
        let share = f64::from(*heard.borrow_and_update()) / 1_000.0;
        ctx.progress(0.2 + 0.6 * share, "parsing").await?;
        tokio::select! {
            biased;
            ended = &mut work => return ended,
            () = tokio::time::sleep(REPORT_INTERVAL) => {}
        }
    }
}

/// Makes an artifact of the rows that were left out: one JSON object a line, each with its line in
/// the file, the reason, and its text.
async fn set_aside(
    ctx: &ExecutionContext,
    file: &Artifact,
    rejected: &Rejected,
) -> Result<ArtifactId, HandlerError> {
    let mut rows = Vec::new();
    for row in &rejected.rows {
        serde_json::to_writer(&mut rows, row)?;
        rows.push(b'\n');
    }
    let stored = ctx.artifacts().store(rows.into()).await?;
    let descriptor = RejectedDescriptor {
        rejected_count: rejected.count,
        kept_count: rejected.rows.len(),
    };
    let mut draft = ArtifactDraft::new(&derived_name(ctx, "rejected").await?, "rejected_rows")
        .parent(file.id)
        .descriptor(&descriptor)?
        .stored(&stored, "ndjson");
    if let Some(name) = &file.display_name {
        draft = draft.display_name(name);
    }
    ctx.artifacts().register(draft)
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
                "skip_rows": 2, "comment": "#", "decimal": ",", "date_format": "DD/MM/YYYY",
                "mode": "lenient", "path": "/items"});
        let all = json!({"artifact_id": "x", "parse_options": options});
        assert!(validator.is_valid(&all), "{schema}");
        assert!(validator.is_valid(&json!({"file_id": "x"})));
        for wrong in [
            json!({"file_id": "x", "parse_option": {}}),
            json!({"file_id": "x", "parse_options": {"delimitr": ";"}}),
            json!({"file_id": "x", "parse_options": {"delimiter": ";;"}}),
            json!({"file_id": "x", "parse_options": {"format": "xml"}}),
            json!({"file_id": "x", "parse_options": {"skip_rows": 1001}}),
            json!({"file_id": "x", "parse_options": {"mode": "loose"}}),
            json!({"file_id": "x", "parse_options": {"path": format!("/{}", "x".repeat(1_024))}}),
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
        assert_eq!(unknown.path, ["parameters", "parse_options", "delimitr"]);
        let wrong = fault(json!({"format": "csv", "skip_rows": "two"})).unwrap();
        assert_eq!(wrong.path, ["parameters", "parse_options", "skip_rows"]);
        let whole = fault(json!("csv")).unwrap();
        assert_eq!(whole.path, ["parameters", "parse_options"]);
    }
}
