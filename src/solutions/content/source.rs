//! Where the bytes of a new file come from: inline text, base64, or an upload.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    content::{Digest, Stored},
    model::{Fault, TenantScope, UploadId},
    runtime::{ExecutionContext, HandlerError, Works},
};

/// The parameters that bring content; exactly one of the three.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
pub(super) struct Source {
    /// The content as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
    /// The content in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_base64: Option<String>,
    /// An upload that has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upload_id: Option<String>,
}

const NAMES: [&str; 3] = ["content", "content_base64", "upload_id"];

/// The faults of parameters that should bring content, found at `path`.
pub(super) fn check(parameters: &Value, path: &[&str]) -> Vec<Fault> {
    let given: Vec<(&str, &str)> = NAMES
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name)?.as_str()?)))
        .collect();
    let at = |name: &str| {
        path.iter()
            .copied()
            .chain([name])
            .map(str::to_owned)
            .collect()
    };
    let fault = |name: &str, message: &str| Fault {
        path: at(name),
        message: message.to_owned(),
    };
    match given.as_slice() {
        [("content_base64", text)] if STANDARD.decode(text).is_err() => {
            vec![fault("content_base64", "not base64")]
        }
        [("upload_id", text)] if text.parse::<UploadId>().is_err() => {
            vec![fault("upload_id", "not the id of an upload")]
        }
        [_] => Vec::new(),
        [] => vec![fault(
            "content",
            "one of content, content_base64 and upload_id is needed",
        )],
        [_, (name, _), ..] => {
            vec![fault(
                name,
                "only one of content, content_base64 and upload_id may be given",
            )]
        }
    }
}

impl Source {
    fn inline(&self) -> Result<Option<Bytes>, HandlerError> {
        if let Some(text) = &self.content {
            return Ok(Some(Bytes::copy_from_slice(text.as_bytes())));
        }
        let decode = |text: &String| {
            STANDARD.decode(text).map(Bytes::from).map_err(|_| {
                HandlerError::fatal("INVALID_PARAMETERS", "content_base64 is not base64")
            })
        };
        self.content_base64.as_ref().map(decode).transpose()
    }

    /// The digest of the content, wherever it is; an upload has one once it has arrived.
    pub(super) async fn digest(
        &self,
        works: &Works,
        scope: &TenantScope,
    ) -> Result<Digest, HandlerError> {
        match self.inline()? {
            Some(bytes) => Ok(Digest::of(&bytes)),
            None => Ok(self.uploaded(works, scope).await?.digest),
        }
    }

    async fn uploaded(&self, works: &Works, scope: &TenantScope) -> Result<Stored, HandlerError> {
        let id: Option<UploadId> = self.upload_id.as_ref().and_then(|text| text.parse().ok());
        let id =
            id.ok_or_else(|| HandlerError::fatal("INVALID_PARAMETERS", "malformed upload id"))?;
        let upload = works
            .find_upload(scope, id)
            .await?
            .ok_or_else(|| HandlerError::fatal("NOT_FOUND", "there is no upload with this id"))?;
        let digest = upload
            .digest
            .as_ref()
            .and_then(|digest| digest.parse().ok())
            .ok_or_else(|| {
                HandlerError::fatal(
                    "UPLOAD_INCOMPLETE",
                    "the bytes of the upload have not arrived",
                )
            })?;
        Ok(Stored {
            digest,
            size_bytes: upload.declared_size_bytes.unsigned_abs(),
        })
    }

    /// Puts the content into the content store, unless it is there.
    pub(super) async fn store(
        &self,
        works: &Works,
        ctx: &ExecutionContext,
    ) -> Result<Stored, HandlerError> {
        match self.inline()? {
            Some(bytes) => ctx.artifacts().store(bytes).await,
            None => self.uploaded(works, &ctx.scope()).await,
        }
    }
}
