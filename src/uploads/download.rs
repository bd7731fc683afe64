//! Giving the bytes of a materialization. They are verified on their way: the last part is held
//! back until the digest fits, so damaged content never looks like a whole download.

use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{BoxStream, unfold},
};
use sha2::{Digest as _, Sha256};

use super::{Error, Link, Uploads};
use crate::content::{self, Digest};

/// Bytes on their way out.
pub struct Download {
    /// Their number.
    pub size_bytes: u64,
    /// The bytes.
    pub body: BoxStream<'static, Result<Bytes, content::Error>>,
}

impl Uploads {
    /// The content that a link opens.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::NotFound`], [`Error::Storage`].
    pub async fn download(
        &self,
        digest: &Digest,
        name: Option<&str>,
        link: &Link,
    ) -> Result<Download, Error> {
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
        let (size_bytes, body) = inner.content.get_stream(tenant, digest).await?;
        if size_bytes == 0 && *digest != Digest::of(&[]) {
            // There is no part to hold back.
            return Err(content::Error::Corrupt.into());
        }
        let body = verified(body, *digest, size_bytes);
        Ok(Download { size_bytes, body })
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
    .boxed()
}
