//! Trusted documents: those that the operator put into a folder. They are read and validated at
//! start, and are bounded like all others.
//!
//! `NAME.graphql` is known by the SHA-256 of its text in hex, `sha256:` before it or not.
//! `NAME.json` is a manifest, an object from ids to texts, or Apollo's and Relay's form of it.

use std::{collections::HashMap, path::Path, sync::Arc};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Refused, document::Document};

/// Why the trusted documents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustedError {
    /// The schema itself is at fault.
    #[error("the schema is not valid: {0}")]
    Schema(String),
    /// The folder, or something in it, cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The fault.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A manifest is not one.
    #[error("{path} is not a manifest of documents")]
    Manifest {
        /// Which.
        path: String,
    },
    /// A document is not valid for this schema.
    #[error("the document {id} in {path} is not valid: {reason}")]
    Invalid {
        /// Its id.
        id: String,
        /// The file.
        path: String,
        /// The first error.
        reason: String,
    },
}

/// The documents by their ids.
#[derive(Default)]
pub(super) struct Trusted {
    by_id: HashMap<String, Arc<Document>>,
}

impl Trusted {
    /// Everything in a folder.
    pub(super) fn read(
        folder: &Path,
        check: impl Fn(&str) -> Result<Document, Refused>,
    ) -> Result<Self, TrustedError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| TrustedError::Read { path, source }
        };
        let mut this = Self::default();
        for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let kind = path.extension().and_then(|kind| kind.to_str());
            if !matches!(kind, Some("graphql" | "json")) {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
            let found = if kind == Some("json") {
                let shown = path.display().to_string();
                manifest(&text).ok_or(TrustedError::Manifest { path: shown })?
            } else {
                vec![(hash(&text), text)]
            };
            for (id, text) in found {
                this.add(id, &text, &path, &check)?;
            }
        }
        Ok(this)
    }

    fn add(
        &mut self,
        id: String,
        text: &str,
        path: &Path,
        check: impl Fn(&str) -> Result<Document, Refused>,
    ) -> Result<(), TrustedError> {
        let document = check(text).map_err(|refused| {
            let errors = refused.into_errors(None);
            let reason = errors.into_iter().next().map(|error| error.message);
            TrustedError::Invalid {
                id: id.clone(),
                path: path.display().to_string(),
                reason: reason.unwrap_or_default(),
            }
        })?;
        let document = Arc::new(document);
        self.by_id.insert(hash(text), Arc::clone(&document));
        self.by_id.insert(id, document);
        Ok(())
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Document>> {
        let id = id.strip_prefix("sha256:").unwrap_or(id);
        self.by_id.get(id).cloned()
    }

    /// A trusted document may also be sent in full.
    pub(super) fn find_text(&self, text: &str) -> Option<Arc<Document>> {
        if self.by_id.is_empty() {
            return None;
        }
        self.find(&hash(text))
    }
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

fn manifest(text: &str) -> Option<Vec<(String, String)>> {
    let manifest: Value = serde_json::from_str(text).ok()?;
    let pair = |id: &str, text: &Value| Some((id.to_owned(), text.as_str()?.to_owned()));
    if let Some(operations) = manifest.get("operations").and_then(Value::as_array) {
        let operations = operations.iter();
        return operations
            .map(|one| pair(one["id"].as_str()?, &one["body"]))
            .collect();
    }
    let pairs = manifest.as_object()?.iter();
    pairs
        .map(|(id, text)| pair(id.strip_prefix("sha256:").unwrap_or(id), text))
        .collect()
}
