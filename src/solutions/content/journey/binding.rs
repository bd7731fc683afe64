//! References in the parameters of a step, and what they stand for.
//!
//! An object with `$from` or `$param` is a reference or an error, never passed on as it is: a
//! misspelt one would reach the handler as data.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What a value refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// The part of a step's result at a JSON pointer; all of it if the pointer is empty.
    Output { step: &'a str, path: &'a str },
    /// A parameter of the journey.
    Parameter(&'a str),
}

impl<'a> Reference<'a> {
    /// The reference that `value` is, if it is one.
    fn of(value: &'a Value) -> Result<Option<Self>, &'static str> {
        let Some(object) = value.as_object() else {
            return Ok(None);
        };
        match (object.get("$from"), object.get("$param")) {
            (None, None) => Ok(None),
            (Some(step), None) => Self::output(step, object).map(Some),
            (None, Some(name)) if object.len() == 1 => {
                let name = name.as_str().ok_or("$param is the name of a parameter")?;
                Ok(Some(Self::Parameter(name)))
            }
            (None, Some(_)) => Err("nothing stands beside $param"),
            (Some(_), Some(_)) => Err("$from and $param are two references: give one"),
        }
    }

    fn output(step: &'a Value, object: &'a Map<String, Value>) -> Result<Self, &'static str> {
        let step = step.as_str().ok_or("$from is the name of a step")?;
        let path = match (object.get("path"), object.len()) {
            (None, 1) => "",
            (Some(path), 2) => path.as_str().ok_or("path is a JSON pointer")?,
            _ => return Err("nothing but path stands beside $from"),
        };
        if !path.is_empty() && !path.starts_with('/') {
            return Err("path is a JSON pointer: it begins with /");
        }
        Ok(Self::Output { step, path })
    }
}

/// Every reference in `parameters`, at any depth.
pub(super) fn references(
    parameters: &Map<String, Value>,
) -> Result<Vec<Reference<'_>>, &'static str> {
    let mut found = Vec::new();
    for value in parameters.values() {
        visit(value, &mut found)?;
    }
    Ok(found)
}

fn visit<'a>(value: &'a Value, found: &mut Vec<Reference<'a>>) -> Result<(), &'static str> {
    if let Some(reference) = Reference::of(value)? {
        found.push(reference);
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| visit(item, found)),
        Value::Object(fields) => fields.values().try_for_each(|field| visit(field, found)),
        _ => Ok(()),
    }
}

/// `parameters` with every reference replaced by what it stands for.
///
/// # Errors
/// A message that names the reference with nothing behind it.
pub(in super::super) fn bind(
    parameters: &Map<String, Value>,
    given: &Map<String, Value>,
    outputs: &BTreeMap<String, Value>,
) -> Result<Map<String, Value>, String> {
    let bound = parameters
        .iter()
        .map(|(name, value)| Ok((name.clone(), bind_value(value, given, outputs)?)));
    bound.collect()
}

fn bind_value(
    value: &Value,
    given: &Map<String, Value>,
    outputs: &BTreeMap<String, Value>,
) -> Result<Value, String> {
    match Reference::of(value)? {
        Some(Reference::Parameter(name)) => given
            .get(name)
            .cloned()
            .ok_or_else(|| format!("there is no parameter {name:?}")),
        Some(Reference::Output { step, path }) => outputs
            .get(step)
            .and_then(|output| output.pointer(path))
            .cloned()
            .ok_or_else(|| format!("the output of step {step:?} has nothing at {path:?}")),
        None => match value {
            Value::Array(items) => {
                let bound = items.iter().map(|item| bind_value(item, given, outputs));
                bound.collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(fields) => bind(fields, given, outputs).map(Value::Object),
            other => Ok(other.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn references_are_replaced_at_any_depth() {
        let outputs = BTreeMap::from([("a".to_owned(), json!({"x": {"y": [1, 2]}}))]);
        let bound = |parameters: Value| {
            bind(
                &object(&parameters),
                &object(&json!({"n": 7, "none": null})),
                &outputs,
            )
        };
        let parameters = json!({
            "p": [{"$param": "n"}, {"$from": "a", "path": "/x/y/1"}],
            "q": {"r": {"$from": "a"}, "s": {"$param": "none"}},
            "path": "plain",
        });
        let expected = json!({
            "p": [7, 2], "q": {"r": {"x": {"y": [1, 2]}}, "s": null}, "path": "plain",
        });
        assert_eq!(bound(parameters), Ok(object(&expected)));
        let nothing_there = bound(json!({"p": {"$from": "a", "path": "/z"}})).unwrap_err();
        assert!(nothing_there.contains("\"/z\""), "{nothing_there}");
        assert!(bound(json!({"p": {"$param": "m"}})).is_err());
    }

    #[test]
    fn what_replaces_a_reference_is_not_searched_for_further_ones() {
        let given = object(&json!({"text": {"$from": "secret"}}));
        let outputs = BTreeMap::from([("secret".to_owned(), json!("hidden"))]);
        let parameters = object(&json!({"p": {"$param": "text"}}));
        let bound = bind(&parameters, &given, &outputs).unwrap();
        assert_eq!(bound["p"], json!({"$from": "secret"}));
    }

    #[test]
    fn a_misspelt_reference_is_an_error_and_not_data() {
        for wrong in [
            json!({"$from": 1}),
            json!({"$from": "a", "pth": "/x"}),
            json!({"$from": "a", "path": "x"}),
            json!({"$from": "a", "path": 1}),
            json!({"$from": "a", "path": "/x", "more": 1}),
            json!({"$param": ["a"]}),
            json!({"$param": "a", "path": "/x"}),
            json!({"$param": "a", "$from": "b"}),
        ] {
            let nested = object(&json!({"p": [{"q": wrong.clone()}]}));
            assert!(references(&nested).is_err(), "{wrong}");
            assert!(
                bind(&nested, &Map::new(), &BTreeMap::new()).is_err(),
                "{wrong}"
            );
        }
    }
}
