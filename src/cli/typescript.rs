//! TypeScript types of the parameters of intents, for the typed `submit` of the client.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::{Map, Value};

use super::field::text;

/// The most schemas within each other that are looked into.
const DEEPEST: usize = 64;

const HEAD: &str = "// Made by `takeoff types --ts`. The parameters of each intent type of the server:\n\
     // createClient<Intents>() takes no others.\n\n";

/// Makes a module of the intent types of a server, as `intentTypes` shows them.
pub(super) fn module(types: &[&Value]) -> String {
    let mut made = Module::default();
    let mut members = String::new();
    for one in types {
        let handlers = one["handlers"].as_array().map_or(&[][..], Vec::as_slice);
        let name = text(one, "name");
        let mut shapes: Vec<String> = Vec::new();
        for handler in handlers {
            let schema = &handler["parametersSchema"];
            let prefix = if handlers.len() == 1 {
                pascal(name)
            } else {
                pascal(&format!("{name} {}", text(handler, "handlerName")))
            };
            let shape = made.parameters(&prefix, schema);
            if !shapes.contains(&shape) {
                shapes.push(shape);
            }
        }
        comment(&mut members, handlers.first().unwrap_or(&Value::Null), "  ");
        let shape = if shapes.is_empty() {
            "never".to_owned()
        } else {
            shapes.join(" | ")
        };
        // Writing to a string cannot fail.
        let _ = writeln!(members, "  {}: {shape};", Value::from(name));
    }
    format!(
        "{HEAD}export interface Intents {{\n{members}}}\n{}",
        made.declarations
    )
}

#[derive(Default)]
struct Module {
    declarations: String,
    names: BTreeSet<String>,
}

/// A schema with what its references lead to.
struct Document<'a> {
    definitions: Option<&'a Map<String, Value>>,
    prefix: &'a str,
    /// Definitions that are used and not declared yet.
    wanted: BTreeSet<String>,
}

impl Module {
    /// Declares the parameters of a handler; the name of their type.
    fn parameters(&mut self, prefix: &str, schema: &Value) -> String {
        let prefix = self.free(prefix);
        let definitions = schema.get("$defs").or_else(|| schema.get("definitions"));
        let mut document = Document {
            definitions: definitions.and_then(Value::as_object),
            prefix: &prefix,
            wanted: BTreeSet::new(),
        };
        let name = format!("{prefix}Parameters");
        let shape = document.shape(schema, "", 0);
        self.declare(&name, schema, &shape);
        let mut declared = BTreeSet::new();
        while let Some(next) = document.wanted.pop_first() {
            let found = document.definitions.and_then(|all| all.get(&next));
            if let (Some(schema), true) = (found, declared.insert(next.clone())) {
                let shape = document.shape(schema, "", 0);
                let name = document.name_of(&next);
                self.declare(&name, schema, &shape);
            }
            document.wanted.retain(|name| !declared.contains(name));
        }
        name
    }

    /// The name, with a number behind it if another one has it.
    fn free(&mut self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let free = names.find(|name| !self.names.contains(name));
        let free = free.unwrap_or_default();
        self.names.insert(free.clone());
        free
    }

    fn declare(&mut self, name: &str, schema: &Value, shape: &str) {
        self.declarations.push('\n');
        comment(&mut self.declarations, schema, "");
        let _ = writeln!(self.declarations, "export type {name} = {shape};");
    }
}

impl Document<'_> {
    fn name_of(&self, definition: &str) -> String {
        format!("{}{}", self.prefix, pascal(definition))
    }

    /// The type of what fits a schema; what cannot be told is `unknown`.
    fn shape(&mut self, schema: &Value, indent: &str, depth: usize) -> String {
        let Some(object) = schema.as_object().filter(|_| depth < DEEPEST) else {
            return if schema == &Value::Bool(false) {
                "never"
            } else {
                "unknown"
            }
            .to_owned();
        };
        let mut parts = Vec::new();
        if let Some(name) = object.get("$ref").and_then(Value::as_str) {
            parts.push(self.reference(name));
        }
        if let Some(value) = object.get("const") {
            parts.push(literal(value));
        } else if let Some(values) = object.get("enum").and_then(Value::as_array) {
            let values = values.iter().map(literal);
            parts.push(union(values.collect()));
        } else {
            parts.extend(self.by_type(object, indent, depth));
        }
        for name in ["oneOf", "anyOf"] {
            if let Some(all) = object.get(name).and_then(Value::as_array) {
                let all = all.iter().map(|one| self.shape(one, indent, depth + 1));
                parts.push(union(all.collect()));
            }
        }
        if let Some(all) = object.get("allOf").and_then(Value::as_array) {
            parts.extend(all.iter().map(|one| self.shape(one, indent, depth + 1)));
        }
        parts.retain(|part| part != "unknown");
        match parts.as_slice() {
            [] => "unknown".to_owned(),
            [one] => one.clone(),
            several => several
                .iter()
                .map(|part| grouped(part))
                .collect::<Vec<_>>()
                .join(" & "),
        }
    }

    fn reference(&mut self, pointer: &str) -> String {
        let name = pointer
            .strip_prefix("#/$defs/")
            .or_else(|| pointer.strip_prefix("#/definitions/"));
        let name = name.filter(|name| self.definitions.is_some_and(|all| all.contains_key(*name)));
        name.map_or_else(
            || "unknown".to_owned(),
            |name| {
                self.wanted.insert(name.to_owned());
                self.name_of(name)
            },
        )
    }

    fn by_type(
        &mut self,
        schema: &Map<String, Value>,
        indent: &str,
        depth: usize,
    ) -> Option<String> {
        let names: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ if schema.contains_key("properties") => vec!["object"],
            _ => return None,
        };
        let of_each = names.into_iter().map(|name| match name {
            "string" | "boolean" | "null" => name.to_owned(),
            "integer" | "number" => "number".to_owned(),
            "array" => self.array(schema, indent, depth),
            "object" => self.object(schema, indent, depth),
            _ => "unknown".to_owned(),
        });
        Some(union(of_each.collect()))
    }

    fn array(&mut self, schema: &Map<String, Value>, indent: &str, depth: usize) -> String {
        if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
            let items = items.iter().map(|item| self.shape(item, indent, depth + 1));
            return format!("[{}]", items.collect::<Vec<_>>().join(", "));
        }
        let item = schema.get("items").unwrap_or(&Value::Bool(true));
        format!("{}[]", grouped(&self.shape(item, indent, depth + 1)))
    }

    fn object(&mut self, schema: &Map<String, Value>, indent: &str, depth: usize) -> String {
        let more = schema.get("additionalProperties");
        let properties = schema.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|all| !all.is_empty()) else {
            return match more {
                Some(Value::Bool(false)) => "Record<string, never>".to_owned(),
                Some(more) => format!("Record<string, {}>", self.shape(more, indent, depth + 1)),
                // What it has is told beside this, if at all.
                None if schema.contains_key("oneOf") || schema.contains_key("anyOf") => {
                    "unknown".to_owned()
                }
                None => "Record<string, unknown>".to_owned(),
            };
        };
        let required: BTreeSet<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map_or_else(BTreeSet::new, |names| {
                names.iter().filter_map(Value::as_str).collect()
            });
        let inner = format!("{indent}  ");
        let mut text = String::from("{\n");
        for (name, property) in properties {
            comment(&mut text, property, &inner);
            let mark = if required.contains(name.as_str()) {
                ""
            } else {
                "?"
            };
            let shape = self.shape(property, &inner, depth + 1);
            let _ = writeln!(
                text,
                "{inner}{}{mark}: {shape};",
                Value::from(name.as_str())
            );
        }
        let _ = write!(text, "{indent}}}");
        match more {
            Some(more @ Value::Object(_)) => {
                let shape = self.shape(more, indent, depth + 1);
                format!("{text} & Record<string, {shape}>")
            }
            _ => text,
        }
    }
}

fn union(mut parts: Vec<String>) -> String {
    let mut seen = BTreeSet::new();
    parts.retain(|part| seen.insert(part.clone()));
    match parts.as_slice() {
        [] => "never".to_owned(),
        all if all.iter().any(|part| part == "unknown") => "unknown".to_owned(),
        all => all.join(" | "),
    }
}

/// What stands beside an operator.
fn grouped(part: &str) -> String {
    if part.contains(" | ") || part.contains(" & ") {
        format!("({part})")
    } else {
        part.to_owned()
    }
}

/// A value as the type that only it has; JSON's own texts are those of TypeScript.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => "unknown".to_owned(),
        simple => simple.to_string(),
    }
}

/// Adds the description of a schema, which must not end the comment by itself.
fn comment(text: &mut String, schema: &Value, indent: &str) {
    let Some(about) = schema.get("description").and_then(Value::as_str) else {
        return;
    };
    let about = about.replace("*/", "*\\/");
    let lines: Vec<&str> = about.lines().map(str::trim_end).collect();
    let _ = match lines.as_slice() {
        [] => Ok(()),
        [line] => writeln!(text, "{indent}/** {line} */"),
        lines => {
            let lines = lines
                .iter()
                .map(|line| format!("{indent} * {line}").trim_end().to_owned());
            writeln!(
                text,
                "{indent}/**\n{}\n{indent} */",
                lines.collect::<Vec<_>>().join("\n")
            )
        }
    };
}

/// A name of TypeScript: `parse_content` is `ParseContent`.
fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let name: String = words.map(capital).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name
    } else {
        format!("Type{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(schema: &Value) -> String {
        let handlers = json!([{"handlerName": "content", "description": "Does it.", "parametersSchema": schema}]);
        module(&[&json!({"name": "do_it", "handlers": handlers})])
    }

    #[test]
    fn parameters_are_those_of_the_schema() {
        let text = made(&json!({
            "type": "object",
            "required": ["mode", "rows"],
            "properties": {
                "mode": {"enum": ["fast", 7, null], "description": "How. */ evil()"},
                "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
                "note": {"type": ["string", "null"]},
                "a-b": {"type": "object", "additionalProperties": {"type": "integer"}},
                "any": true,
            },
            "$defs": {"row": {"oneOf": [
                {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "leaf"}}},
                {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/row"}}}},
            ]}},
        }));
        for line in [
            "  /** Does it. */\n  \"do_it\": DoItParameters;",
            "  /** How. *\\/ evil() */\n  \"mode\": \"fast\" | 7 | null;",
            "  \"rows\": DoItRow[];",
            "  \"note\"?: string | null;",
            "  \"a-b\"?: Record<string, number>;",
            "  \"any\"?: unknown;",
            "export type DoItRow = {\n  \"kind\": \"leaf\";\n} | {\n  \"below\"?: DoItRow[];\n};",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_unknown_and_nothing_is_endless() {
        assert!(made(&json!(true)).contains("DoItParameters = unknown;"));
        assert!(made(&json!({"$ref": "#/elsewhere"})).contains("= unknown;"));
        let mut deep = json!({"type": "string"});
        for _ in 0..500 {
            deep = json!({"type": "array", "items": deep});
        }
        assert!(made(&deep).contains("unknown[]"));
    }

    #[test]
    fn two_names_that_look_alike_have_types_of_their_own() {
        let one = |name: &str, kind: &str| {
            let schema = json!({"type": kind});
            json!({"name": name, "handlers": [{"handlerName": "h", "parametersSchema": schema}]})
        };
        let text = module(&[&one("a_b", "string"), &one("a.b", "number")]);
        assert!(
            text.contains("\"a_b\": ABParameters;") && text.contains("\"a.b\": AB2Parameters;")
        );
    }
}
