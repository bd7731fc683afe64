//! Signed URLs of our own: a folder has none, and every store is served alike.
//!
//! A signature covers the method, the tenant, the object, the expiry and the file name, each framed
//! by its length; it opens one object for one purpose until it expires.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Digest;
use crate::model::{TenantId, TenantScope};

/// Why a signed URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Its time has passed.
    #[error("the link has expired")]
    Expired,
    /// It was not made by this server, or was changed.
    #[error("the link is not valid")]
    Invalid,
}

/// Makes and checks signed URLs. All nodes that serve one content store share the key.
#[derive(Clone)]
pub struct Signer {
    key: [u8; 32],
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// A signer with this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    fn mac(&self, parts: &[&str], expires_at_s: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&expires_at_s.to_be_bytes());
        Some(mac)
    }

    fn sign(&self, parts: &[&str], expires_at_s: i64) -> String {
        let mac = self.mac(parts, expires_at_s);
        mac.map(|mac| HEXLOWER.encode(&mac.finalize().into_bytes()))
            .unwrap_or_default()
    }

    fn verify(
        &self,
        parts: &[&str],
        expires_at_s: i64,
        signature: &str,
        now_s: i64,
    ) -> Result<(), SignatureError> {
        let given = HEXLOWER
            .decode(signature.as_bytes())
            .map_err(|_| SignatureError::Invalid)?;
        let mac = self
            .mac(parts, expires_at_s)
            .ok_or(SignatureError::Invalid)?;
        // Compares in constant time.
        mac.verify_slice(&given)
            .map_err(|_| SignatureError::Invalid)?;
        if now_s >= expires_at_s {
            Err(SignatureError::Expired)
        } else {
            Ok(())
        }
    }

    /// A link whose signature is good speaks for the tenant that it names.
    fn scope_of(tenant: &str) -> Result<TenantScope, SignatureError> {
        let tenant: TenantId = tenant.parse().map_err(|_| SignatureError::Invalid)?;
        Ok(TenantScope::of_link(tenant))
    }

    /// Path and query of a URL that takes an upload by PUT until `expires_at_s` (Unix seconds).
    #[must_use]
    pub fn sign_upload(&self, scope: &TenantScope, upload_id: &str, expires_at_s: i64) -> String {
        let tenant = scope.tenant().as_str();
        let signature = self.sign(&["PUT", tenant, upload_id], expires_at_s);
        format!(
            "/uploads/{}?tenant={}&expires={expires_at_s}&signature={signature}",
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
        tenant: &str,
        upload_id: &str,
        expires_at_s: i64,
        signature: &str,
        now_s: i64,
    ) -> Result<TenantScope, SignatureError> {
        self.verify(&["PUT", tenant, upload_id], expires_at_s, signature, now_s)?;
        Self::scope_of(tenant)
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
        let signature = self.sign(&["GET", tenant, &hex, name], expires_at_s);
        format!(
            "/content/{}/{hex}?expires={expires_at_s}&name={}&signature={signature}",
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
        tenant: &str,
        digest: &Digest,
        filename: Option<&str>,
        expires_at_s: i64,
        signature: &str,
        now_s: i64,
    ) -> Result<TenantScope, SignatureError> {
        let name = filename.unwrap_or_default();
        self.verify(
            &["GET", tenant, &digest.to_string(), name],
            expires_at_s,
            signature,
            now_s,
        )?;
        Self::scope_of(tenant)
    }
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
