//! Signed URLs of our own: a folder has none, and every store is served alike.
//!
//! A signature covers the method, the tenant, the object, the expiry and the file name, each framed
//! by its length; it opens one object for one purpose until it expires.

use std::{fmt, io, path::Path};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Digest;

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

    /// Path and query of a URL that takes an upload by PUT until `expires_at_s` (Unix seconds).
    #[must_use]
    pub fn sign_upload(&self, tenant: &str, upload_id: &str, expires_at_s: i64) -> String {
        let signature = self.sign(&["PUT", tenant, upload_id], expires_at_s);
        format!(
            "/uploads/{}?tenant={}&expires={expires_at_s}&signature={signature}",
            percent(upload_id),
            percent(tenant)
        )
    }

    /// Checks what came with an upload.
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
    ) -> Result<(), SignatureError> {
        self.verify(&["PUT", tenant, upload_id], expires_at_s, signature, now_s)
    }

    /// Path and query of a URL that gives the content until `expires_at_s` (Unix seconds).
    #[must_use]
    pub fn sign_download(
        &self,
        tenant: &str,
        digest: &Digest,
        filename: Option<&str>,
        expires_at_s: i64,
    ) -> String {
        let name = filename.unwrap_or_default();
        let hex = digest.to_string();
        let signature = self.sign(&["GET", tenant, &hex, name], expires_at_s);
        format!(
            "/content/{}/{hex}?expires={expires_at_s}&name={}&signature={signature}",
            percent(tenant),
            percent(name)
        )
    }

    /// Checks what came with a download.
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
    ) -> Result<(), SignatureError> {
        let name = filename.unwrap_or_default();
        self.verify(
            &["GET", tenant, &digest.to_string(), name],
            expires_at_s,
            signature,
            now_s,
        )
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

/// The key in `folder/signing.key`, made when it is not there. Several starters at once end with
/// the same key.
///
/// # Errors
/// When the folder cannot be read or written, or the file is not a key.
pub fn load_or_create_key(folder: &Path) -> io::Result<[u8; 32]> {
    let path = folder.join("signing.key");
    match std::fs::read(&path) {
        Ok(bytes) => return key_from(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(folder)?;
    let key = random_key();
    let own = folder.join(format!("signing.key.{}", thread_mark()));
    write_private(&own, HEXLOWER.encode(&key).as_bytes())?;
    // A link is made by one starter only; the others read what it made.
    let linked = std::fs::hard_link(&own, &path);
    std::fs::remove_file(&own)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            key_from(&std::fs::read(&path)?)
        }
        Err(error) => Err(error),
    }
}

fn key_from(text: &[u8]) -> io::Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(text.trim_ascii()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "signing.key is not a key"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a secret must not be predictable, in tests neither"
)]
fn random_key() -> [u8; 32] {
    rand::random()
}

/// A name for the file that no other starter uses, in this process or another.
fn thread_mark() -> String {
    format!("{}-{:?}", std::process::id(), std::thread::current().id())
        .replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "")
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
