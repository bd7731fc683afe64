//! The layers, one over the other, and the reading of each key from what they left.

use std::{collections::BTreeMap, fmt, slice};

use super::{Error, Origin, key::Key, setting::Setting};

/// A value that a layer gives for a key.
#[derive(Clone)]
pub(super) struct Given {
    /// The value as text.
    pub(super) text: String,
    /// Its TOML type; none for an environment variable or a flag, which have only text.
    pub(super) kind: Option<&'static str>,
    /// Where it is from.
    pub(super) origin: Origin,
}

/// The effective value of a key, as it may be shown.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: &'static Key,
    /// None if it is not set.
    pub(super) shown: Option<String>,
    /// The TOML type.
    pub(super) kind: &'static str,
    pub(super) origin: Origin,
}

/// The values of the layers, by the path of the key, the last one last; those that are read go over
/// to the entries.
#[derive(Default)]
pub(super) struct Layers {
    given: BTreeMap<String, Vec<Given>>,
    entries: Vec<Entry>,
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The raw values may be secret.
        f.debug_struct("Layers")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl Layers {
    /// Lays another layer over those that are there.
    pub(super) fn cover(&mut self, layer: BTreeMap<String, Given>) {
        for (path, given) in layer {
            self.given.entry(path).or_default().push(given);
        }
    }

    /// The values that were read, in their order.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The value of the next one of `keys`.
    pub(super) fn take<T: Setting>(
        &mut self,
        keys: &mut slice::Iter<'static, Key>,
        default: T,
    ) -> Result<T, Error> {
        // One key is written for each field, by the same macro.
        let Some(key) = keys.next() else {
            return Ok(default);
        };
        let (mut value, mut origin) = (default, Origin::Default);
        // A bad value is an error also where a later layer covers it.
        for given in self.given.remove(&key.path()).unwrap_or_default() {
            value = parse(key, &given)?;
            origin = given.origin;
        }
        self.entries.push(Entry {
            key,
            shown: value.redacted(),
            kind: T::TYPE,
            origin,
        });
        Ok(value)
    }

    /// Gives a key the value that follows from `data_dir`, unless it has one.
    pub(super) fn fill(&mut self, path: &str, text: String) {
        let given = self.given.entry(path.to_owned()).or_default();
        // A value of a wrong type has no text either; it stays, to be refused.
        let empty =
            |given: &Given| given.text.is_empty() && given.kind.is_none_or(|k| k == "string");
        let unset = given.last().is_none_or(empty);
        given.retain(|given| !empty(given));
        if unset {
            given.push(Given {
                text,
                kind: None,
                origin: Origin::Derived("data_dir"),
            });
        }
    }

    /// Where the value of a key that was read is from.
    pub(super) fn origin(&self, path: &str) -> Origin {
        let entry = self.entries.iter().find(|entry| entry.key.path() == path);
        entry.map_or(Origin::Default, |entry| entry.origin.clone())
    }
}

fn parse<T: Setting>(key: &Key, given: &Given) -> Result<T, Error> {
    let bad = |reason| Error::BadValue {
        key: key.path(),
        origin: given.origin.clone(),
        reason,
    };
    if let Some(kind) = given.kind
        && kind != T::TYPE
    {
        return Err(bad(format!("expected {}, found {kind}", T::TYPE)));
    }
    let value = T::parse(&given.text).map_err(bad)?;
    match value.text().and_then(|text| key.refuses(&text)) {
        Some(reason) => Err(bad(reason)),
        None => Ok(value),
    }
}
