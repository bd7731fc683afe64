//! Texts that only who has the key can read, and nobody can change: AES-256-GCM with a random nonce.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use data_encoding::BASE64URL_NOPAD;

/// Seals a text, which opens only with the same key and `place`: the nonce and the sealed text, as base64. None if the
/// text is too long for the cipher.
pub(crate) fn seal(key: &[u8; 32], place: &[u8], mut text: Vec<u8>) -> Option<String> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let nonce = key.seal_in_place_append_tag(Aad::from(place), &mut text);
    let mut all = nonce.ok()?.as_ref().to_vec();
    all.append(&mut text);
    Some(BASE64URL_NOPAD.encode(&all))
}

/// The text that was sealed; none if it was sealed by another key or for another place, or was changed.
pub(crate) fn open(key: &[u8; 32], place: &[u8], sealed: &str) -> Option<Vec<u8>> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let mut all = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
    if all.len() < NONCE_LEN {
        return None;
    }
    let mut sealed = all.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&all).ok()?;
    let opened = key.open_in_place(nonce, Aad::from(place), &mut sealed);
    opened.ok().map(|text| text.to_vec())
}
