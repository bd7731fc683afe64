//! The configuration file: found, parsed, and flattened to keys with their lines.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{Error, Origin, layers::Given, sections};

const DEFAULT: &str = "takeoff.toml";

/// A file that was read.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// The file of that name, which must exist, else the one in the working directory, which need not.
pub(super) fn find(named: Option<&Path>) -> Result<Option<File>, Error> {
    let path = named.unwrap_or(Path::new(DEFAULT));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(File {
            path: path.to_owned(),
            text,
        })),
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(source) => Err(Error::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

impl File {
    /// Returns the values that the file gives, by the path of the key.
    pub(super) fn read(&self) -> Result<BTreeMap<String, Given>, Error> {
        let document = DeTable::parse(&self.text).map_err(|error| Error::Syntax {
            path: self.path.clone(),
            line: self.line(&error.span().unwrap_or_default()),
            reason: error.message().to_owned(),
        })?;
        let mut given = BTreeMap::new();
        self.flatten("", document.get_ref(), &mut given)?;
        Ok(given)
    }

    fn flatten(
        &self,
        section: &str,
        table: &DeTable<'_>,
        given: &mut BTreeMap<String, Given>,
    ) -> Result<(), Error> {
        for (name, value) in table {
            let path = join(section, name.get_ref());
            let origin = Origin::File(self.path.clone(), self.line(&name.span()));
            match value.get_ref() {
                DeValue::Table(table) if is_section(&path) => self.flatten(&path, table, given)?,
                _ if is_section(&path) => return Err(not_a_table(path, origin)),
                _ if !sections::keys().any(|key| key.path() == path) => {
                    return Err(Error::UnknownKey { key: path, origin });
                }
                value => {
                    given.insert(path, of(value, origin));
                }
            }
        }
        Ok(())
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.bytes().take(span.start);
        before.filter(|byte| *byte == b'\n').count() + 1
    }
}

fn of(value: &DeValue<'_>, origin: Origin) -> Given {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        // Written in another base, or with underscores; one too large stays as it is, and is refused.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()),
        DeValue::Boolean(value) => value.to_string(),
        // As the types of such keys read it.
        DeValue::Array(_) => json(value).to_string(),
        // No key has such a type: the kind alone makes it an error.
        _ => String::new(),
    };
    Given {
        text,
        kind: Some(value.type_str()),
        origin,
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Array(list) => list.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let members = table.iter();
            let members =
                members.map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref())));
            serde_json::Value::Object(members.collect())
        }
        // A fraction or a time, which nothing in a list is: the text is refused where it stands.
        other => other.type_str().into(),
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        return name.to_owned();
    }
    format!("{section}.{name}")
}

fn is_section(path: &str) -> bool {
    sections::ALL.iter().any(|section| section.path == path)
}

fn not_a_table(key: String, origin: Origin) -> Error {
    let reason = "is a section, so expected a table".to_owned();
    Error::BadValue {
        key,
        origin,
        reason,
    }
}
