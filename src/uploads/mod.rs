//! Content that is too large to travel inside an intent: announced, sent by PUT to a signed URL,
//! then named by its id. What was announced is what is taken: so many bytes and, once they have
//! arrived, these bytes and no others.

mod check;
mod download;
mod error;
mod http;
mod paid;
mod preview;
mod range;
mod receive;
mod release;

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    content::{ContentStore, Digest, Signer},
    ids::IdSource,
    model::{Action, Artifact, Budget, Materialization, Micros, Principal, TenantScope, Upload},
    policy::{About, Asked, Policies, Question},
    quotas::Quotas,
    storage::{self, NewUpload, Storage},
};

pub use error::Error;
pub use http::{PATH, routes};
pub use preview::PreviewError;
pub use receive::{Announced, Received};

/// `storage_type` of what lies in the content store.
const CONTENT: &str = "content";

/// The limits of uploads, and the parts of their links.
#[derive(Debug, Clone)]
pub struct UploadSettings {
    /// What tenants may store.
    pub quotas: Quotas,
    /// What callers may read besides their scopes.
    pub policies: Policies,
    /// The largest upload.
    pub max_upload_bytes: u64,
    /// The most bytes that a tenant may have announced without sending them.
    pub max_announced_bytes: u64,
    /// The time for which the content of a deleted artifact is kept.
    pub deleted_grace: Duration,
    /// The time for which links are good.
    pub url_ttl_seconds: i64,
    /// Where the server is seen by clients, e.g. `https://takeoff.example`; links are paths without.
    pub public_url: Option<String>,
}

/// Uploads and downloads. Clones are the same.
#[derive(Debug, Clone)]
pub struct Uploads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Storage,
    content: ContentStore,
    signer: Signer,
    clock: Clock,
    ids: IdSource,
    budget: Arc<Budget>,
    settings: UploadSettings,
}

/// A stored form of an artifact that whoever asks has been shown, so it is within their reach.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// The form.
    pub form: &'a Materialization,
}

/// An announced upload.
#[derive(Debug, Clone)]
pub struct CreatedUpload {
    /// The upload.
    pub upload: Upload,
    /// Takes its bytes by PUT until it expires. Absolute if the server knows its own address.
    pub url: String,
}

impl Uploads {
    /// Uploads that are announced in `storage` and go to `content`. Links are signed by `signer` and
    /// expire by `clock`; whose they are pays for them from `budget`.
    #[must_use]
    pub fn new(
        storage: Storage,
        content: ContentStore,
        signer: Signer,
        clock: Clock,
        ids: IdSource,
        budget: Arc<Budget>,
        settings: UploadSettings,
    ) -> Self {
        Self(Arc::new(Inner {
            storage,
            content,
            signer,
            clock,
            ids,
            budget,
            settings,
        }))
    }

    /// Announces an upload of exactly `size_bytes` bytes.
    ///
    /// # Errors
    /// [`storage::Error::Refused`] for a faulty name, media type or size, or when the tenant has
    /// announced too much that has not arrived.
    pub async fn create(
        &self,
        principal: &Principal,
        filename: String,
        mime_type: Option<String>,
        size_bytes: i64,
    ) -> Result<CreatedUpload, storage::Error> {
        let reach = principal.check(Action::WriteArtifacts)?;
        let inner = &self.0;
        check::names(&filename, mime_type.as_deref())?;
        check::size(size_bytes, inner.settings.max_upload_bytes)?;
        let new = NewUpload {
            id: inner.ids.upload(),
            filename,
            mime_type,
            declared_size_bytes: size_bytes,
            ttl_micros: inner.settings.url_ttl_seconds.saturating_mul(1_000_000),
            reach,
            max_announced_bytes: i64::try_from(inner.settings.max_announced_bytes)
                .unwrap_or(i64::MAX),
        };
        let scope = principal.scope();
        let quotas = &inner.settings.quotas;
        quotas.store(&scope, size_bytes.unsigned_abs()).await?;
        let upload = inner.storage.create_upload(scope.clone(), new).await?;
        let (id, expires_at_s) = (upload.id.to_string(), seconds(upload.expires_at));
        let url = self.absolute(&inner.signer.sign_upload(&scope, &id, expires_at_s));
        Ok(CreatedUpload { upload, url })
    }

    /// A link that gives the bytes of a form until it expires, as a file with the name of its
    /// artifact; none where they are elsewhere than in the content store.
    ///
    /// # Errors
    /// [`Refusal::PolicyDenied`](crate::model::Refusal::PolicyDenied); when the database does not answer.
    pub async fn download_url(
        &self,
        principal: &Principal,
        shown: Shown<'_>,
    ) -> Result<Option<String>, storage::Error> {
        let Shown { artifact, form } = shown;
        let name = artifact.display_name.as_deref();
        let link = self.link(form, name, &principal.scope());
        if link.is_some() {
            self.check_read(principal, shown).await?;
        }
        Ok(link)
    }

    /// Asks whether whoever was shown a form may read it.
    async fn check_read(
        &self,
        principal: &Principal,
        shown: Shown<'_>,
    ) -> Result<(), storage::Error> {
        let Shown { artifact, form } = shown;
        let about = About {
            artifact: artifact.into(),
            size_bytes: Some(form.size_bytes),
        };
        let question = Question {
            asked: Asked::ReadContent(about, &form.format),
            during: None,
        };
        let policies = &self.0.settings.policies;
        policies.check(principal, &question).await
    }

    fn link(
        &self,
        form: &Materialization,
        display_name: Option<&str>,
        scope: &TenantScope,
    ) -> Option<String> {
        if form.storage_type != CONTENT {
            return None;
        }
        let inner = &self.0;
        let digest: Digest = form.digest.parse().ok()?;
        let expires_at_s =
            seconds(inner.clock.now()).saturating_add(inner.settings.url_ttl_seconds);
        let name = check::download_name(form, display_name);
        let signer = &inner.signer;
        let path = signer.sign_download(scope, &digest, Some(&name), expires_at_s);
        Some(self.absolute(&path))
    }

    fn absolute(&self, path: &str) -> String {
        let base = self.0.settings.public_url.as_deref().unwrap_or_default();
        format!("{}{path}", base.trim_end_matches('/'))
    }

    fn now_s(&self) -> i64 {
        seconds(self.0.clock.now())
    }
}

fn seconds(micros: Micros) -> i64 {
    micros.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests;
