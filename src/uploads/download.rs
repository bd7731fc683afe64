//! Giving the bytes of a materialization. They are verified on their way: the last part is held
//! back until the digest fits, so damaged content never looks like a whole download. A range of them
//! is given as it is; who puts ranges together has the digest to compare.

use std::ops::Range;

use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{BoxStream, unfold},
};
use sha2::{Digest as _, Sha256};

use super::{Error, Link, Uploads};
use crate::content::{self, Digest};

/// Content that a link opens.
pub(super) struct Content {
    tenant: String,
    digest: Digest,
    /// The number of its bytes.
    pub(super) size_bytes: u64,
}

/// Bytes on their way out.
pub(super) type Parts = BoxStream<'static, Result<Bytes, content::Error>>;

impl Uploads {
    /// The content that a link opens.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::NotFound`], [`Error::Storage`].
    pub(super) async fn open(
        &self,
        digest: &Digest,
        name: Option<&str>,
        link: &Link,
    ) -> Result<Content, Error> {
        let (inner, tenant) = (&self.0, link.tenant.as_str());
        let now_s = self.now_s();
        inner.signer.verify_download(
            tenant,
            digest,
            name,
            link.expires_at_s,
            &link.signature,
            now_s,
        )?;
        let size_bytes = inner.content.size(tenant, digest).await?;
        Ok(Content {
            tenant: tenant.to_owned(),
            digest: *digest,
            size_bytes,
        })
    }

    /// All bytes of it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn whole(&self, of: &Content) -> Result<Parts, Error> {
        let Content { tenant, digest, .. } = of;
        let (size_bytes, body) = self.0.content.get_stream(tenant, digest).await?;
        let is_empty = size_bytes == 0 && *digest != Digest::of(&[]);
        if is_empty || size_bytes != of.size_bytes {
            // There is no part to hold back, or the length that was announced is wrong.
            return Err(content::Error::Corrupt.into());
        }
        Ok(verified(body, *digest, size_bytes))
    }

    /// The bytes of a range, which lies within it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn part(&self, of: &Content, range: Range<u64>) -> Result<Parts, Error> {
        let Content { tenant, digest, .. } = of;
        Ok(self.0.content.get_part(tenant, digest, range).await?)
    }
}

struct Outgoing {
    body: BoxStream<'static, Result<Bytes, content::Error>>,
    hasher: Sha256,
    digest: Digest,
    left: u64,
}

impl Outgoing {
    /// The next part, if what is known by then is right.
    fn pass(&mut self, part: Bytes) -> Result<Bytes, content::Error> {
        let left = self.left.checked_sub(part.len() as u64);
        self.left = left.ok_or(content::Error::Corrupt)?;
        self.hasher.update(&part);
        let whole = self.left == 0;
        if whole && Digest(self.hasher.clone().finalize().into()) != self.digest {
            return Err(content::Error::Corrupt);
        }
        Ok(part)
    }
}

fn verified(
    body: BoxStream<'static, Result<Bytes, content::Error>>,
    digest: Digest,
    size_bytes: u64,
) -> BoxStream<'static, Result<Bytes, content::Error>> {
    let outgoing = Outgoing {
        body,
        hasher: Sha256::new(),
        digest,
        left: size_bytes,
    };
    unfold(Some(outgoing), |outgoing| async {
        let mut outgoing = outgoing?;
        let part = outgoing.body.next().await?;
        match part.and_then(|part| outgoing.pass(part)) {
            Ok(part) => Some((Ok(part), Some(outgoing))),
            Err(error) => {
                tracing::error!(%error, digest = %outgoing.digest, "a download was broken off");
                Some((Err(error), None))
            }
        }
    })
    // A compressor asks again after the end.
    .fuse()
    .boxed()
}
