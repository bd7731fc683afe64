//! The store: a folder, or a bucket that speaks S3.

use std::{ops::Range, path, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutPayload,
    path::{Path, PathPart},
};

use super::{Digest, Error, S3Options, open};

/// An object that each store has, written when it is opened. Where it is missing is not the store: a
/// folder whose disk is not mounted, a bucket that is gone.
pub(super) const MARK: &str = "takeoff-content";

/// Content that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
}

/// Content by digest. Clones are the same store.
#[derive(Clone, Debug)]
pub struct ContentStore {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Where the objects are files, if they are.
    pub(super) folder: Option<Arc<path::Path>>,
}

impl ContentStore {
    /// Opens `file:///absolute/folder`, which is created when it is missing, or
    /// `s3://bucket/prefix`. The path is taken as it is written, without percent-decoding.
    ///
    /// # Errors
    /// [`Error::Url`] when the address makes no sense or the folder cannot be made; those of
    /// [`check`](Self::check) when nothing can be written there.
    pub async fn open(url: &str, s3: &S3Options) -> Result<Self, Error> {
        let folder = open::folder_of(url);
        let objects = if let Some(folder) = &folder {
            open::folder(folder).await?
        } else if let Some(address) = url.strip_prefix("s3://") {
            open::bucket(address, s3)?
        } else {
            let reason = "its address begins with neither file:// nor s3://".to_owned();
            return Err(Error::Url { reason });
        };
        let store = Self {
            objects,
            folder: folder.map(Arc::from),
        };
        match store.write_small(MARK).await {
            Err(Error::Absent) => Err(Error::Url {
                reason: "there is no such bucket".to_owned(),
            }),
            written => written.map(|()| store),
        }
    }

    /// Whether the store takes an object: one small write, so that a full or read-only store is
    /// noticed as well as one that is away. Without a timeout.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Unavailable`].
    pub async fn check(&self) -> Result<(), Error> {
        self.before_a_write().await?;
        self.write_small("tmp/probe").await
    }

    async fn write_small(&self, name: &str) -> Result<(), Error> {
        let bytes = PutPayload::from_static(b"takeoff");
        let written = self.objects.put(&Path::from(name), bytes).await;
        written.map(|_| ()).map_err(Error::of_a_write)
    }

    /// A folder is made by whoever writes into it; what is written while its disk is not mounted would
    /// be hidden by the disk. A bucket refuses by itself.
    pub(super) async fn before_a_write(&self) -> Result<(), Error> {
        if self.folder.is_some() {
            self.is_there().await?;
        }
        Ok(())
    }

    async fn is_there(&self) -> Result<(), Error> {
        let mark = self.objects.head(&Path::from(MARK)).await;
        mark.map(|_| ()).map_err(Error::of_a_write)
    }

    /// An object of the store; one that is missing where the store is not there is not missing.
    async fn find(
        &self,
        tenant: &str,
        digest: &Digest,
        options: GetOptions,
    ) -> Result<GetResult, Error> {
        let path = Self::path(tenant, digest);
        match self.objects.get_opts(&path, options).await {
            Err(error @ object_store::Error::NotFound { .. }) => {
                self.is_there().await?;
                Err(error.into())
            }
            found => Ok(found?),
        }
    }

    /// Where content lies. The tenant's name is one path segment whatever is in it.
    pub(super) fn path(tenant: &str, digest: &Digest) -> Path {
        let parts = [
            "content".into(),
            PathPart::from(tenant),
            digest.to_string().into(),
        ];
        Path::from_iter(parts)
    }

    /// Stores `bytes`; storing the same again does nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put(&self, tenant: &str, bytes: Bytes) -> Result<Stored, Error> {
        let stored = Stored {
            digest: digest_of(bytes.clone()).await?,
            size_bytes: bytes.len() as u64,
        };
        let path = Self::path(tenant, &stored.digest);
        if !self.has(&path, stored.size_bytes).await? {
            // An object becomes visible whole or not at all.
            self.before_a_write().await?;
            let written = self.objects.put(&path, bytes.into()).await;
            written.map_err(Error::of_a_write)?;
        }
        Ok(stored)
    }

    pub(super) async fn has(&self, path: &Path, size_bytes: u64) -> Result<bool, Error> {
        match self.objects.head(path).await {
            Ok(found) => Ok(found.size == size_bytes),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes with this digest, verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Absent`], [`Error::Unavailable`].
    pub async fn get(&self, tenant: &str, digest: &Digest) -> Result<Bytes, Error> {
        let found = self.find(tenant, digest, GetOptions::new()).await?;
        let bytes = found.bytes().await?;
        if digest_of(bytes.clone()).await? == *digest {
            Ok(bytes)
        } else {
            Err(Error::Corrupt)
        }
    }

    /// Size and bytes of the content with this digest, as they come; they are not verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Absent`], [`Error::Unavailable`].
    pub async fn get_stream(
        &self,
        tenant: &str,
        digest: &Digest,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, Error>>), Error> {
        let found = self.find(tenant, digest, GetOptions::new()).await?;
        Ok((found.meta.size, parts_of(found)))
    }

    /// The size of content.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Absent`], [`Error::Unavailable`].
    pub async fn size(&self, tenant: &str, digest: &Digest) -> Result<u64, Error> {
        let options = GetOptions::new().with_head(true);
        Ok(self.find(tenant, digest, options).await?.meta.size)
    }

    /// The bytes of a part of content, which lies within it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Absent`], [`Error::Unavailable`].
    pub async fn get_part(
        &self,
        tenant: &str,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let options = GetOptions::new().with_range(Some(range));
        Ok(parts_of(self.find(tenant, digest, options).await?))
    }
}

fn parts_of(found: GetResult) -> BoxStream<'static, Result<Bytes, Error>> {
    let parts = found.into_stream();
    parts.map(|part| part.map_err(Error::from)).boxed()
}

/// The digest, computed apart when it takes long enough to hold up others on the same thread.
async fn digest_of(bytes: Bytes) -> Result<Digest, Error> {
    const SHORT: usize = 256 * 1024;
    if bytes.len() <= SHORT {
        return Ok(Digest::of(&bytes));
    }
    let apart = tokio::task::spawn_blocking(move || Digest::of(&bytes)).await;
    apart.map_err(Error::interrupted)
}
