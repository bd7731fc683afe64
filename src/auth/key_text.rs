//! Texts that prove something. The text of a key: `tk_`, a prefix by which it is found, and a secret of 32 random bytes. The secret cannot
//! be guessed, so a plain digest of the text is kept; a slow one would only cost time.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The beginning of the text of every key.
pub(super) const MARK: &str = "tk_";

const PREFIX_BYTES: usize = 10;
const PREFIX_CHARS: usize = 16;
const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = 43;

/// The whole text of a new key or token. It is shown once, and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText")
    }
}

impl KeyText {
    /// A new one.
    pub(super) fn random() -> Self {
        let prefix = BASE32_NOPAD.encode(&random::<PREFIX_BYTES>());
        let prefix = prefix.to_ascii_lowercase();
        Self(format!("{MARK}{prefix}_{}", secret_text()))
    }

    /// That of a token.
    pub(super) fn of_token(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part that is no secret.
    pub(super) fn prefix(&self) -> &str {
        prefix_of(&self.0).unwrap_or_default()
    }

    /// The digest that is kept of it.
    pub(super) fn digest(&self) -> String {
        digest_of(&self.0)
    }
}

/// The secret part of a new text.
pub(super) fn secret_text() -> String {
    URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>())
}

/// Returns whether a text may be the secret part of another one.
pub(super) fn is_secret(text: &str) -> bool {
    let of_secret = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    text.len() == SECRET_CHARS && text.bytes().all(of_secret)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a secret must not be predictable, in tests neither"
)]
fn random<const N: usize>() -> [u8; N] {
    rand::random()
}

/// The prefix of a text that may be a key's; none for one that cannot be.
pub(super) fn prefix_of(text: &str) -> Option<&str> {
    let (prefix, secret) = text.strip_prefix(MARK)?.split_at_checked(PREFIX_CHARS)?;
    let secret = secret.strip_prefix('_')?;
    let of_prefix = |b: u8| b.is_ascii_lowercase() || matches!(b, b'2'..=b'7');
    let is_key = prefix.bytes().all(of_prefix) && is_secret(secret);
    is_key.then_some(prefix)
}

/// SHA-256 (hex).
pub(super) fn digest_of(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// Returns whether `digest` is that of the text, in a time that tells nothing of either.
pub(super) fn is_digest_of(digest: &str, text: &str) -> bool {
    digest.as_bytes().ct_eq(digest_of(text).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_prefix_and_known_by_its_digest() {
        let (one, other) = (KeyText::random(), KeyText::random());
        assert_eq!(one.expose().len(), 3 + 16 + 1 + 43);
        assert_eq!(prefix_of(one.expose()), Some(one.prefix()));
        assert_ne!(one.prefix(), other.prefix());
        assert!(is_digest_of(&one.digest(), one.expose()));
        assert!(!is_digest_of(&one.digest(), other.expose()));
        assert!(!is_digest_of("", one.expose()));
    }

    #[test]
    fn what_cannot_be_a_key_has_no_prefix() {
        let key = KeyText::random();
        let text = key.expose();
        let wrong = [
            String::new(),
            "tk_".into(),
            text[1..].to_owned(),
            text[..text.len() - 1].to_owned(),
            format!("{text}x"),
            format!("{text}\n"),
            text.replacen("tk_", "TK_", 1),
            format!("tk_ÿ{}", &text[4..]),
            format!("tk_{}", "ü".repeat(30)),
            text.to_ascii_uppercase(),
        ];
        for wrong in wrong {
            assert_eq!(prefix_of(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_text_is_not_shown_by_chance() {
        let key = KeyText::random();
        assert!(!format!("{key:?}").contains(key.prefix()));
    }
}
