//! Sensitive parameters, sealed: AES-256-GCM by a key for each intent, which is derived from a data key. Data keys
//! are random, kept in the database, and sealed themselves by the ring of the configuration; so another ring needs
//! a few rows to be sealed anew and none of what they sealed.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use hmac::Mac;

use crate::{
    model::{IntentId, KeyRing, RingKey, TenantId, hmac_by, sealed},
    storage::{self, DataKey, Storage},
};

type Bytes32 = [u8; 32];

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No ring is configured.
    #[error("this server has no keys for sensitive parameters; set secrets.keys")]
    NoKeys,
    /// The ring lacks a key that sealed something.
    #[error("secrets.keys lacks the key {0}, by which data keys are sealed")]
    MissingKey(String),
    /// Somebody else has rotated the data keys at the same time.
    #[error("another rotation has come first; this one has changed nothing")]
    Overtaken,
    /// It is not what was sealed, or not in this place.
    #[error("sealed data cannot be opened")]
    Broken,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Seals and opens sensitive parameters. Clones share the keys.
#[derive(Clone)]
pub struct Vault(Arc<KeyStore>);

struct KeyStore {
    storage: Storage,
    ring: KeyRing,
    /// The last one seals.
    data_keys: RwLock<BTreeMap<i64, Bytes32>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({:?})", self.0.ring)
    }
}

impl Vault {
    /// Opens the data keys of a database by `ring`, and makes the first one where there is none.
    ///
    /// # Errors
    /// [`Error::MissingKey`] when the ring lacks a key that sealed one; when the database does not answer.
    pub async fn open(storage: Storage, ring: KeyRing) -> Result<Self, Error> {
        let vault = Self(Arc::new(KeyStore {
            storage,
            ring,
            data_keys: RwLock::default(),
        }));
        if vault.load().await?.is_none() {
            // Of two nodes that make it at the same time one does.
            let first = seal_data_key(vault.0.ring.first(), 1, &random())?;
            vault.0.storage.make_data_key(first).await?;
            vault.load().await?;
        }
        Ok(vault)
    }

    /// Reads the data keys; the number of the last one.
    async fn load(&self) -> Result<Option<i64>, Error> {
        let mut opened = BTreeMap::new();
        for row in self.0.storage.data_keys().await? {
            opened.insert(row.id, open_data_key(&self.0.ring, &row)?);
        }
        let last = opened.keys().last().copied();
        let keys = &self.0.data_keys;
        *keys.write().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(last)
    }

    fn known(&self, id: i64) -> Option<Bytes32> {
        let keys = self.0.data_keys.read();
        keys.unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .copied()
    }

    /// Seals `text` for one intent of one tenant.
    ///
    /// # Errors
    /// [`Error::Broken`] when the library refuses.
    pub fn seal(&self, tenant: &TenantId, intent: IntentId, text: &str) -> Result<String, Error> {
        let last = {
            let keys = self
                .0
                .data_keys
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            keys.last_key_value().map(|(id, key)| (*id, *key))
        };
        let (id, key) = last.ok_or(Error::Broken)?;
        let place = place_of(tenant, intent);
        let sealed = seal(&derived(&key, &place), place.as_bytes(), text.as_bytes())?;
        Ok(format!("v1.{id}.{sealed}"))
    }

    /// Opens what was sealed for this intent.
    ///
    /// # Errors
    /// [`Error::Broken`] when it was sealed for another one or is damaged; [`Error::MissingKey`]; when the database
    /// does not answer.
    pub async fn reveal(
        &self,
        tenant: &TenantId,
        intent: IntentId,
        sealed: &str,
    ) -> Result<String, Error> {
        let mut parts = sealed.splitn(3, '.');
        let (Some("v1"), Some(id), Some(sealed)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::Broken);
        };
        let id: i64 = id.parse().map_err(|_| Error::Broken)?;
        let mut key = self.known(id);
        if key.is_none() {
            // It was made since this node looked.
            self.load().await?;
            key = self.known(id);
        }
        let key = key.ok_or(Error::Broken)?;
        let place = place_of(tenant, intent);
        let opened = open(&derived(&key, &place), place.as_bytes(), sealed)?;
        String::from_utf8(opened).map_err(|_| Error::Broken)
    }

    /// A digest of `text` that nobody without the keys can compare with guesses; the same for ever.
    ///
    /// # Errors
    /// [`Error::Broken`] when there is no data key.
    pub fn blind(&self, text: &str) -> Result<String, Error> {
        let key = {
            let keys = self
                .0
                .data_keys
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            keys.first_key_value().map(|(_, key)| *key)
        };
        let mut mac = hmac_by(&key.ok_or(Error::Broken)?);
        mac.update(b"takeoff digest of parameters ");
        mac.update(text.as_bytes());
        Ok(data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
    }
}

/// Seals all data keys by the first key of `ring`, and makes a new one for what is sealed from now on; their
/// number.
///
/// # Errors
/// [`Error::MissingKey`] when the ring lacks a key that sealed one; [`Error::Overtaken`]; when the database is away.
pub async fn rotate(storage: &Storage, ring: &KeyRing) -> Result<usize, Error> {
    let known = storage.data_keys().await?;
    let Some(last) = known.last() else {
        Vault::open(storage.clone(), ring.clone()).await?;
        return Ok(1);
    };
    let mut renewed = Vec::with_capacity(known.len());
    for row in &known {
        let key = open_data_key(ring, row)?;
        renewed.push(seal_data_key(ring.first(), row.id, &key)?);
    }
    let made = seal_data_key(ring.first(), last.id.saturating_add(1), &random())?;
    let count = renewed.len() + 1;
    if storage.rotate_data_keys(known, renewed, made).await? {
        Ok(count)
    } else {
        Err(Error::Overtaken)
    }
}

fn seal_data_key(key: &RingKey, id: i64, data_key: &Bytes32) -> Result<DataKey, Error> {
    let sealed = seal(&key.bytes_for("data keys"), &id.to_be_bytes(), data_key)?;
    let ring_key = key.id().to_owned();
    Ok(DataKey {
        id,
        ring_key,
        sealed,
    })
}

fn open_data_key(ring: &KeyRing, row: &DataKey) -> Result<Bytes32, Error> {
    let missing = || Error::MissingKey(row.ring_key.clone());
    let key = ring.find(&row.ring_key).ok_or_else(missing)?;
    // Another secret under the id is a missing key as well.
    let opened = open(
        &key.bytes_for("data keys"),
        &row.id.to_be_bytes(),
        &row.sealed,
    );
    opened
        .map_err(|_| missing())?
        .try_into()
        .map_err(|_| Error::Broken)
}

/// The tenant and the intent that something is sealed for.
fn place_of(tenant: &TenantId, intent: IntentId) -> String {
    format!("{intent} {tenant}")
}

fn derived(key: &Bytes32, place: &str) -> Bytes32 {
    let mut mac = hmac_by(key);
    mac.update(b"takeoff parameters of ");
    mac.update(place.as_bytes());
    mac.finalize().into_bytes().into()
}

fn seal(key: &Bytes32, place: &[u8], text: &[u8]) -> Result<String, Error> {
    sealed::seal(key, place, text.to_vec()).ok_or(Error::Broken)
}

fn open(key: &Bytes32, place: &[u8], sealed: &str) -> Result<Vec<u8>, Error> {
    sealed::open(key, place, sealed).ok_or(Error::Broken)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a secret must not be predictable, in tests neither"
)]
fn random() -> Bytes32 {
    rand::random()
}
