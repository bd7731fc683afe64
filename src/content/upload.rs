//! Content that arrives as a stream: it is written to a temporary object in constant memory,
//! verified, and only then moved to its place.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, pin_mut};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sha2::Digest as _;

use super::{ContentStore, Digest, Error, Stored};

/// What a stream is expected to bring.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The most bytes taken.
    pub max_bytes: u64,
    /// Exactly so many, if that was declared.
    pub declared_size: Option<u64>,
    /// Exactly these, if that was declared.
    pub declared_digest: Option<Digest>,
}

impl ContentStore {
    /// Stores what `stream` brings, or nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::SizeMismatch`], [`Error::DigestMismatch`], [`Error::Source`]
    /// when the stream breaks off, [`Error::Unavailable`].
    pub async fn put_stream<S, E>(
        &self,
        tenant: &str,
        stream: S,
        expected: Expected,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let temporary = temporary_path();
        let mut upload = WriteMultipart::new(self.objects.put_multipart(&temporary).await?);
        match receive(&mut upload, stream, expected).await {
            Ok(stored) => {
                upload.finish().await?;
                let place = Self::path(tenant, &stored.digest);
                let moved = self.objects.rename(&temporary, &place).await;
                if moved.is_err() {
                    let _ = self.objects.delete(&temporary).await;
                }
                moved?;
                Ok(stored)
            }
            Err(error) => {
                // The reason for the failure matters more than a failing clean-up; what stays
                // behind is swept later.
                let _ = upload.abort().await;
                let _ = self.objects.delete(&temporary).await;
                Err(error)
            }
        }
    }

    /// Removes temporary objects that nobody has touched for `older_than`; how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sweep_temporaries(
        &self,
        older_than: Duration,
        now_micros: i64,
    ) -> Result<u64, Error> {
        let limit = now_micros - i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
        let mut found = self.objects.list(Some(&Path::from("tmp/uploads")));
        let mut removed = 0;
        while let Some(object) = found.try_next().await? {
            if object.last_modified.timestamp_micros() < limit {
                self.objects.delete(&object.location).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a name nobody else takes; it is never stored"
)]
fn temporary_path() -> Path {
    Path::from(format!("tmp/uploads/{}", uuid::Uuid::new_v4()))
}

async fn receive<S, E>(
    upload: &mut WriteMultipart,
    stream: S,
    expected: Expected,
) -> Result<Stored, Error>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    const PARTS_IN_FLIGHT: usize = 2;
    let limit_bytes = expected
        .declared_size
        .unwrap_or(expected.max_bytes)
        .min(expected.max_bytes);
    let mut hasher = sha2::Sha256::new();
    let mut size_bytes = 0_u64;
    pin_mut!(stream);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|e| Error::Source(e.into()))?;
        size_bytes += part.len() as u64;
        if size_bytes > limit_bytes {
            return Err(Error::TooLarge { limit_bytes });
        }
        hasher.update(&part);
        upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
        upload.put(part);
    }
    if let Some(declared) = expected
        .declared_size
        .filter(|declared| *declared != size_bytes)
    {
        return Err(Error::SizeMismatch {
            declared,
            actual: size_bytes,
        });
    }
    let digest = Digest(hasher.finalize().into());
    if expected
        .declared_digest
        .is_some_and(|declared| declared != digest)
    {
        return Err(Error::DigestMismatch);
    }
    Ok(Stored { digest, size_bytes })
}
