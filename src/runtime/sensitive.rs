//! Sensitive parameters: which they are by a handler's schema, and the parameters without them. A value is sensitive
//! whose schema says `"writeOnly": true`, JSON Schema's word for what is given and never given back.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;

use crate::model::RawJson;

/// What refers to another part of a schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// Stands for a sensitive value.
pub(crate) const MASK: &str = "***";
/// References that are followed without going deeper into the parameters; beyond it a value is sensitive.
const MOST_REFERENCES: usize = 64;
/// Shorter texts are not looked for in messages: they would be found in every word.
const LEAST_SECRET_BYTES: usize = 4;

/// Returns whether a schema marks anything.
pub(super) fn is_marked(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.get("writeOnly") == Some(&Value::Bool(true)) || members.values().any(is_marked)
        }
        Value::Array(items) => items.iter().any(is_marked),
        _ => false,
    }
}

/// Why the references of a schema cannot be followed; none if they can.
pub(super) fn obstacle(schema: &Value) -> Option<String> {
    obstacle_in(schema, schema)
}

fn obstacle_in(root: &Value, part: &Value) -> Option<String> {
    let inner = |part| obstacle_in(root, part);
    match part {
        Value::Object(members) => {
            let text = |name: &&str| members.get(*name).and_then(Value::as_str);
            let mut references = REFERENCES.iter().filter_map(text);
            if let Some(to) = references.find(|to| target(root, to).is_none()) {
                return Some(format!("refers to {to}, which is not within it"));
            }
            // Below it `#/…` would begin somewhere else.
            if let (false, Some(id)) = (std::ptr::eq(root, part), text(&"$id")) {
                return Some(format!("has the $id {id} below its root"));
            }
            members.values().find_map(inner)
        }
        Value::Array(items) => items.iter().find_map(inner),
        _ => None,
    }
}

/// What a reference within the schema leads to: `#`, or `#/…`, a JSON Pointer that is percent-encoded.
fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(&percent_decoded(reference.strip_prefix('#')?)?)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.extend(HEXLOWER_PERMISSIVE.decode(code.as_bytes()).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The places of sensitive values, as JSON Pointers.
pub(super) fn places(schema: &Value, parameters: &Value) -> Vec<String> {
    let mut search = Search {
        root: schema,
        found: Vec::new(),
    };
    search.look(schema, parameters, "", 0);
    search.found
}

struct Search<'a> {
    root: &'a Value,
    found: Vec<String>,
}

impl Search<'_> {
    fn look(&mut self, schema: &Value, value: &Value, at: &str, references: usize) {
        let Value::Object(rules) = schema else { return };
        if rules.get("writeOnly") == Some(&Value::Bool(true)) || references > MOST_REFERENCES {
            self.found.push(at.to_owned());
            return;
        }
        let references = references + 1;
        let to = REFERENCES.iter().filter_map(|name| rules.get(*name));
        for reference in to.filter_map(Value::as_str) {
            match target(self.root, reference) {
                Some(target) => self.look(target, value, at, references),
                None => self.found.push(at.to_owned()),
            }
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            let of = rules.get(name).and_then(Value::as_array);
            for schema in of.into_iter().flatten() {
                self.look(schema, value, at, references);
            }
        }
        for name in ["if", "then", "else"] {
            if let Some(schema) = rules.get(name) {
                self.look(schema, value, at, references);
            }
        }
        for name in ["dependentSchemas", "dependencies"] {
            for schema in members_of(rules.get(name)) {
                self.look(schema, value, at, references);
            }
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                    for schema in of_property(rules, name) {
                        self.look(schema, value, &at, 0);
                    }
                }
            }
            Value::Array(items) => {
                for (number, value) in items.iter().enumerate() {
                    for schema in of_item(rules, number) {
                        self.look(schema, value, &format!("{at}/{number}"), 0);
                    }
                }
            }
            _ => {}
        }
    }
}

fn members_of(rules: Option<&Value>) -> impl Iterator<Item = &Value> {
    let members = rules.and_then(Value::as_object);
    members.into_iter().flat_map(|members| members.values())
}

type Rules = serde_json::Map<String, Value>;

/// The schemas that may be those of a property. Patterns are taken to fit every name: too much is hidden rather
/// than too little.
fn of_property<'a>(rules: &'a Rules, name: &str) -> Vec<&'a Value> {
    let own = rules.get("properties").and_then(|all| all.get(name));
    let mut schemas: Vec<&Value> = own.into_iter().collect();
    schemas.extend(members_of(rules.get("patternProperties")));
    if own.is_none() {
        schemas.extend(rules.get("additionalProperties"));
        schemas.extend(rules.get("unevaluatedProperties"));
    }
    schemas
}

fn of_item(rules: &Rules, number: usize) -> Vec<&Value> {
    let mut schemas = Vec::new();
    for name in ["prefixItems", "items"] {
        if let Some(Value::Array(places)) = rules.get(name) {
            schemas.extend(places.get(number));
        }
    }
    for name in ["items", "additionalItems", "unevaluatedItems", "contains"] {
        schemas.extend(rules.get(name).filter(|it| it.is_object()));
    }
    schemas
}

/// The parameters with a mask at each place.
pub(super) fn masked(parameters: &Value, places: &[String]) -> RawJson {
    let mut shown = parameters.clone();
    for place in places {
        if let Some(value) = shown.pointer_mut(place) {
            *value = Value::from(MASK);
        }
    }
    RawJson::from(&shown)
}

/// Returns whether a mask is at one of the places, instead of what it stands for.
pub(super) fn is_masked(parameters: &Value, places: &[String]) -> bool {
    let mut values = places.iter().filter_map(|place| parameters.pointer(place));
    values.any(|value| value.as_str() == Some(MASK))
}

/// The texts at and below the places, the longest first.
pub(super) fn secrets(parameters: &Value, places: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for place in places {
        if let Some(value) = parameters.pointer(place) {
            collect(value, &mut found);
        }
    }
    found.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
    found.dedup();
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => return items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => return members.values().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) => return,
    };
    if text.len() >= LEAST_SECRET_BYTES {
        found.push(text);
    }
}

/// A message in which no secret stands.
pub(super) fn without(mut message: String, secrets: &[String]) -> String {
    for secret in secrets {
        let quoted = Value::from(secret.as_str()).to_string();
        let escaped = &quoted[1..quoted.len() - 1];
        for text in [secret.as_str(), escaped] {
            if message.contains(text) {
                message = message.replace(text, MASK);
            }
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_schema_marks_is_found_wherever_it_stands() {
        let secret = json!({"type": "string", "writeOnly": true});
        let schema = json!({
            "properties": {
                "login": {"properties": {"user": {"type": "string"}, "password": secret}},
                "hosts": {"items": {"$ref": "#/$defs/host"}},
                "pair": {"prefixItems": [{}, secret]},
                "either": {"anyOf": [{"type": "null"}, {"allOf": [secret]}]},
                "a/b": secret,
            },
            "additionalProperties": secret,
            "$defs": {"host": {"properties": {"token": secret, "next": {"$ref": "#/$defs/host"}}}},
        });
        let given = json!({
            "login": {"user": "ann", "password": "p1"},
            "hosts": [{"token": "p2"}, {"next": {"next": {"token": "p3"}}}],
            "pair": ["shown", "p4"], "either": "p5", "a/b": {"deep": ["p6"]}, "other": 7,
        });
        let mut found = places(&schema, &given);
        found.sort();
        assert_eq!(
            found,
            [
                "/a~1b",
                "/either",
                "/hosts/0/token",
                "/hosts/1/next/next/token",
                "/login/password",
                "/other",
                "/pair/1"
            ]
        );
        let shown = masked(&given, &found).to_value();
        assert_eq!(shown["login"], json!({"user": "ann", "password": "***"}));
        assert_eq!(shown["pair"], json!(["shown", "***"]));
        assert!(!shown.to_string().contains('p') || !shown.to_string().contains("p1"));
        for secret in ["p1", "p2", "p3", "p4", "p5", "p6"] {
            assert!(
                !shown.to_string().contains(&format!("\"{secret}\"")),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_without_end_hides_all() {
        let schema = json!({"$ref": "#", "x": {"writeOnly": true}});
        assert_eq!(places(&schema, &json!({"a": 1})), [""]);
    }

    #[test]
    fn a_property_that_is_named_like_the_mark_marks_nothing() {
        assert!(!is_marked(
            &json!({"properties": {"writeOnly": {"type": "boolean"}}})
        ));
        assert!(is_marked(
            &json!({"$defs": {"a": {"items": {"writeOnly": true}}}})
        ));
    }

    #[test]
    fn a_reference_that_cannot_be_followed_is_named_and_hides_the_value() {
        let secret = json!({"writeOnly": true});
        let encoded =
            json!({"$defs": {"a b/c": secret}, "properties": {"p": {"$ref": "#/$defs/a%20b~1c"}}});
        assert_eq!(obstacle(&encoded), None);
        assert_eq!(places(&encoded, &json!({"p": 1})), ["/p"]);
        for (part, reason) in [
            (
                json!({"$ref": "x.json"}),
                "refers to x.json, which is not within it",
            ),
            (
                json!({"$ref": "#/$defs/none"}),
                "refers to #/$defs/none, which is not within it",
            ),
            (
                json!({"$ref": "#/%zz"}),
                "refers to #/%zz, which is not within it",
            ),
            (
                json!({"$ref": "#name"}),
                "refers to #name, which is not within it",
            ),
            (
                json!({"$ref": "#", "$dynamicRef": "#name"}),
                "refers to #name, which is not within it",
            ),
            (
                json!({"$recursiveRef": "y"}),
                "refers to y, which is not within it",
            ),
            (json!({"$id": "inner"}), "has the $id inner below its root"),
        ] {
            let schema = json!({"$id": "outer", "properties": {"p": [part]}});
            assert_eq!(obstacle(&schema).as_deref(), Some(reason), "{schema}");
        }
        let lost = json!({"properties": {"p": {"$ref": "#/$defs/none"}}});
        assert_eq!(places(&lost, &json!({"p": 1, "q": 2})), ["/p"]);
    }

    #[test]
    fn what_is_marked_where_another_property_is_there_is_found() {
        let inner = json!({"properties": {"pin": {"writeOnly": true}}});
        let schema = json!({"dependencies": {"card": inner, "user": ["card"]}});
        assert_eq!(places(&schema, &json!({"card": 1, "pin": 2})), ["/pin"]);
    }

    #[test]
    fn secrets_leave_a_message_also_where_they_are_escaped() {
        let given = json!({"password": "line\none", "pins": [12345, true], "short": "ab"});
        let places = [
            "/password".to_owned(),
            "/pins".to_owned(),
            "/short".to_owned(),
        ];
        let secrets = secrets(&given, &places);
        let message = "bad \"line\\none\", line\none and 12345, ab".to_owned();
        assert_eq!(without(message, &secrets), "bad \"***\", *** and ***, ab");
    }
}
