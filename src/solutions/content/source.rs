//! Where the bytes of a new file come from: inline text, base64, or an upload.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    content::Stored,
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

/// The faults of parameters that should bring content. A null is a parameter that is not given.
pub(super) fn check(parameters: &Value) -> Vec<Fault> {
    let given: Vec<(&str, &Value)> = NAMES
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name)?)))
        .filter(|(_, value)| !value.is_null())
        .collect();
    let (at, message) = match given.as_slice() {
        [] => (
            "content",
            "one of content, content_base64 and upload_id is needed",
        ),
        [(name, value)] => match fault_of(name, value) {
            Some(message) => (*name, message),
            None => return Vec::new(),
        },
        [_, (name, _), ..] => (
            *name,
            "only one of content, content_base64 and upload_id may be given",
        ),
    };
    vec![Fault::at(["parameters", at], message)]
}

fn fault_of(name: &str, value: &Value) -> Option<&'static str> {
    let Some(text) = value.as_str() else {
        return Some("not text");
    };
    match name {
        "content_base64" if STANDARD.decode(text).is_err() => Some("not base64"),
        "upload_id" if text.parse::<UploadId>().is_err() => Some("not the id of an upload"),
        _ => None,
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

    /// Fails for an upload whose bytes have not arrived.
    pub(super) async fn check_arrived(
        &self,
        works: &Works,
        scope: &TenantScope,
    ) -> Result<(), HandlerError> {
        if self.upload_id.is_some() {
            self.uploaded(works, scope).await?;
        }
        Ok(())
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
        if !works.content.contains(scope, &digest).await? {
            let message = "the bytes of the upload are no longer kept: send them again";
            return Err(HandlerError::fatal("UPLOAD_EXPIRED", message));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn content_comes_in_exactly_one_way() {
        let paths = |parameters: &Value| -> Vec<String> {
            let faults = check(parameters).into_iter();
            faults.map(|fault| fault.path.join(".")).collect()
        };
        let upload = UploadId(uuid::Uuid::from_u128(7)).to_string();
        for fine in [
            json!({"content": ""}),
            json!({"content": "a", "upload_id": null}),
            json!({"content_base64": "YQ=="}),
            json!({"upload_id": upload}),
        ] {
            assert_eq!(paths(&fine), [""; 0], "{fine}");
        }
        for (wrong, at) in [
            (json!({}), "content"),
            (json!({"content": null}), "content"),
            (json!({"content": 1}), "content"),
            (
                json!({"content": "a", "content_base64": "YQ=="}),
                "content_base64",
            ),
            (json!({"content": 1, "upload_id": upload}), "upload_id"),
            (json!({"content_base64": "Y?"}), "content_base64"),
            (json!({"upload_id": "art_1"}), "upload_id"),
        ] {
            assert_eq!(paths(&wrong), [format!("parameters.{at}")], "{wrong}");
        }
    }
}
