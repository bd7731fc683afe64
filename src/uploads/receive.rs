//! Taking the bytes of an upload: as many as were announced, once.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use sha2::{Digest as _, Sha256};

use super::{Error, Uploads};
use crate::{
    content::{Digest, Expected, Link},
    model::{TenantScope, Upload, UploadId},
};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The size and the digest that the sender announces before the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announced {
    /// Their number.
    pub size_bytes: Option<u64>,
    /// Their digest.
    pub digest: Option<Digest>,
}

/// Bytes that have arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Their digest.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// True if they had arrived before.
    pub repeated: bool,
}

impl Uploads {
    /// Takes the bytes of upload `id`. The same bytes may be sent again, others may not.
    ///
    /// # Errors
    /// [`Error`] in each of its variants; nothing is visible of bytes that did not arrive whole.
    pub async fn receive<S, E>(
        &self,
        id: UploadId,
        link: &Link,
        announced: Announced,
        body: S,
    ) -> Result<Received, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Cause>,
    {
        let scope = self.scope_of(id, link)?;
        self.enter(scope.tenant()).await?;
        let upload = self.find(&scope, id).await?;
        let declared_bytes = u64::try_from(upload.declared_size_bytes).unwrap_or_default();
        check_size(declared_bytes, announced.size_bytes)?;
        let body = self.taken(scope.tenant().clone(), body.map_err(Into::into));
        let (digest, repeated) = if let Some(present) = &upload.digest {
            let digest = digest_of(body, declared_bytes).await?;
            if announced.digest.is_some_and(|expected| expected != digest) {
                return Err(Error::DigestMismatch);
            }
            settled(digest, present)?;
            (digest, true)
        } else {
            let expected = Expected {
                max_bytes: declared_bytes,
                declared_size: Some(declared_bytes),
                declared_digest: announced.digest,
            };
            (self.keep(&scope, id, body, expected).await?, false)
        };
        Ok(Received {
            digest,
            size_bytes: declared_bytes,
            repeated,
        })
    }

    fn scope_of(&self, id: UploadId, link: &Link) -> Result<TenantScope, Error> {
        let (id, now_s) = (id.to_string(), self.now_s());
        Ok(self.0.signer.verify_upload(&id, link, now_s)?)
    }

    async fn find(&self, scope: &TenantScope, id: UploadId) -> Result<Upload, Error> {
        let found = self.0.storage.find_upload(scope, id).await?;
        found.ok_or(Error::NotFound("upload"))
    }

    async fn keep(
        &self,
        scope: &TenantScope,
        id: UploadId,
        body: impl Stream<Item = Result<Bytes, Cause>> + Send,
        expected: Expected,
    ) -> Result<Digest, Error> {
        let inner = &self.0;
        let stored = inner.content.put_stream(scope, body, expected).await?;
        let digest = stored.digest.to_string();
        inner
            .storage
            .finish_upload(scope.clone(), id, digest)
            .await?;
        // Of two that arrive at once the first one stays: which one it was, the database knows.
        let present = self.find(scope, id).await?.digest.unwrap_or_default();
        settled(stored.digest, &present)?;
        Ok(stored.digest)
    }
}

fn settled(digest: Digest, present: &str) -> Result<(), Error> {
    if digest.to_string() == present {
        Ok(())
    } else {
        Err(Error::Conflict)
    }
}

fn check_size(declared_bytes: u64, announced: Option<u64>) -> Result<(), Error> {
    match announced {
        Some(actual) if actual > declared_bytes => Err(Error::TooLarge { declared_bytes }),
        Some(actual_bytes) if actual_bytes < declared_bytes => Err(Error::SizeMismatch {
            declared_bytes,
            actual_bytes,
        }),
        _ => Ok(()),
    }
}

async fn digest_of(
    body: impl Stream<Item = Result<Bytes, Cause>>,
    declared_bytes: u64,
) -> Result<Digest, Error> {
    let mut body = std::pin::pin!(body);
    let (mut hasher, mut actual_bytes) = (Sha256::new(), 0_u64);
    while let Some(part) = body.next().await {
        let part = part.map_err(Error::Broken)?;
        actual_bytes += part.len() as u64;
        if actual_bytes > declared_bytes {
            return Err(Error::TooLarge { declared_bytes });
        }
        hasher.update(&part);
    }
    check_size(declared_bytes, Some(actual_bytes))?;
    Ok(Digest(hasher.finalize().into()))
}
