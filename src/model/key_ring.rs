//! Named secrets for one purpose, which can be exchanged one after the other: the first of them makes what
//! is new, all of them check what is there.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The most keys of a ring.
const MOST_KEYS: usize = 8;
const LEAST_SECRET_CHARS: usize = 32;
/// A secret that repeats fewer characters than these is no random one.
const LEAST_DISTINCT_CHARS: usize = 6;
const MOST_ID_CHARS: usize = 16;
/// The id of a secret that was given without one.
const ONLY_ID: &str = "k1";

/// From 1 to 8 secrets with ids that differ, written `ID:SECRET, ID:SECRET`. A secret alone has the id `k1`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRing(Vec<RingKey>);

/// A secret of a ring, and its id, which is no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RingKey {
    id: String,
    secret: String,
}

/// The fault of a text that is no ring. It tells nothing of the secrets in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// There are none, or too many.
    #[error("a ring has 1 to {MOST_KEYS} keys, written ID:SECRET with commas between them")]
    Count,
    /// An id is missing or malformed. It is not shown, for it may be a secret.
    #[error(
        "key {0} must be written ID:SECRET, with an id of 1 to {MOST_ID_CHARS} characters a-z, 0-9 and -"
    )]
    Id(usize),
    /// Two keys have one id.
    #[error("two keys have the id {0}")]
    Twice(String),
    /// A secret could be guessed.
    #[error(
        "the secret of key {0} is weak: it must have at least {LEAST_SECRET_CHARS} characters and be random, \
         as `openssl rand -hex 32` makes one"
    )]
    Weak(String),
}

impl KeyRing {
    /// A ring of one key.
    ///
    /// # Errors
    /// When the secret is weak.
    pub fn single(secret: &str) -> Result<Self, KeyRingError> {
        Ok(Self(vec![RingKey::checked(ONLY_ID, secret)?]))
    }

    /// The key that makes what is new.
    #[must_use]
    pub fn first(&self) -> &RingKey {
        // No ring is empty.
        &self.0[0]
    }

    /// The key with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&RingKey> {
        self.iter().find(|key| key.id == id)
    }

    /// All keys, the one that makes what is new before the others.
    pub fn iter(&self) -> impl Iterator<Item = &RingKey> {
        self.0.iter()
    }

    /// The text of the ring with its secrets.
    #[must_use]
    pub fn expose(&self) -> String {
        let keys = self.iter().map(|key| format!("{}:{}", key.id, key.secret));
        keys.collect::<Vec<_>>().join(", ")
    }
}

impl RingKey {
    fn checked(id: &str, secret: &str) -> Result<Self, KeyRingError> {
        let mut distinct: Vec<char> = secret.chars().collect();
        let chars = distinct.len();
        distinct.sort_unstable();
        distinct.dedup();
        if chars < LEAST_SECRET_CHARS || distinct.len() < LEAST_DISTINCT_CHARS {
            return Err(KeyRingError::Weak(id.to_owned()));
        }
        Ok(Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// The name of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The 32 bytes of the key that serve `purpose`, by HMAC-SHA-256. They tell nothing of those for another
    /// one, also where two rings were given the same secret.
    #[must_use]
    pub fn bytes_for(&self, purpose: &str) -> [u8; 32] {
        let mut mac = hmac_by(&Sha256::digest(self.secret.as_bytes()).into());
        mac.update(b"takeoff ");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// HMAC-SHA-256 by a key of 32 bytes.
pub(crate) fn hmac_by(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a key to the block of its hash; done here, no length can be refused.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

impl FromStr for KeyRing {
    type Err = KeyRingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        if let [alone] = parts[..]
            && !alone.is_empty()
            && !alone.contains(':')
        {
            return Self::single(alone);
        }
        if text.trim().is_empty() || parts.len() > MOST_KEYS {
            return Err(KeyRingError::Count);
        }
        let mut keys: Vec<RingKey> = Vec::with_capacity(parts.len());
        for (at, part) in parts.into_iter().enumerate() {
            let named = part.split_once(':').filter(|(id, _)| is_id(id));
            let (id, secret) = named.ok_or(KeyRingError::Id(at + 1))?;
            if keys.iter().any(|key| key.id == id) {
                return Err(KeyRingError::Twice(id.to_owned()));
            }
            keys.push(RingKey::checked(id, secret)?);
        }
        Ok(Self(keys))
    }
}

fn is_id(text: &str) -> bool {
    let of_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MOST_ID_CHARS).contains(&text.len()) && text.bytes().all(of_id)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "fedcba9876543210fedcba9876543210";

    fn ring(text: &str) -> KeyRing {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_key_makes_and_all_are_found() {
        let text = format!(" k2:{TWO} ,  k1:{ONE}");
        let keys = ring(&text);
        assert_eq!(keys.first().id(), "k2");
        assert_eq!(keys.find("k1"), Some(ring(ONE).first()));
        assert_eq!(keys.find("k3"), None);
        assert_eq!(ring(&keys.expose()), keys);
        // Whatever is behind the id is the secret.
        let colon = ring(&format!("a:b:{ONE}"));
        assert_eq!(colon.first().secret, format!("b:{ONE}"));
    }

    #[test]
    fn what_is_no_ring_is_refused_without_its_secrets() {
        let nine: Vec<String> = (0..9).map(|at| format!("k{at}:{ONE}{at}")).collect();
        for (text, fault) in [
            (String::new(), KeyRingError::Count),
            (" ".to_owned(), KeyRingError::Count),
            (nine.join(","), KeyRingError::Count),
            (format!("K:{ONE}"), KeyRingError::Id(1)),
            (format!(":{ONE}"), KeyRingError::Id(1)),
            (format!("k1:{ONE},{TWO}"), KeyRingError::Id(2)),
            (format!("k1:{ONE},"), KeyRingError::Id(2)),
            (format!("seventeen-letters:{ONE}"), KeyRingError::Id(1)),
            (
                format!("k1:{ONE},k1:{TWO}"),
                KeyRingError::Twice("k1".into()),
            ),
            ("k1:".to_owned(), KeyRingError::Weak("k1".into())),
            (format!("k1:{}", &ONE[1..]), KeyRingError::Weak("k1".into())),
            ("a".repeat(64), KeyRingError::Weak("k1".into())),
            ("secret".repeat(20), KeyRingError::Weak("k1".into())),
        ] {
            let refused = text.parse::<KeyRing>().unwrap_err();
            assert_eq!(refused, fault);
            assert!(!refused.to_string().contains("cdef"), "{refused}");
        }
        assert_eq!(
            nine[..8]
                .join(",")
                .parse::<KeyRing>()
                .unwrap()
                .iter()
                .count(),
            8
        );
    }

    #[test]
    fn a_ring_shows_no_secret() {
        let shown = format!("{:?}", ring(&format!("k2:{TWO}, k1:{ONE}")));
        assert_eq!(shown, "[k2, k1]");
    }

    #[test]
    fn a_key_has_other_bytes_for_each_purpose_and_each_secret() {
        let (one, two) = (ring(ONE), ring(TWO));
        let links = one.first().bytes_for("links");
        assert_eq!(
            links,
            ring(&format!("other:{ONE}")).first().bytes_for("links")
        );
        assert_ne!(links, one.first().bytes_for("checkpoints"));
        assert_ne!(links, two.first().bytes_for("links"));
    }
}
