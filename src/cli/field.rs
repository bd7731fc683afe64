//! Fields of what the API answers.

use serde_json::Value;

/// The text of a field; empty where it has none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
