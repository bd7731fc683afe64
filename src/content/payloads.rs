//! JSON values of any permitted size: small ones stay in the row, large ones go to the store.

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{ContentStore, Digest, Error};
use crate::model::{Payload, PayloadHead, RawJson, TenantScope};

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
    /// The first bytes of the value, at most so many. Of a value in the content store no more is read than that, and
    /// not checked against its digest.
    ///
    /// # Errors
    /// When the content store does not have it.
    pub async fn head(
        &self,
        scope: &TenantScope,
        payload: &Payload,
        most_bytes: usize,
    ) -> Result<PayloadHead, Error> {
        if let Some(json) = payload.as_inline() {
            let bytes = json.as_str().as_bytes();
            let head = bytes.get(..most_bytes).unwrap_or(bytes).to_vec();
            return PayloadHead::of(bytes.len() as u64, head).ok_or(Error::Corrupt);
        }
        let (digest, size_bytes) = payload.as_reference().ok_or(Error::Corrupt)?;
        let digest: Digest = digest.parse().map_err(|_| Error::Corrupt)?;
        let most = size_bytes.min(most_bytes as u64);
        if let Some(meter) = scope.meter() {
            meter.read(most)?;
        }
        let mut head = Vec::new();
        if most > 0 {
            let mut parts = match self.store.get_part(scope, &digest, 0..most).await {
                Err(Error::NotFound) => self.content.get_part(scope, &digest, 0..most).await?,
                found => found?,
            };
            while let Some(part) = parts.try_next().await? {
                head.extend_from_slice(&part);
            }
        }
        PayloadHead::of(size_bytes, head).ok_or(Error::Corrupt)
    }
}
