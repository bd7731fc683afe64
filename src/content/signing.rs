//! Signed URLs of our own: a folder has none, and every store is served alike.
//!
//! A signature covers the method, the tenant, the object, the file name, the id of the key and the expiry,
//! each framed by its length; it opens one object for one purpose until it expires, or until its key
//! leaves the ring.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Digest;
use crate::model::{KeyRing, TenantId, TenantScope, hmac_by};

/// Why a signed URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Its time has passed.
    #[error("the link has expired")]
    Expired,
    /// It was not made by a key that this server has, or was changed.
    #[error("the link is not valid")]
    Invalid,
}

/// What a link says of itself: who it speaks for, until when, and the proof of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose it is.
    pub tenant: String,
    /// Until when, in seconds since 1970-01-01 UTC.
    pub expires_at_s: i64,
    /// The id of the key that signed it.
    pub key: String,
    /// The proof that this server made it.
    pub signature: String,
}

/// Makes and checks signed URLs. All nodes that serve one content store share its keys.
#[derive(Clone)]
pub struct Signer {
    /// The one that signs comes first.
    keys: Vec<(String, Hmac<Sha256>)>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

impl Signer {
    /// A signer with these keys.
    #[must_use]
    pub fn new(ring: &KeyRing) -> Self {
        let keys = ring
            .iter()
            .map(|key| (key.id().to_owned(), hmac_by(&key.bytes_for("links"))));
        Self {
            keys: keys.collect(),
        }
    }

    /// The id of the key that signs, and a signature by it.
    fn sign(&self, parts: &[&str], expires_at_s: i64) -> (&str, String) {
        // No ring is empty.
        let (id, key) = &self.keys[0];
        let mac = over(key, parts, id, expires_at_s);
        (id, HEXLOWER.encode(&mac.finalize().into_bytes()))
    }

    fn verify(
        &self,
        parts: &[&str],
        link: &Link,
        now_s: i64,
    ) -> Result<TenantScope, SignatureError> {
        let given = HEXLOWER.decode(link.signature.as_bytes()).ok();
        let given = given.ok_or(SignatureError::Invalid)?;
        let key = self.keys.iter().find(|(id, _)| *id == link.key);
        let (id, key) = key.ok_or(SignatureError::Invalid)?;
        // Compares in constant time.
        over(key, parts, id, link.expires_at_s)
            .verify_slice(&given)
            .map_err(|_| SignatureError::Invalid)?;
        if now_s >= link.expires_at_s {
            return Err(SignatureError::Expired);
        }
        // A link whose signature is good speaks for the tenant that it names.
        let tenant: TenantId = link.tenant.parse().map_err(|_| SignatureError::Invalid)?;
        Ok(TenantScope::of_link(tenant))
    }

    /// Path and query of a URL that takes an upload by PUT until `expires_at_s` (Unix seconds).
    #[must_use]
    pub fn sign_upload(&self, scope: &TenantScope, upload_id: &str, expires_at_s: i64) -> String {
        let tenant = scope.tenant().as_str();
        let (key, signature) = self.sign(&["PUT", tenant, upload_id], expires_at_s);
        format!(
            "/uploads/{}?tenant={}&expires={expires_at_s}&key={key}&signature={signature}",
            percent(upload_id),
            percent(tenant)
        )
    }

    /// Checks what came with an upload; the scope that the link gives.
    ///
    /// # Errors
    /// When the signature does not fit or has expired.
    pub fn verify_upload(
        &self,
        upload_id: &str,
        link: &Link,
        now_s: i64,
    ) -> Result<TenantScope, SignatureError> {
        self.verify(&["PUT", &link.tenant, upload_id], link, now_s)
    }

    /// Path and query of a URL that gives the content until `expires_at_s` (Unix seconds).
    #[must_use]
    pub fn sign_download(
        &self,
        scope: &TenantScope,
        digest: &Digest,
        filename: Option<&str>,
        expires_at_s: i64,
    ) -> String {
        let tenant = scope.tenant().as_str();
        let name = filename.unwrap_or_default();
        let hex = digest.to_string();
        let (key, signature) = self.sign(&["GET", tenant, &hex, name], expires_at_s);
        format!(
            "/content/{}/{hex}?expires={expires_at_s}&name={}&key={key}&signature={signature}",
            percent(tenant),
            percent(name)
        )
    }

    /// Checks what came with a download; the scope that the link gives.
    ///
    /// # Errors
    /// When the signature does not fit or has expired.
    pub fn verify_download(
        &self,
        digest: &Digest,
        filename: Option<&str>,
        link: &Link,
        now_s: i64,
    ) -> Result<TenantScope, SignatureError> {
        let name = filename.unwrap_or_default();
        let parts = ["GET", &link.tenant, &digest.to_string(), name];
        self.verify(&parts, link, now_s)
    }
}

fn over(key: &Hmac<Sha256>, parts: &[&str], id: &str, expires_at_s: i64) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in parts.iter().chain([&id]) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(&expires_at_s.to_be_bytes());
    mac
}

/// RFC 3986 percent-encoding of everything but unreserved characters.
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    encoded
}
