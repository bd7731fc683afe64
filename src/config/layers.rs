//! The layers, one over the other, and the reading of each key from what they left.

use std::{collections::BTreeMap, ffi::OsString, fmt, slice};

use super::{
    Config, Error, Origin, Overrides, check,
    file::File,
    key::{Key, Section},
    sections::{
        self, Content, Database, Graphql, Http, Limits, Redis, Runtime, Sessions, Telemetry, Top,
    },
    setting::Setting,
};

const PREFIX: &str = "TAKEOFF_";

/// What a layer gives for a key.
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

/// What the layers gave, by the path of the key, the last one last; what is read goes over to the
/// entries.
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

impl Config {
    /// Puts the layers one over the other.
    pub(super) fn assemble(
        file: Option<&File>,
        env: impl Iterator<Item = (String, String)>,
        cli: &Overrides,
    ) -> Result<Self, Error> {
        let mut layers = Layers::default();
        layers.cover(file.map(File::read).transpose()?.unwrap_or_default());
        layers.cover(environment(env)?);
        layers.cover(cli.given()?);
        let config = Self::read(&mut layers)?;
        check::consistent(&config)?;
        Ok(config)
    }

    fn read(layers: &mut Layers) -> Result<Self, Error> {
        let top = Top::read(layers)?;
        let derived = check::derive(&top.data_dir, layers.origin("data_dir"))?;
        layers.fill("database.url", derived.database_url);
        layers.fill("content.url", derived.content_url);
        Ok(Self {
            data_dir: top.data_dir,
            http: Http::read(layers)?,
            graphql: Graphql::read(layers)?,
            database: Database::read(layers)?,
            redis: Redis::read(layers)?,
            content: Content::read(layers)?,
            runtime: Runtime::read(layers)?,
            limits: Limits::read(layers)?,
            sessions: Sessions::read(layers)?,
            telemetry: Telemetry::read(layers)?,
            entries: std::mem::take(&mut layers.entries),
        })
    }
}

impl Layers {
    fn cover(&mut self, layer: BTreeMap<String, Given>) {
        for (path, given) in layer {
            self.given.entry(path).or_default().push(given);
        }
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
    fn fill(&mut self, path: &str, text: String) {
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

    fn origin(&self, path: &str) -> Origin {
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

/// Every key.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    sections::ALL
        .iter()
        .flat_map(|section: &Section| section.keys)
}

/// Whether a variable configures the server. The others with its prefix are the command line
/// client's and the tests'.
fn is_ours(name: &str) -> bool {
    const OF_OTHERS: [&str; 3] = ["TAKEOFF_URL", "TAKEOFF_TENANT", "TAKEOFF_BLESS"];
    name.starts_with(PREFIX) && !name.starts_with("TAKEOFF_TEST_") && !OF_OTHERS.contains(&name)
}

fn environment(
    env: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<String, Given>, Error> {
    let mut given = BTreeMap::new();
    for (name, text) in env.filter(|(name, _)| is_ours(name)) {
        let Some(key) = keys().find(|key| key.variable() == name) else {
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
pub(super) fn process_environment() -> Result<Vec<(String, String)>, Error> {
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
