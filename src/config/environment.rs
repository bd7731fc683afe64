//! The variables that configure the server.

use std::{collections::BTreeMap, ffi::OsString};

use super::{Error, Origin, layers::Given, sections};

const PREFIX: &str = "TAKEOFF_";

/// Returns whether a variable configures the server. The others with its prefix are the command
/// line client's and the tests'.
fn is_ours(name: &str) -> bool {
    const OF_OTHERS: [&str; 4] = [
        "TAKEOFF_URL",
        "TAKEOFF_TENANT",
        "TAKEOFF_TOKEN",
        "TAKEOFF_BLESS",
    ];
    name.starts_with(PREFIX) && !name.starts_with("TAKEOFF_TEST_") && !OF_OTHERS.contains(&name)
}

/// Returns the values that the variables give, by the path of the key.
pub(super) fn given(
    env: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<String, Given>, Error> {
    let mut given = BTreeMap::new();
    for (name, text) in env.filter(|(name, _)| is_ours(name)) {
        let Some(key) = sections::keys().find(|key| key.variable() == name) else {
            return Err(Error::UnknownVariable { name });
        };
        let value = Given {
            text,
            kind: None,
            origin: Origin::Variable(name),
        };
        given.insert(key.path(), value);
    }
    Ok(given)
}

/// The variables of this process that begin with `TAKEOFF_`; the only place that asks for them.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(super) fn of_process() -> Result<Vec<(String, String)>, Error> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| unicode(name, value))
        .collect()
}

fn unicode(name: String, value: OsString) -> Result<(String, String), Error> {
    match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(Error::NotUnicode { name }),
    }
}
