//! A request as it comes in, by the names of GraphQL over HTTP.

use apollo_compiler::response::{JsonMap, JsonValue};
use serde::Deserialize;

use crate::api::ApiError;

/// A request as a client sends it, on any transport. A parameter that is null is one that is absent; unknown
/// ones are for others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incoming {
    /// The document.
    pub(crate) query: Option<String>,
    /// A trusted document instead.
    document_id: Option<String>,
    /// Which operation of the document, where it has several.
    pub(crate) operation_name: Option<String>,
    /// Values of the operation's variables.
    pub(crate) variables: Option<JsonMap>,
    /// Extensions of the protocol.
    extensions: Option<JsonMap>,
    /// Bytes of the JSON it was read from.
    #[serde(skip)]
    pub(crate) bytes: usize,
}

impl Incoming {
    /// The request in a JSON text.
    pub(crate) fn read(json: &[u8]) -> Result<Self, ApiError> {
        // Only an object is taken; a sequence of its values would be, too.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::bad_input("a request is a JSON object"));
        }
        let read = serde_json::from_slice(json).map_err(|fault| {
            let place = format!("line {} column {}", fault.line(), fault.column());
            ApiError::bad_input(match fault.classify() {
                serde_json::error::Category::Data => format!(
                    "query, documentId and operationName are strings, variables and extensions objects ({place})"
                ),
                _ => format!("the request is not JSON ({place})"),
            })
        });
        read.map(|read: Self| Self {
            bytes: json.len(),
            ..read
        })
    }

    /// The request in the query of a URL.
    pub(crate) fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ApiError> {
        let object = |name: &str, text: &str| match text {
            "" | "null" => Ok(None),
            text => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| ApiError::bad_input(format!("{name} is a JSON object"))),
        };
        let mut this = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "query" => this.query = Some(value),
                "documentId" => this.document_id = Some(value),
                "operationName" => this.operation_name = Some(value).filter(|v| !v.is_empty()),
                "variables" => this.variables = object("variables", &value)?,
                "extensions" => this.extensions = object("extensions", &value)?,
                _ => {}
            }
        }
        Ok(this)
    }

    /// Returns whether it says at all what to run.
    pub(crate) fn has_document(&self) -> bool {
        self.query.is_some() || self.document_id.is_some() || self.extensions.is_some()
    }

    /// The id of a trusted document: `documentId`, or the hash of a persisted query.
    pub(super) fn document_id(&self) -> Result<Option<&str>, ApiError> {
        if let Some(id) = self.document_id.as_deref() {
            return Ok(Some(id));
        }
        let persisted = self
            .extensions
            .as_ref()
            .and_then(|e| e.get("persistedQuery"));
        let Some(persisted) = persisted else {
            return Ok(None);
        };
        let hash = persisted.get("sha256Hash").and_then(JsonValue::as_str);
        hash.map(Some)
            .ok_or_else(|| ApiError::bad_input("persistedQuery has a sha256Hash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_object_of_the_right_types() {
        let read =
            Incoming::read(br#" {"query": "{ a }", "variables": {"b": 1}, "operationName": "c"}"#);
        let read = read.unwrap();
        assert_eq!(read.query.as_deref(), Some("{ a }"));
        assert_eq!(read.operation_name.as_deref(), Some("c"));
        let nulls =
            br#"{"query": "{ a }", "variables": null, "operationName": null, "extensions": null}"#;
        assert!(Incoming::read(nulls).is_ok());
        for bad in [
            "",
            "[]",
            r#"["{ a }"]"#,
            "{",
            r#"{"query": 7}"#,
            "null",
            r#"{"query": "{ a }", "variables": []}"#,
            r#"{"query": "{ a }", "variables": "x"}"#,
            r#"{"query": "{ a }", "extensions": 0}"#,
            r#"{"query": "{ a }", "operationName": {}}"#,
        ] {
            assert!(Incoming::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trusted_document_is_named_in_either_way() {
        let by_id = Incoming::read(br#"{"documentId": "x"}"#).unwrap();
        assert_eq!(by_id.document_id().unwrap(), Some("x"));
        let by_hash = br#"{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "y"}}}"#;
        let by_hash = Incoming::read(by_hash).unwrap();
        assert_eq!(by_hash.document_id().unwrap(), Some("y"));
        let faulty = Incoming::read(br#"{"extensions": {"persistedQuery": {}}}"#).unwrap();
        assert!(faulty.document_id().is_err());
    }
}
