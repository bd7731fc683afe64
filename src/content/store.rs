//! The store: a folder, or a bucket that speaks S3.

use std::{path, sync::Arc};

use bytes::Bytes;
use object_store::{
    GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutPayload,
    path::{Path, PathPart},
};

use super::{
    Digest, Error, Packed, Packer, S3Options, open,
    packed::{WORTH_PACKING_BYTES, begins_packed},
};
use crate::model::TenantScope;

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

/// Below these names objects lie: content of tenants, large values of the runtime, and content that
/// is about to be removed.
pub(super) const CONTENT: &str = "content";
pub(super) const PAYLOADS: &str = "payloads";
pub(super) const ASIDE: &str = "aside";

/// Content by digest. Clones are the same store. A tenant's content is reached with its scope alone.
#[derive(Clone, Debug)]
pub struct ContentStore {
    pub(super) objects: Arc<dyn ObjectStore>,
    /// Where the objects are files, if they are.
    pub(super) folder: Option<Arc<path::Path>>,
    /// Below which objects lie.
    area: &'static str,
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
            area: CONTENT,
        };
        match store.write_small(MARK).await {
            Err(Error::Absent) => Err(Error::Url {
                reason: "there is no such bucket".to_owned(),
            }),
            written => written.map(|()| store),
        }
    }

    /// Finds out whether the store takes an object: one small write, so that a full or read-only
    /// store is noticed as well as one that is away. Without a timeout.
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

    pub(super) async fn is_there(&self) -> Result<(), Error> {
        let mark = self.objects.head(&Path::from(MARK)).await;
        mark.map(|_| ()).map_err(Error::of_a_write)
    }

    /// An object of the store, brought back if it was withdrawn; one that is missing where the store is not there is not
    /// missing.
    pub(super) async fn find(
        &self,
        scope: &TenantScope,
        digest: &Digest,
        options: GetOptions,
    ) -> Result<GetResult, Error> {
        let path = self.path(scope, digest);
        match self.object(&path, options.clone()).await {
            Err(object_store::Error::NotFound { .. }) => {
                self.is_there().await?;
                self.bring_back_to(&path).await?;
                Ok(self.object(&path, options).await?)
            }
            found => Ok(found?),
        }
    }

    /// Where content lies. The tenant's name is one path segment whatever is in it.
    pub(super) fn path(&self, scope: &TenantScope, digest: &Digest) -> Path {
        Self::path_below(self.area, scope, digest)
    }

    fn path_below(area: &'static str, scope: &TenantScope, digest: &Digest) -> Path {
        let parts = [
            area.into(),
            PathPart::from(scope.tenant().as_str()),
            digest.to_string().into(),
        ];
        Path::from_iter(parts)
    }

    /// Stores `bytes`; storing the same again does nothing. Larger content is compressed where that
    /// makes it smaller.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put(&self, scope: &TenantScope, bytes: Bytes) -> Result<Stored, Error> {
        let stored = Stored {
            digest: digest_of(bytes.clone()).await?,
            size_bytes: bytes.len() as u64,
        };
        let path = self.path(scope, &stored.digest);
        if !self.has(&path, stored.size_bytes).await? {
            // An object becomes visible whole or not at all.
            self.before_a_write().await?;
            let written = self.objects.put(&path, at_rest(bytes).await?.into()).await;
            written.map_err(Error::of_a_write)?;
        }
        Ok(stored)
    }

    /// Stores packed content; storing the same again does nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_packed(&self, scope: &TenantScope, packed: Packed) -> Result<Stored, Error> {
        let path = self.path(scope, &packed.stored.digest);
        if !self.has(&path, packed.stored.size_bytes).await? {
            self.before_a_write().await?;
            let written = self.objects.put(&path, packed.object.into()).await;
            written.map_err(Error::of_a_write)?;
        }
        Ok(packed.stored)
    }

    /// The same store, for large values of the runtime itself. They lie apart from the tenants' content,
    /// which goes when its artifacts are deleted.
    #[must_use]
    pub(super) fn for_payloads(&self) -> Self {
        Self {
            area: PAYLOADS,
            ..self.clone()
        }
    }

    /// Returns whether there is content with this digest.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn contains(&self, scope: &TenantScope, digest: &Digest) -> Result<bool, Error> {
        let path = self.path(scope, digest);
        if self.content_bytes(&path).await?.is_some() {
            return Ok(true);
        }
        self.bring_back_to(&path).await?;
        Ok(self.content_bytes(&path).await?.is_some())
    }

    /// Puts content aside: it is no longer found, and can be brought back. Absent content stays so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn put_aside(
        &self,
        scope: &TenantScope,
        digest: &Digest,
    ) -> Result<(), Error> {
        self.is_there().await?;
        let aside = Self::path_below(ASIDE, scope, digest);
        let place = self.path(scope, digest);
        let moved = present(self.objects.rename(&place, &aside).await)?;
        // No copy stays from where it would come back.
        self.move_withdrawn(&place, moved.is_none().then_some(&aside))
            .await
    }

    /// Brings back content that was put aside, unless the same has been stored again meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn bring_back(
        &self,
        scope: &TenantScope,
        digest: &Digest,
    ) -> Result<(), Error> {
        if self.contains(scope, digest).await? {
            return self.remove_aside(scope, digest).await;
        }
        let aside = Self::path_below(ASIDE, scope, digest);
        let place = self.path(scope, digest);
        present(self.objects.rename(&aside, &place).await).map(drop)
    }

    /// Removes for good what was put aside.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn remove_aside(
        &self,
        scope: &TenantScope,
        digest: &Digest,
    ) -> Result<(), Error> {
        self.is_there().await?;
        let aside = Self::path_below(ASIDE, scope, digest);
        present(self.objects.delete(&aside).await).map(drop)
    }

    pub(super) async fn has(&self, path: &Path, size_bytes: u64) -> Result<bool, Error> {
        Ok(self.content_bytes(path).await? == Some(size_bytes))
    }
}

/// Another node may have been faster.
pub(super) fn present<T>(result: Result<T, object_store::Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The form in which content is stored. What begins like a packed object is packed whatever its
/// size, or it would be taken for one.
async fn at_rest(bytes: Bytes) -> Result<Bytes, Error> {
    let is_ambiguous = begins_packed(&bytes).is_some();
    if bytes.len() < WORTH_PACKING_BYTES && !is_ambiguous {
        return Ok(bytes);
    }
    let packing = tokio::task::spawn_blocking(move || {
        let mut packer = Packer::default();
        packer.push(&bytes);
        let object = packer.finish()?.object;
        let is_worth_it = object.len() < bytes.len() / 8 * 7;
        Ok(if is_worth_it || is_ambiguous {
            object
        } else {
            bytes
        })
    });
    packing.await.map_err(Error::interrupted)?
}

/// The digest, computed apart when it takes long enough to hold up others on the same thread.
pub(super) async fn digest_of(bytes: Bytes) -> Result<Digest, Error> {
    const SHORT: usize = 256 * 1024;
    if bytes.len() <= SHORT {
        return Ok(Digest::of(&bytes));
    }
    let apart = tokio::task::spawn_blocking(move || Digest::of(&bytes)).await;
    apart.map_err(Error::interrupted)
}
