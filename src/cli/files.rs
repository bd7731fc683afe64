//! Files on their way into an intent: small text inline, anything else by an upload.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::client::{
    Client,
    operations::{CreateUpload, create_upload},
    refusal,
};

/// Files up to this size travel inside the intent.
const INLINE_BYTES: usize = 256 * 1024;
/// The file that is read from standard input.
const STANDARD_INPUT: &str = "-";

/// A file to take in.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// The name that the user gave it.
    pub(super) label: String,
    /// Its name without its folder.
    name: String,
    bytes: Vec<u8>,
}

/// The part of an intent that a file adds.
#[derive(Debug, Clone, Default)]
pub(super) struct Brought {
    /// Its parameters.
    pub(super) parameters: Map<String, Value>,
    /// Notes by which a repetition knows what was uploaded.
    pub(super) metadata: Option<Value>,
}

impl Input {
    /// Content in memory.
    pub(super) fn of(name: &str, bytes: &[u8]) -> Self {
        Self {
            label: name.to_owned(),
            name: name.to_owned(),
            bytes: bytes.to_vec(),
        }
    }

    /// A file, or standard input for `-`.
    pub(super) async fn read(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new(STANDARD_INPUT) {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.context("standard input cannot be read")?;
            return Ok(Self::of("stdin", &bytes));
        }
        let bytes = tokio::fs::read(path)
            .await
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let name = path.file_name().map(|name| name.to_string_lossy());
        Ok(Self {
            label: path.display().to_string(),
            name: name.unwrap_or_default().into_owned(),
            bytes,
        })
    }

    /// Brings it to the server; `named` is the parameter that takes its name.
    pub(super) async fn bring(self, client: &Client, named: &str) -> anyhow::Result<Brought> {
        let mut parameters = Map::from_iter([(named.to_owned(), json!(self.name))]);
        let is_small = self.bytes.len() <= INLINE_BYTES;
        let bytes = match String::from_utf8(self.bytes) {
            Ok(text) if is_small => {
                parameters.insert("content".to_owned(), json!(text));
                let metadata = None;
                return Ok(Brought {
                    parameters,
                    metadata,
                });
            }
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
        let id = upload(client, &self.name, bytes).await?;
        parameters.insert("upload_id".to_owned(), json!(id));
        Ok(Brought {
            parameters,
            metadata: Some(json!({"content_sha256": digest})),
        })
    }
}

/// Refuses standard input that is to be read twice.
pub(super) fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    let from_input = files
        .iter()
        .filter(|file| **file == Path::new(STANDARD_INPUT));
    anyhow::ensure!(
        from_input.count() <= 1,
        "standard input can be read once only"
    );
    Ok(())
}

async fn upload(client: &Client, name: &str, bytes: Vec<u8>) -> anyhow::Result<String> {
    let input = create_upload::CreateUploadInput {
        filename: name.to_owned(),
        mime_type: None,
        size_bytes: bytes.len().to_string(),
    };
    let answer = client
        .run::<CreateUpload>(create_upload::Variables { input })
        .await?
        .create_upload;
    refusal(&answer.errors)?;
    let url = answer
        .url
        .context("the server names no place for the upload")?;
    client.put(&url, bytes).await?;
    Ok(answer.upload.context("the server names no upload")?.id)
}
