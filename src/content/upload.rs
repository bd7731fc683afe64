//! Content that arrives as a stream: it is written to a temporary object in constant memory,
//! verified, and only then moved to its place.
//!
//! The writing is a task of its own, so that it ends in order — moved or removed — even when
//! whoever sends the content goes away and the receiving future is dropped.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, pin_mut};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sha2::Digest as _;
use tokio::sync::{mpsc, oneshot};

use super::{ContentStore, Digest, Error, Stored, sweep::TEMPORARIES};
use crate::model::TenantScope;

/// The size and the digest that a stream is expected to have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The most bytes taken.
    pub max_bytes: u64,
    /// Exactly so many, if that was declared.
    pub declared_size: Option<u64>,
    /// Exactly these, if that was declared.
    pub declared_digest: Option<Digest>,
}

impl Expected {
    fn limit_bytes(&self) -> u64 {
        self.declared_size
            .unwrap_or(self.max_bytes)
            .min(self.max_bytes)
    }

    fn check(&self, stored: &Stored) -> Result<(), Error> {
        let actual = stored.size_bytes;
        match self.declared_size {
            Some(declared) if declared != actual => {
                return Err(Error::SizeMismatch { declared, actual });
            }
            _ => {}
        }
        match self.declared_digest {
            Some(declared) if declared != stored.digest => Err(Error::DigestMismatch),
            _ => Ok(()),
        }
    }
}

impl ContentStore {
    /// Stores what `stream` brings, or nothing. Nothing stays behind either when the returned
    /// future is dropped.
    ///
    /// # Errors
    /// [`Error::TooLarge`], at once when more is declared than taken, [`Error::SizeMismatch`],
    /// [`Error::DigestMismatch`], [`Error::Source`] when the stream breaks off,
    /// [`Error::Unavailable`].
    pub async fn put_stream<S, E>(
        &self,
        scope: &TenantScope,
        stream: S,
        expected: Expected,
    ) -> Result<Stored, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let limit_bytes = expected.max_bytes;
        if expected
            .declared_size
            .is_some_and(|size| size > limit_bytes)
        {
            return Err(Error::TooLarge { limit_bytes });
        }
        let (parts, incoming) = mpsc::channel(1);
        let (approve, approval) = oneshot::channel();
        let writing = tokio::spawn(write(self.clone(), incoming, approval));
        let received = receive(&parts, stream, expected).await;
        drop(parts);
        if let Ok(stored) = &received {
            let place = self.path(scope, &stored.digest);
            // A writer that has failed hears nothing any more; it is asked below.
            let _ = approve.send((place, stored.size_bytes));
        } else {
            drop(approve);
        }
        // What broke the writing comes first: receiving then stopped because of it.
        writing.await.map_err(Error::interrupted)??;
        received
    }
}

/// Passes on what the stream brings while it is within limits, and says what it was.
async fn receive<S, E>(
    parts: &mpsc::Sender<Bytes>,
    stream: S,
    expected: Expected,
) -> Result<Stored, Error>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limit_bytes = expected.limit_bytes();
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
        let taken = parts.send(part).await;
        taken.map_err(|stopped| Error::Source(Box::new(stopped)))?;
    }
    let digest = Digest(hasher.finalize().into());
    let stored = Stored { digest, size_bytes };
    expected.check(&stored)?;
    Ok(stored)
}

/// Writes parts as they come. The approval names the place; without it nothing is kept.
async fn write(
    store: ContentStore,
    mut parts: mpsc::Receiver<Bytes>,
    approval: oneshot::Receiver<(Path, u64)>,
) -> Result<(), Error> {
    const IN_FLIGHT: usize = 2;
    store.before_a_write().await?;
    let temporary = temporary_path();
    let begun = store.objects.put_multipart(&temporary).await;
    let mut upload = WriteMultipart::new(begun.map_err(Error::of_a_write)?);
    while let Some(part) = parts.recv().await {
        if let Err(error) = upload.wait_for_capacity(IN_FLIGHT).await {
            abort(upload, &temporary).await;
            return Err(error.into());
        }
        // Copied, since a small part may hold on to the large buffer it was read into.
        upload.write(&part);
    }
    if let Ok((place, size_bytes)) = approval.await {
        keep(&store, upload, &temporary, &place, size_bytes).await
    } else {
        abort(upload, &temporary).await;
        Ok(())
    }
}

async fn keep(
    store: &ContentStore,
    upload: WriteMultipart,
    temporary: &Path,
    place: &Path,
    size_bytes: u64,
) -> Result<(), Error> {
    let objects: &Arc<dyn ObjectStore> = &store.objects;
    let moved = match upload.finish().await {
        Ok(_) => objects.rename(temporary, place).await,
        Err(error) => Err(error),
    };
    let Err(error) = moved else {
        return Ok(());
    };
    if let Err(error) = objects.delete(temporary).await {
        tracing::debug!(%temporary, %error, "left for the sweep");
    }
    // In a bucket a move is a copy and a removal: when only that failed, the content is there.
    match store.has(place, size_bytes).await {
        Ok(true) => Ok(()),
        _ => Err(Error::of_a_write(error)),
    }
}

/// The reason for giving up matters more than a clean-up that fails.
async fn abort(upload: WriteMultipart, temporary: &Path) {
    if let Err(error) = upload.abort().await {
        tracing::debug!(%temporary, %error, "an upload that was given up could not be removed");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a name nobody else takes; it is never stored"
)]
fn temporary_path() -> Path {
    Path::from(format!("{TEMPORARIES}/{}", uuid::Uuid::new_v4()))
}
