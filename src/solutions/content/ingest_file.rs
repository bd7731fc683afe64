//! `ingest_file`: takes content, stores it by its digest, registers a `file` that is PENDING.
//!
//! Each ingestion makes a file of its own, with the name it was given: the same bytes may come under
//! several names, and a deleted file may come again. The bytes are stored once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    NAME,
    source::{self, Source},
};
use crate::{
    content::{Digest, Stored},
    model::{ArtifactId, Fault},
    runtime::{
        ArtifactDraft, ExecutionContext, FingerprintInput, HandlerError, IntentRegistry,
        RegistrationError, Works,
    },
};

/// The longest name of a file, in characters.
const MAX_NAME_CHARACTERS: usize = 255;
/// The longest extension that is taken for the name of a format.
const MAX_FORMAT_BYTES: usize = 16;

// Serde cannot refuse unknown fields beside flattened ones; the schema does, at submit.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
struct Parameters {
    #[serde(flatten)]
    source: Source,
    /// The file's name, as people know it; without control characters.
    #[schemars(length(min = 1, max = 255))]
    ui_name: Option<String>,
    /// The same as `ui_name`, which wins where both are given.
    #[schemars(length(min = 1, max = 255))]
    filename: Option<String>,
    /// The kind of file, as the client says.
    #[schemars(length(max = 100))]
    file_type: Option<String>,
    /// Its media type, as the client says.
    #[schemars(length(max = 255))]
    mime_type: Option<String>,
    /// Where it comes from, in the client's own terms.
    source_metadata: Option<Map<String, Value>>,
}

/// The meaning of the file, as the client says; nothing of where it is stored.
#[derive(Debug, Serialize)]
struct Descriptor<'a> {
    ui_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
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
    let (for_run, for_check) = (works.clone(), works.clone());
    registry
        .handler("ingest_file", NAME, move |ctx, parameters| {
            ingest(ctx, parameters, for_run.clone())
        })
        .description("Takes a file in: inline text or base64, or an upload. The file is PENDING.")
        .solution(NAME)
        .check(|parameters| check(parameters, "ui_name"))
        .fingerprint(Arc::new(move |input| {
            Box::pin(arrived(input, for_check.clone()))
        }))
        .register()
}

/// The faults of parameters that should bring a file; `asked_for` is how its name is called where
/// there is none.
pub(super) fn check(parameters: &Value, asked_for: &str) -> Vec<Fault> {
    let mut faults = source::check(parameters);
    let given = |name: &&str| parameters.get(name).is_some_and(|value| !value.is_null());
    let names: Vec<&str> = ["ui_name", "filename"].into_iter().filter(given).collect();
    if names.is_empty() {
        let message = format!("{asked_for} is missing");
        faults.push(Fault::at(["parameters", asked_for], message));
    }
    let malformed = names.into_iter().filter(|name| !is_name(&parameters[name]));
    faults.extend(malformed.map(|name| {
        let message = "a name has 1 to 255 characters, none of them a control character";
        Fault::at(["parameters", name], message)
    }));
    faults
}

fn is_name(value: &Value) -> bool {
    value.as_str().is_some_and(|name| {
        (1..=MAX_NAME_CHARACTERS).contains(&name.chars().count())
            && !name.chars().any(char::is_control)
    })
}

/// No two ingestions are the same work. An upload whose bytes have not arrived is refused here, at
/// submit.
async fn arrived(
    input: FingerprintInput,
    works: Works,
) -> Result<Option<Vec<Vec<u8>>>, HandlerError> {
    let source: Source = serde_json::from_value(input.parameters)
        .map_err(|e| HandlerError::fatal("INVALID_PARAMETERS", e.to_string()))?;
    source.check_arrived(&works, &input.scope).await?;
    Ok(None)
}

async fn ingest(
    ctx: ExecutionContext,
    parameters: Parameters,
    works: Works,
) -> Result<Ingested, HandlerError> {
    let stored = parameters.source.store(&works, &ctx).await?;
    let artifact_id = register_file(&ctx, parameters, &stored)?;
    Ok(Ingested {
        artifact_id,
        digest: stored.digest,
        size_bytes: stored.size_bytes,
    })
}

fn register_file(
    ctx: &ExecutionContext,
    parameters: Parameters,
    stored: &Stored,
) -> Result<ArtifactId, HandlerError> {
    let name = parameters
        .ui_name
        .or(parameters.filename)
        .unwrap_or_default();
    let descriptor = Descriptor {
        ui_name: &name,
        file_type: parameters.file_type,
        mime_type: parameters.mime_type,
        source_metadata: parameters.source_metadata,
    };
    let draft = ArtifactDraft::new("file", "file")
        .pending()
        .display_name(&name)
        .descriptor(&descriptor)?
        .stored(stored, &format_of(&name));
    ctx.artifacts().register(draft)
}

/// The extension of a file's name, if it looks like one.
fn format_of(name: &str) -> String {
    let is_format = |extension: &&str| {
        (1..=MAX_FORMAT_BYTES).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let format = extension.filter(is_format).unwrap_or("binary");
    format.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schema_knows_each_parameter_and_no_other() {
        let schema = schemars::schema_for!(Parameters).to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let all = json!({
            "content": "a", "ui_name": "a.csv", "filename": "a.csv", "file_type": "csv",
            "mime_type": "text/csv", "source_metadata": {"from": ["x", 1]},
        });
        assert!(validator.is_valid(&all), "{schema}");
        assert!(validator.is_valid(&json!({"upload_id": "x", "content": null})));
        for wrong in [
            json!({"content": "a", "ui_name": "a", "mimetype": "text/csv"}),
            json!({"content": "a", "ui_name": "a".repeat(256)}),
            json!({"content": "a", "ui_name": ""}),
            json!({"content": "a", "ui_name": "a", "source_metadata": "x"}),
            json!({"content": 1, "ui_name": "a"}),
        ] {
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
    }

    #[test]
    fn a_file_has_a_name_that_can_be_shown() {
        let paths = |parameters: &Value| -> Vec<String> {
            let faults = check(parameters, "ui_name").into_iter();
            faults.map(|fault| fault.path.join(".")).collect()
        };
        assert_eq!(
            paths(&json!({"content": "a", "ui_name": "Ä b.csv"})),
            [""; 0]
        );
        assert_eq!(
            paths(&json!({"content": "a", "ui_name": null, "filename": "a"})),
            [""; 0]
        );
        assert_eq!(
            paths(&json!({"content": "a", "ui_name": null})),
            ["parameters.ui_name"]
        );
        assert_eq!(
            paths(&json!({"content": "a", "filename": "a\u{0}b"})),
            ["parameters.filename"]
        );
    }

    #[test]
    fn only_what_looks_like_an_extension_names_a_format() {
        assert_eq!(format_of("a.tar.GZ"), "gz");
        for name in ["a", "a.", "v1.2 final copy", "a.ä", "a.aaaaaaaaaaaaaaaaa"] {
            assert_eq!(format_of(name), "binary", "{name}");
        }
    }
}
