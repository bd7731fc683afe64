//! References in the parameters of a step, and what they stand for.
//!
//! An object with `$from` or `$param` is a reference or an error, never passed on as it is: a
//! misspelt one would reach the handler as data.

use std::{collections::BTreeMap, io};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::RawJson;

/// The target of a reference.
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

/// Why parameters cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum BindError {
    /// Nothing stands behind a reference; the message names it.
    Unbound(String),
    /// The bound parameters would have more bytes than there is room for.
    TooLarge,
}

impl From<&'static str> for BindError {
    fn from(reason: &'static str) -> Self {
        Self::Unbound(reason.to_owned())
    }
}

/// `parameters` as JSON, with every reference replaced by what it stands for. At most `room` bytes
/// are written: a reference costs a few bytes and may stand for half a megabyte, so what it stands
/// for is counted while it is copied.
///
/// # Errors
/// A reference with nothing behind it, or more than `room` bytes.
pub(in super::super) fn bind(
    parameters: &Map<String, Value>,
    given: &Map<String, Value>,
    outputs: &BTreeMap<&str, Value>,
    room: usize,
) -> Result<RawJson, BindError> {
    let mut text = Bounded::new(room, Vec::new());
    let sources = Sources {
        given,
        outputs: Some(outputs),
    };
    sources.write_object(&mut text, parameters)?;
    String::from_utf8(text.sink)
        .map(RawJson::trusted)
        .map_err(|_| BindError::from("the parameters are not text"))
}

/// The bytes that `parameters` have once the journey's own parameters are bound; outputs of other
/// steps, which are not known yet, count as nothing.
///
/// # Errors
/// A reference with nothing behind it, or more than `room` bytes.
pub(super) fn bound_bytes(
    parameters: &Map<String, Value>,
    given: &Map<String, Value>,
    room: usize,
) -> Result<usize, BindError> {
    let mut counted = Bounded::new(room, io::sink());
    let sources = Sources {
        given,
        outputs: None,
    };
    sources.write_object(&mut counted, parameters)?;
    Ok(room - counted.room)
}

/// A writer with room for so many bytes.
struct Bounded<W> {
    room: usize,
    sink: W,
}

impl<W: io::Write> Bounded<W> {
    fn new(room: usize, sink: W) -> Self {
        Self { room, sink }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BindError> {
        io::Write::write_all(self, bytes).map_err(|_| BindError::TooLarge)
    }

    fn put_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BindError> {
        serde_json::to_writer(self, value).map_err(|_| BindError::TooLarge)
    }
}

impl<W: io::Write> io::Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len()) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.room = room;
        self.sink.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The values that references stand for.
struct Sources<'a> {
    given: &'a Map<String, Value>,
    /// None while no step has run.
    outputs: Option<&'a BTreeMap<&'a str, Value>>,
}

impl Sources<'_> {
    fn write_object<W: io::Write>(
        &self,
        out: &mut Bounded<W>,
        fields: &Map<String, Value>,
    ) -> Result<(), BindError> {
        let mut opening: &[u8] = b"{";
        for (name, value) in fields {
            out.put(opening)?;
            out.put_json(name)?;
            out.put(b":")?;
            self.write(out, value)?;
            opening = b",";
        }
        out.put(if fields.is_empty() { b"{}" } else { b"}" })
    }

    fn write_array<W: io::Write>(
        &self,
        out: &mut Bounded<W>,
        items: &[Value],
    ) -> Result<(), BindError> {
        let mut opening: &[u8] = b"[";
        for item in items {
            out.put(opening)?;
            self.write(out, item)?;
            opening = b",";
        }
        out.put(if items.is_empty() { b"[]" } else { b"]" })
    }

    fn write<W: io::Write>(&self, out: &mut Bounded<W>, value: &Value) -> Result<(), BindError> {
        match (Reference::of(value)?, value) {
            (Some(Reference::Parameter(name)), _) => {
                let found = self.given.get(name);
                out.put_json(
                    found.ok_or_else(|| {
                        BindError::Unbound(format!("there is no parameter {name:?}"))
                    })?,
                )
            }
            (Some(Reference::Output { step, path }), _) => self.write_output(out, step, path),
            (None, Value::Array(items)) => self.write_array(out, items),
            (None, Value::Object(fields)) => self.write_object(out, fields),
            (None, other) => out.put_json(other),
        }
    }

    fn write_output<W: io::Write>(
        &self,
        out: &mut Bounded<W>,
        step: &str,
        path: &str,
    ) -> Result<(), BindError> {
        let Some(outputs) = self.outputs else {
            return Ok(());
        };
        let found = outputs.get(step).and_then(|output| output.pointer(path));
        out.put_json(found.ok_or_else(|| {
            let message = format!("the output of step {step:?} has nothing at {path:?}");
            BindError::Unbound(message)
        })?)
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
        let outputs = BTreeMap::from([("a", json!({"x": {"y": [1, 2]}}))]);
        let given = object(&json!({"n": 7, "none": null}));
        let bound = |parameters: Value| {
            bind(&object(&parameters), &given, &outputs, 1000).map(|bound| bound.to_value())
        };
        let parameters = json!({
            "p": [{"$param": "n"}, {"$from": "a", "path": "/x/y/1"}],
            "q": {"r": {"$from": "a"}, "s": {"$param": "none"}},
            "path": "plain", "empty": [[], {}],
        });
        let expected = json!({
            "p": [7, 2], "q": {"r": {"x": {"y": [1, 2]}}, "s": null}, "path": "plain",
            "empty": [[], {}],
        });
        assert_eq!(bound(parameters), Ok(expected));
        let nothing_there = bound(json!({"p": {"$from": "a", "path": "/z"}})).unwrap_err();
        let BindError::Unbound(message) = nothing_there else {
            panic!("{nothing_there:?}");
        };
        assert!(message.contains("\"/z\""), "{message}");
        assert!(bound(json!({"p": {"$param": "m"}})).is_err());
    }

    #[test]
    fn what_replaces_a_reference_is_not_searched_for_further_ones() {
        let given = object(&json!({"text": {"$from": "secret"}}));
        let outputs = BTreeMap::from([("secret", json!("hidden"))]);
        let parameters = object(&json!({"p": {"$param": "text"}}));
        let bound = bind(&parameters, &given, &outputs, 1000).unwrap();
        assert_eq!(bound.to_value()["p"], json!({"$from": "secret"}));
    }

    #[test]
    fn what_is_bound_is_counted_before_it_is_copied() {
        let given = object(&json!({"x": "0123456789"}));
        let outputs = BTreeMap::from([("a", json!("0123456789"))]);
        let parameters = object(&json!({"p": [{"$param": "x"}, {"$from": "a"}]}));
        let text = r#"{"p":["0123456789","0123456789"]}"#;
        let bound = bind(&parameters, &given, &outputs, text.len()).unwrap();
        assert_eq!(bound.as_str(), text);
        let too_little = bind(&parameters, &given, &outputs, text.len() - 1);
        assert_eq!(too_little, Err(BindError::TooLarge));
        let known = text.len() - r#""0123456789""#.len();
        assert_eq!(bound_bytes(&parameters, &given, 1000), Ok(known));
        let too_little = bound_bytes(&parameters, &given, known - 1);
        assert_eq!(too_little, Err(BindError::TooLarge));
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
                bind(&nested, &Map::new(), &BTreeMap::new(), 1000).is_err(),
                "{wrong}"
            );
        }
    }
}
