//! Ids as newtypes over UUIDs. Clients see the `TypeID` form, `exe_01jd…` (type prefix and the UUID
//! in Crockford base32); a bare UUID is accepted on input.

use std::{borrow::Cow, fmt, str::FromStr};

use data_encoding::{Encoding, Specification};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Micros;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text carries the prefix of another kind of id.
    #[error("expected an id that begins with {expected}_, got one of another kind")]
    WrongKind {
        /// The prefix that was wanted, without the underscore.
        expected: &'static str,
    },
    /// The text is neither a `TypeID` nor a UUID.
    #[error("malformed id: expected {expected}_ and 26 characters, or a UUID")]
    Malformed {
        /// The prefix that was wanted, without the underscore.
        expected: &'static str,
    },
}

fn crockford() -> Encoding {
    static ENCODING: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    ENCODING
        .get_or_init(|| {
            let mut specification = Specification::new();
            specification
                .symbols
                .push_str("0123456789abcdefghjkmnpqrstvwxyz");
            specification
                .encoding()
                .unwrap_or(data_encoding::BASE32HEX_NOPAD)
        })
        .clone()
}

/// 26 characters: the 128 bits, led by two zero bits, five bits a character.
fn encode(uuid: Uuid) -> String {
    let mut padded = [0_u8; 20];
    padded[4..].copy_from_slice(uuid.as_bytes());
    crockford().encode(&padded)[6..].to_owned()
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != 26 || !text.is_ascii() || text.as_bytes()[0] > b'7' {
        return None;
    }
    let bytes = crockford()
        .decode(format!("000000{text}").as_bytes())
        .ok()?;
    Uuid::from_slice(bytes.get(4..)?).ok()
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let malformed = IdError::Malformed { expected: prefix };
    if let Some((kind, rest)) = text.split_once('_') {
        if kind != prefix {
            return Err(IdError::WrongKind { expected: prefix });
        }
        return decode(rest).ok_or(malformed);
    }
    Uuid::try_parse(text).map_err(|_| malformed)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The type prefix, without the underscore.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": concat!(
                        "^(", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}|[0-9A-Fa-f-]{32,36})$"
                    ),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A session.
    SessionId "ses";
    /// An intent. Its UUID is that of the first execution it led to.
    IntentId "int";
    /// An execution of an intent.
    ExecutionId "exe";
    /// An entry of the log, derived from its stream and sequence.
    EventId "evt";
    /// An artifact.
    ArtifactId "art";
    /// One stored form of an artifact.
    MaterializationId "mat";
    /// An upload that was announced.
    UploadId "upl";
    /// A key by which a service or a script proves who it is.
    KeyId "key";
    /// A schedule.
    ScheduleId "sch";
    /// A bulk operation.
    OperationId "opr";
    /// A webhook.
    WebhookId "whk";
    /// One start of one node: a fresh id each time a process begins to serve.
    NodeId "nod";
}

impl ExecutionId {
    /// When it was made, by the clock of the node that made it; none for an id of another version.
    #[must_use]
    pub fn made_at(self) -> Option<Micros> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        let seconds = i64::try_from(seconds).ok()?;
        Some(seconds * 1_000_000 + i64::from(nanos) / 1_000)
    }
}

impl EventId {
    /// The id of entry `seq` of a stream: the same on every node and at every reading.
    #[must_use]
    pub fn of(stream: Uuid, seq: i64) -> Self {
        Self(derive(&[b"event", stream.as_bytes(), &seq.to_be_bytes()]))
    }
}

impl ArtifactId {
    /// The id of the artifact that `source` names `name`: the same at every attempt.
    #[must_use]
    pub fn derived(tenant: &str, source: &[u8], name: &str) -> Self {
        Self(derive(&[
            b"artifact",
            tenant.as_bytes(),
            source,
            name.as_bytes(),
        ]))
    }
}

impl MaterializationId {
    /// The id of the `position`-th stored form of an artifact.
    #[must_use]
    pub fn derived(artifact: ArtifactId, position: usize) -> Self {
        Self(derive(&[
            b"materialization",
            artifact.0.as_bytes(),
            &position.to_be_bytes(),
        ]))
    }
}

/// A version 8 UUID from framed parts: each part is preceded by its length, so that no two
/// different lists of parts hash alike.
fn derive(parts: &[&[u8]]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_read_back_from_both_forms(bits: u128) {
            let id = ExecutionId(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<ExecutionId>(), Ok(id));
            prop_assert_eq!(id.0.to_string().parse::<ExecutionId>(), Ok(id));
            prop_assert_eq!(id.to_string().len(), 30);
        }

        #[test]
        fn the_text_form_sorts_as_the_id(a: u128, b: u128) {
            let (a, b) = (ExecutionId(Uuid::from_u128(a)), ExecutionId(Uuid::from_u128(b)));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }

    #[test]
    fn the_encoding_is_that_of_typeid() {
        let id: ExecutionId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(id.to_string(), "exe_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn another_kind_and_garbage_are_refused() {
        let id = SessionId(Uuid::from_u128(7)).to_string();
        assert_eq!(
            id.parse::<ExecutionId>(),
            Err(IdError::WrongKind { expected: "exe" })
        );
        for bad in [
            "",
            "exe_",
            "exe_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "exe_01h455vb4pex5vsknk084sn02",
            "x",
        ] {
            assert!(bad.parse::<ExecutionId>().is_err(), "{bad}");
        }
    }
}
