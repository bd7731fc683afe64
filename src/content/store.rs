//! The store: a folder, or a bucket that speaks S3.

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload,
    aws::AmazonS3Builder,
    local::LocalFileSystem,
    path::{Path, PathPart},
    prefix::PrefixStore,
};

use super::{Digest, Error};

/// How to reach a bucket; what is not given comes from the environment's AWS variables.
#[derive(Clone, Default)]
pub struct S3Options {
    /// Where the service is, unless it is AWS.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The key's id.
    pub access_key_id: Option<String>,
    /// The key.
    pub secret_access_key: Option<String>,
    /// Whether plain HTTP is allowed.
    pub allow_http: bool,
    /// Whether the bucket is in the path instead of the host name.
    pub path_style: bool,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

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
}

impl ContentStore {
    /// Opens `file:///folder`, which is created, or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When the address makes no sense or the folder cannot be written to.
    pub async fn open(url: &str, s3: &S3Options) -> Result<Self, Error> {
        let store = if let Some(folder) = url.strip_prefix("file://") {
            Self {
                objects: open_folder(PathBuf::from(folder)).await?,
            }
        } else if let Some(bucket) = url.strip_prefix("s3://") {
            Self {
                objects: open_bucket(bucket, s3)?,
            }
        } else {
            let reason = "its address begins with neither file:// nor s3://".to_owned();
            return Err(Error::Url { reason });
        };
        store.check().await?;
        Ok(store)
    }

    /// Whether the store takes an object.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self) -> Result<(), Error> {
        let probe = Path::from("tmp/probe");
        self.objects
            .put(&probe, PutPayload::from_static(b"takeoff"))
            .await?;
        Ok(())
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
            digest: Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
        };
        let path = Self::path(tenant, &stored.digest);
        if !self.has(&path, stored.size_bytes).await? {
            // An object becomes visible whole or not at all.
            self.objects.put(&path, bytes.into()).await?;
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
    /// [`Error::NotFound`], [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn get(&self, tenant: &str, digest: &Digest) -> Result<Bytes, Error> {
        let bytes = self
            .objects
            .get(&Self::path(tenant, digest))
            .await?
            .bytes()
            .await?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(Error::Corrupt)
        }
    }

    /// Size and bytes of the content with this digest, as they come; they are not verified.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn get_stream(
        &self,
        tenant: &str,
        digest: &Digest,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, Error>>), Error> {
        let found = self.objects.get(&Self::path(tenant, digest)).await?;
        let size = found.meta.size;
        Ok((
            size,
            found
                .into_stream()
                .map(|part| part.map_err(Error::from))
                .boxed(),
        ))
    }
}

async fn open_folder(folder: PathBuf) -> Result<Arc<dyn ObjectStore>, Error> {
    let unusable = |e: &dyn fmt::Display| Error::Url {
        reason: format!("{}: {e}", folder.display()),
    };
    tokio::fs::create_dir_all(&folder)
        .await
        .map_err(|e| unusable(&e))?;
    let opened = LocalFileSystem::new_with_prefix(&folder).map_err(|e| unusable(&e))?;
    Ok(Arc::new(opened.with_automatic_cleanup(false)))
}

fn open_bucket(bucket: &str, s3: &S3Options) -> Result<Arc<dyn ObjectStore>, Error> {
    let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_allow_http(s3.allow_http)
        .with_virtual_hosted_style_request(!s3.path_style);
    if let Some(endpoint) = &s3.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &s3.region {
        builder = builder.with_region(region);
    }
    if let (Some(id), Some(key)) = (&s3.access_key_id, &s3.secret_access_key) {
        builder = builder.with_access_key_id(id).with_secret_access_key(key);
    }
    let opened = builder.build().map_err(|e| Error::Url {
        reason: e.to_string(),
    })?;
    Ok(Arc::new(PrefixStore::new(opened, prefix)))
}
