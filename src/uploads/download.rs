//! Giving the bytes of a materialization. They are verified on their way: the last part is held
//! back until the digest fits, so damaged content never looks like a whole download. A range of them
//! is given as it is; who puts ranges together has the digest to compare.

use std::ops::Range;

use futures::StreamExt as _;

use super::{Error, Uploads};
use crate::{
    content::{self, ContentStream, Digest, Link},
    model::TenantScope,
};

/// Content that a link opens.
pub(super) struct Content {
    scope: TenantScope,
    digest: Digest,
    /// The number of its bytes.
    pub(super) size_bytes: u64,
}

impl Uploads {
    /// The content that a link opens.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::OverBudget`], [`Error::NotFound`], [`Error::Storage`].
    pub(super) async fn open(
        &self,
        digest: &Digest,
        name: Option<&str>,
        link: &Link,
    ) -> Result<Content, Error> {
        let inner = &self.0;
        let now_s = self.now_s();
        let scope = inner.signer.verify_download(digest, name, link, now_s)?;
        self.enter(scope.tenant()).await?;
        // The link was made while the artifact was there; its content may be so for a while yet.
        let hex = digest.to_string();
        if inner.storage.is_digest_deleted(&scope, &hex).await? {
            return Err(Error::NotFound("content"));
        }
        let size_bytes = inner.content.size(&scope, digest).await?;
        Ok(Content {
            scope,
            digest: *digest,
            size_bytes,
        })
    }

    /// All bytes of it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn whole(&self, of: &Content) -> Result<ContentStream, Error> {
        let Content { scope, digest, .. } = of;
        let content = &self.0.content;
        let stored = content.get_verified_stream(scope, digest).await?;
        let (size_bytes, body) = stored;
        if size_bytes != of.size_bytes {
            // The length that was announced is wrong.
            return Err(content::Error::Corrupt.into());
        }
        Ok(self.given(scope.tenant().clone(), body).boxed())
    }

    /// The bytes of a range, which lies within it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn part(
        &self,
        of: &Content,
        range: Range<u64>,
    ) -> Result<ContentStream, Error> {
        let Content { scope, digest, .. } = of;
        let body = self.0.content.get_part(scope, digest, range);
        Ok(self.given(scope.tenant().clone(), body.await?).boxed())
    }
}
