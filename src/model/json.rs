//! JSON kept as text: what a client sent is stored and returned without being taken apart.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Text that was expected to be JSON and is not, or does not fit the expected type.
#[derive(Debug, thiserror::Error)]
#[error("not the expected JSON")]
pub struct JsonError(#[from] serde_json::Error);

/// One JSON value as text, known to be well-formed.
#[derive(Clone, PartialEq, Eq)]
pub struct RawJson(Arc<str>);

impl RawJson {
    /// `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Checks that `text` is one JSON value.
    ///
    /// # Errors
    /// When it is not.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        serde_json::from_str::<&RawValue>(text)?;
        Ok(Self(text.into()))
    }

    /// Takes text that the runtime itself wrote as JSON before.
    #[must_use]
    pub fn trusted(text: String) -> Self {
        Self(text.into())
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// When the value's own serialisation fails (a map with keys that are not strings).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    /// When it does not fit the type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        Ok(serde_json::from_str(&self.0)?)
    }

    /// The value as a tree, its members in the order of their names; `null` should the text not be JSON after all.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        let mut value: serde_json::Value = serde_json::from_str(&self.0).unwrap_or_default();
        value.sort_all_objects();
        value
    }
}

/// The members are written in the order of their names.
impl From<&serde_json::Value> for RawJson {
    fn from(value: &serde_json::Value) -> Self {
        let mut value = value.clone();
        value.sort_all_objects();
        Self(value.to_string().into())
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Box::<RawValue>::deserialize(deserializer)?.get().into(),
        ))
    }
}

/// Any JSON.
impl JsonSchema for RawJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

/// A value of any permitted size: inline JSON, or a reference to JSON in the content store.
///
/// A reference is written `@<sha-256 in hex>:<size in bytes>`; no JSON text begins with `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// A value kept where it is.
    #[must_use]
    pub fn inline(json: &RawJson) -> Self {
        Self(Arc::clone(&json.0))
    }

    /// A value kept in the content store.
    #[must_use]
    pub fn reference(digest_hex: &str, size_bytes: u64) -> Self {
        Self(format!("@{digest_hex}:{size_bytes}").into())
    }

    /// A value as the database holds it.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON, when it is inline.
    #[must_use]
    pub fn as_inline(&self) -> Option<RawJson> {
        (!self.0.starts_with('@')).then(|| RawJson(Arc::clone(&self.0)))
    }

    /// Digest (hex) and size in bytes, when the value is in the content store.
    #[must_use]
    pub fn as_reference(&self) -> Option<(&str, u64)> {
        let (digest, size) = self.0.strip_prefix('@')?.split_once(':')?;
        Some((digest, size.parse().ok()?))
    }
}

/// The beginning of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadHead {
    /// Size of the whole in bytes of JSON.
    pub size_bytes: u64,
    /// Its first bytes, up to the last whole character.
    pub text: String,
}

impl PayloadHead {
    /// Of a value of `size_bytes` that begins with `bytes`, which may end within a character. None if they are no
    /// UTF-8.
    #[must_use]
    pub fn of(size_bytes: u64, mut bytes: Vec<u8>) -> Option<Self> {
        if let Err(fault) = std::str::from_utf8(&bytes) {
            if fault.error_len().is_some() {
                return None;
            }
            bytes.truncate(fault.valid_up_to());
        }
        let text = String::from_utf8(bytes).ok()?;
        Some(Self { size_bytes, text })
    }

    /// Returns whether it is all of the value.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.text.len() as u64 >= self.size_bytes
    }
}

/// `target` after the JSON Merge Patch `patch` (RFC 7396).
#[must_use]
pub fn merge_patch(target: serde_json::Value, patch: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut merged = match target {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            merged.remove(name);
        } else {
            let old = merged.remove(name).unwrap_or(Value::Null);
            merged.insert(name.clone(), merge_patch(old, change));
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::PayloadHead;

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (0..5).prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn members_of_trees_are_in_the_order_of_their_names() {
        let text = r#"{"b":{"d":1,"c":[{"f":2,"e":3}]},"a":4}"#;
        let ordered = r#"{"a":4,"b":{"c":[{"e":3,"f":2}],"d":1}}"#;
        let read = RawJson::parse(text).unwrap().to_value();
        assert_eq!(read.to_string(), ordered);
        let given: Value = serde_json::from_str(text).unwrap();
        assert_eq!(RawJson::from(&given).as_str(), ordered);
    }

    #[test]
    fn a_beginning_ends_with_a_whole_character() {
        let text = "\"\u{e4}\u{20ac}\"";
        let cut = |bytes: usize| PayloadHead::of(7, text.as_bytes()[..bytes].to_vec());
        let shown = |bytes| cut(bytes).map(|head| (head.text.clone(), head.is_whole()));
        for (bytes, expected) in [
            (0, ""),
            (1, "\""),
            (2, "\""),
            (3, "\"\u{e4}"),
            (5, "\"\u{e4}"),
        ] {
            assert_eq!(shown(bytes), Some((expected.to_owned(), false)), "{bytes}");
        }
        assert_eq!(shown(7), Some((text.to_owned(), true)));
        assert_eq!(PayloadHead::of(9, vec![b'"', 0xff, b'a']), None);
    }

    proptest! {
        #[test]
        fn a_patch_applied_again_changes_nothing(target in json_value(), patch in json_value()) {
            let once = merge_patch(target, &patch);
            prop_assert_eq!(merge_patch(once.clone(), &patch), once);
        }

        #[test]
        fn a_patch_touches_only_what_it_names(target in json_value(), patch in json_value()) {
            let merged = merge_patch(target.clone(), &patch);
            let (Value::Object(old), Value::Object(named)) = (&target, &patch) else { return Ok(()) };
            for (name, value) in old.iter().filter(|(name, _)| !named.contains_key(*name)) {
                prop_assert_eq!(merged.get(name), Some(value));
            }
            for (name, value) in named {
                prop_assert_eq!(merged.get(name).is_none(), value.is_null());
            }
        }
    }

    #[test]
    fn merge_patch_does_what_the_rfc_lists() {
        // RFC 7396, appendix A.
        let cases = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), Value::Null, Value::Null),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ];
        for (target, patch, expected) in cases {
            assert_eq!(merge_patch(target, &patch), expected, "{patch}");
        }
    }

    use super::*;

    #[test]
    fn json_is_kept_to_the_letter() {
        let text = r#"{"b": 1.10, "a": 12345678901234567890123}"#;
        let json = RawJson::parse(text).unwrap();
        assert_eq!(json.as_str(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
        assert!(RawJson::parse("{} {}").is_err());
    }

    #[test]
    fn a_payload_is_inline_or_a_reference() {
        let inline = Payload::inline(&RawJson::empty_object());
        assert!(inline.as_inline().is_some() && inline.as_reference().is_none());
        let reference = Payload::reference("ab", 9);
        assert_eq!(reference.as_reference(), Some(("ab", 9)));
        assert!(reference.as_inline().is_none());
    }
}
