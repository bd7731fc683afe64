//! Where a store is: a folder, or a bucket that speaks S3.
//!
//! What was stored stays stored: a folder is synced to its disk as a bucket is by itself.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    ClientConfigKey, ObjectStore, RetryConfig, StaticCredentialProvider,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential},
    local::LocalFileSystem,
    prefix::PrefixStore,
};
use reqwest::Url;

use super::Error;

/// After so long a bucket that does not answer is an error rather than a wait.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_RETRIES: usize = 5;

/// Access to a bucket; options that are not given come from the environment's AWS variables.
#[derive(Clone, Default)]
pub struct S3Options {
    /// Where the service is, unless it is AWS.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The key's id; given together with the key.
    pub access_key_id: Option<String>,
    /// The key.
    pub secret_access_key: Option<String>,
    /// True if plain HTTP is allowed.
    pub allow_http: bool,
    /// True if the bucket is in the path instead of the host name. Always so at an endpoint that is
    /// an IP address or a host without a domain, which has no names below it.
    pub path_style: bool,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The folder is created when it is missing.
pub(super) async fn folder(folder: &Path) -> Result<Arc<dyn ObjectStore>, Error> {
    let unusable = |reason: &dyn fmt::Display| bad(format!("{}: {reason}", folder.display()));
    if !folder.is_absolute() {
        return Err(unusable(&"a folder is given by its absolute path"));
    }
    let created = tokio::fs::create_dir_all(folder).await;
    created.map_err(|e| unusable(&e))?;
    let opened = LocalFileSystem::new_with_prefix(folder).map_err(|e| unusable(&e))?;
    Ok(Arc::new(opened.with_fsync(true)))
}

/// The folder that a `file://` address names, if it is one.
pub(super) fn folder_of(url: &str) -> Option<PathBuf> {
    url.strip_prefix("file://").map(PathBuf::from)
}

/// `address` is what follows `s3://`.
pub(super) fn bucket(address: &str, s3: &S3Options) -> Result<Arc<dyn ObjectStore>, Error> {
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    if bucket.is_empty() {
        return Err(bad("s3:// is followed by the name of a bucket".to_owned()));
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(RetryConfig {
            max_retries: MAX_RETRIES,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        })
        // A download lasts as long as its reader takes; only silence ends it.
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), "1 day")
        .with_config(
            AmazonS3ConfigKey::Client(ClientConfigKey::ReadTimeout),
            "60 seconds",
        );
    if s3.allow_http {
        builder = builder.with_allow_http(true);
    }
    if let Some(region) = &s3.region {
        builder = builder.with_region(region);
    }
    builder = with_credentials(with_address(builder, bucket, s3)?, s3)?;
    let opened = builder.build().map_err(|e| bad(e.to_string()))?;
    Ok(Arc::new(PrefixStore::new(opened, prefix)))
}

fn with_address(
    builder: AmazonS3Builder,
    bucket: &str,
    s3: &S3Options,
) -> Result<AmazonS3Builder, Error> {
    let Some(endpoint) = &s3.endpoint else {
        let in_environment = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint]
            .iter()
            .any(|key| builder.get_config_value(key).is_some());
        // The environment's endpoint goes with the environment's style.
        return Ok(if in_environment && !s3.path_style {
            builder
        } else {
            builder.with_virtual_hosted_style_request(!s3.path_style)
        });
    };
    let (address, in_path) = bucket_address(endpoint, bucket, s3.path_style)?;
    // Of the two kinds of endpoint this one wins, over the environment's too.
    Ok(builder
        .with_config(AmazonS3ConfigKey::S3Endpoint, address)
        .with_virtual_hosted_style_request(!in_path))
}

/// Where requests go, and whether the client is to put the bucket in their path: when it is not,
/// it does not add the bucket to the host by itself.
pub(super) fn bucket_address(
    endpoint: &str,
    bucket: &str,
    path_style: bool,
) -> Result<(String, bool), Error> {
    let mut url = Url::parse(endpoint).map_err(|e| bad(format!("the S3 endpoint: {e}")))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let in_path = path_style || !has_names_below(&host);
    if !in_path {
        url.set_host(Some(&format!("{bucket}.{host}")))
            .map_err(|e| bad(format!("the bucket {bucket} as part of a host name: {e}")))?;
    }
    Ok((url.as_str().trim_end_matches('/').to_owned(), in_path))
}

fn has_names_below(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.contains('.') && address.parse::<IpAddr>().is_err()
}

fn with_credentials(builder: AmazonS3Builder, s3: &S3Options) -> Result<AmazonS3Builder, Error> {
    match (&s3.access_key_id, &s3.secret_access_key) {
        (None, None) => Ok(builder),
        // As a whole: a session token of the environment belongs to another key.
        (Some(id), Some(key)) => Ok(builder.with_credentials(Arc::new(
            StaticCredentialProvider::new(AwsCredential {
                key_id: id.clone(),
                secret_key: key.clone(),
                token: None,
            }),
        ))),
        _ => Err(bad(
            "the id of the access key and the key go together".to_owned()
        )),
    }
}

fn bad(reason: String) -> Error {
    Error::Url { reason }
}
