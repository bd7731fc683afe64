//! JSON values of any permitted size: small ones stay in the row, large ones go to the store.

use bytes::Bytes;

use super::{ContentStore, Digest, Error};
use crate::model::{Payload, RawJson, TenantScope};

/// Stores and loads JSON values, small ones inline and large ones in the content store.
#[derive(Clone, Debug)]
pub struct Payloads {
    store: ContentStore,
    /// Where they were before they had a place of their own.
    content: ContentStore,
    inline_bytes: usize,
}

impl Payloads {
    /// Values of more than `inline_bytes` go to `content`.
    #[must_use]
    pub fn new(content: ContentStore, inline_bytes: usize) -> Self {
        Self {
            store: content.for_payloads(),
            content,
            inline_bytes,
        }
    }

    /// Stores `json` if it is large, and returns what the database is to hold for it.
    ///
    /// # Errors
    /// When the content store does not take it.
    pub async fn store(&self, scope: &TenantScope, json: &RawJson) -> Result<Payload, Error> {
        if json.as_str().len() <= self.inline_bytes {
            return Ok(Payload::inline(json));
        }
        let bytes = Bytes::copy_from_slice(json.as_str().as_bytes());
        let stored = self.store.put(scope, bytes).await?;
        Ok(Payload::reference(
            &stored.digest.to_string(),
            stored.size_bytes,
        ))
    }

    /// The value that the database holds or refers to.
    ///
    /// # Errors
    /// When the content store does not have it whole.
    pub async fn load(&self, scope: &TenantScope, payload: &Payload) -> Result<RawJson, Error> {
        if let Some(json) = payload.as_inline() {
            return Ok(json);
        }
        let reference = payload
            .as_reference()
            .and_then(|(digest, _)| digest.parse::<Digest>().ok());
        let digest = reference.ok_or(Error::Corrupt)?;
        if let (Some(meter), Some((_, bytes))) = (scope.meter(), payload.as_reference()) {
            meter.read(bytes)?;
        }
        let bytes = match self.store.get(scope, &digest).await {
            Err(Error::NotFound) => self.content.get(scope, &digest).await?,
            found => found?,
        };
        let text = String::from_utf8(bytes.into()).map_err(|_| Error::Corrupt)?;
        Ok(RawJson::trusted(text))
    }
}
