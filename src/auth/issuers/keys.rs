//! The keys of an issuer: read from a file at the start, or asked for, kept, and asked for again.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use tokio::sync::Mutex;

use super::{fetch::Source, settings::Checked};
use crate::{auth::revocation::Revocation, clock::Clock};

/// Because of keys that are not known, an issuer is asked so often at most.
pub(super) const UNKNOWN_EVERY: Duration = Duration::from_secs(5);

/// The keys are asked for again after this time, so that those that an issuer takes back end.
const RENEWED_EVERY: Duration = Duration::from_mins(5);

/// Most keys of an issuer.
const MAX_KEYS: usize = 100;

/// RSA keys of fewer bits are weak.
const LEAST_RSA_BITS: usize = 2048;

/// A key by which an issuer signs.
#[derive(Debug)]
pub(super) struct SigningKey {
    pub(super) decoding: DecodingKey,
    algorithm: Algorithm,
    jwk: Jwk,
    /// Comes when the issuer takes the key back.
    pub(super) revocation: Arc<Revocation>,
}

impl SigningKey {
    pub(super) fn signs(&self, algorithm: Algorithm) -> bool {
        self.algorithm == algorithm
    }
}

type KeySet = HashMap<String, Arc<SigningKey>>;

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    url: String,
    allowed: Vec<Algorithm>,
    current: RwLock<KeySet>,
    /// None where the keys are from a file.
    source: Option<Source>,
    /// When the issuer was last asked. Held while it is: who waits finds the answer.
    asked: Mutex<Instant>,
}

impl IssuerKeys {
    /// The keys that the issuer has now.
    pub(super) async fn start(checked: &Checked, clock: &Clock) -> Result<Self, String> {
        let (bytes, source) = if let Some(path) = &checked.jwks_file {
            let bytes = tokio::fs::read(path).await;
            let shown = path.display();
            let bytes = bytes.map_err(|error| format!("jwks_file {shown}: {error}"))?;
            (bytes, None)
        } else {
            let source = Source::new(&checked.url)?;
            (source.first(clock).await?, Some(source))
        };
        let (keys, left_out) = read(&bytes, &checked.algorithms)?;
        if keys.is_empty() {
            return Err(format!(
                "it has no key that can be used{}",
                left_out
                    .first()
                    .map(|why| format!(": {why}"))
                    .unwrap_or_default()
            ));
        }
        Ok(Self {
            url: checked.url.clone(),
            allowed: checked.algorithms.clone(),
            current: RwLock::new(keys),
            source,
            asked: Mutex::new(Instant::now()),
        })
    }

    /// The key of this name; the issuer is asked for one that is not known, unless it was asked just now.
    pub(super) async fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        if let Some(key) = self.known(kid) {
            return Some(key);
        }
        self.renew(UNKNOWN_EVERY).await;
        self.known(kid)
    }

    /// Asks for the keys again when it is time.
    pub(super) async fn refresh(&self) {
        self.renew(RENEWED_EVERY).await;
    }

    fn known(&self, kid: &str) -> Option<Arc<SigningKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.get(kid).cloned()
    }

    async fn renew(&self, after: Duration) {
        let Some(source) = &self.source else {
            return;
        };
        let mut asked = self.asked.lock().await;
        if asked.elapsed() < after {
            return;
        }
        let found = source
            .keys()
            .await
            .and_then(|bytes| read(&bytes, &self.allowed));
        *asked = Instant::now();
        match found {
            Ok((keys, left_out)) => {
                for why in left_out {
                    tracing::warn!(issuer = self.url, why, "a key of the issuer is not used");
                }
                self.replace(keys);
            }
            // The last keys stay while the issuer is away.
            Err(why) => tracing::warn!(
                issuer = self.url,
                why,
                "the issuer's keys cannot be renewed"
            ),
        }
    }

    /// Keys that are still there stay as they are, so that what they have signed goes on.
    fn replace(&self, mut keys: KeySet) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        for (kid, old) in current.iter() {
            match keys.get_mut(kid) {
                Some(new) if new.jwk == old.jwk => *new = Arc::clone(old),
                _ => {
                    tracing::info!(issuer = self.url, kid, "the issuer took a key back");
                    old.revocation.revoke();
                }
            }
        }
        *current = keys;
    }
}

/// The keys of a JWK set that can be used, and why others cannot.
pub(super) fn read(bytes: &[u8], allowed: &[Algorithm]) -> Result<(KeySet, Vec<String>), String> {
    #[derive(serde::Deserialize)]
    struct Lenient {
        keys: Vec<serde_json::Value>,
    }
    let set: Lenient = serde_json::from_slice(bytes)
        .map_err(|fault| format!("its keys are no JWK set: {fault}"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!("it has more than {MAX_KEYS} keys"));
    }
    let (mut keys, mut left_out) = (KeySet::new(), Vec::new());
    for value in set.keys {
        // A key of a kind that is not known is no fault.
        let Ok(jwk) = serde_json::from_value::<Jwk>(value) else {
            continue;
        };
        match signing_key(jwk, allowed) {
            Ok((kid, key)) => {
                if keys.insert(kid.clone(), Arc::new(key)).is_some() {
                    return Err(format!("two of its keys have the kid {kid}"));
                }
            }
            Err(why) => left_out.push(why),
        }
    }
    Ok((keys, left_out))
}

fn signing_key(jwk: Jwk, allowed: &[Algorithm]) -> Result<(String, SigningKey), String> {
    let kid = jwk.common.key_id.clone().ok_or("a key has no kid")?;
    let refused = |why: &str| Err(format!("the key {kid} {why}"));
    if jwk
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|it| *it != PublicKeyUse::Signature)
    {
        return refused("is not for signatures");
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return refused("is of a kind that is not used"),
    };
    let named = jwk.common.key_algorithm;
    let is_for = match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        _ => KeyAlgorithm::EdDSA,
    };
    if named.is_some_and(|named| named != is_for) || !allowed.contains(&algorithm) {
        return refused("is for an algorithm that is not allowed");
    }
    if let AlgorithmParameters::RSA(rsa) = &jwk.algorithm
        && bits_of(&rsa.n) < LEAST_RSA_BITS
    {
        return refused("is weak: an RSA key has 2048 bits at least");
    }
    let Ok(decoding) = DecodingKey::from_jwk(&jwk) else {
        return refused("cannot be read");
    };
    let key = SigningKey {
        decoding,
        algorithm,
        jwk,
        revocation: Arc::default(),
    };
    Ok((kid, key))
}

/// Bits of a number in base64url.
fn bits_of(number: &str) -> usize {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let bytes = URL_SAFE_NO_PAD.decode(number).unwrap_or_default();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes
        .get(zeros)
        .map_or(0, |byte| byte.leading_zeros() as usize);
    ((bytes.len() - zeros) * 8).saturating_sub(first)
}
