//! The flags that every command with a configuration takes.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::{Error, Origin, layers::Given, sections};

/// Flags over the environment and the file.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct Overrides {
    /// Configuration file [default: takeoff.toml, if there is one]
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// IP address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub http_bind: Option<String>,
    /// Folder of everything the process keeps on local disk
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// sqlite://… or postgres://…
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// redis://… or rediss://…
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// file://… or s3://…
    #[arg(long, value_name = "URL")]
    pub content_url: Option<String>,
    /// Levels of the log, by module
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Any other key; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs and values of `--set` may hold secrets.
        f.debug_struct("Overrides")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Overrides {
    /// Returns whether there is any flag.
    #[must_use]
    pub fn are_given(&self) -> bool {
        let is_named = self.named().iter().any(|(.., value)| value.is_some());
        self.config.is_some() || is_named || !self.set.is_empty()
    }

    /// These flags and those that stand further on in the command line.
    ///
    /// # Errors
    /// [`Error::SetTwice`] when both set the same.
    pub fn and(self, others: Self) -> Result<Self, Error> {
        for (flag, key, value) in self.named() {
            let mut named = others.named().into_iter();
            if value.is_some() && named.any(|(other, _, value)| other == flag && value.is_some()) {
                return Err(twice(key, flag));
            }
        }
        if self.config.is_some() && others.config.is_some() {
            return Err(twice("config", "--config"));
        }
        Ok(Self {
            config: self.config.or(others.config),
            http_bind: self.http_bind.or(others.http_bind),
            data_dir: self.data_dir.or(others.data_dir),
            database_url: self.database_url.or(others.database_url),
            redis_url: self.redis_url.or(others.redis_url),
            content_url: self.content_url.or(others.content_url),
            log: self.log.or(others.log),
            set: [self.set, others.set].concat(),
        })
    }

    /// Returns the values that the flags give, by the path of the key.
    pub(super) fn given(&self) -> Result<BTreeMap<String, Given>, Error> {
        let mut given = BTreeMap::new();
        for (flag, key, value) in self.named() {
            if let Some(value) = value {
                insert(&mut given, flag, key, value)?;
            }
        }
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(Error::MalformedSet {
                    found: beginning_of_key(pair),
                });
            };
            insert(&mut given, "--set", key.trim(), value)?;
        }
        Ok(given)
    }

    fn named(&self) -> [(&'static str, &'static str, Option<&String>); 6] {
        [
            ("--http-bind", "http.bind", self.http_bind.as_ref()),
            ("--data-dir", "data_dir", self.data_dir.as_ref()),
            ("--database-url", "database.url", self.database_url.as_ref()),
            ("--redis-url", "redis.url", self.redis_url.as_ref()),
            ("--content-url", "content.url", self.content_url.as_ref()),
            ("--log", "telemetry.log", self.log.as_ref()),
        ]
    }
}

fn twice(key: &str, flag: &'static str) -> Error {
    Error::SetTwice {
        key: key.to_owned(),
        first: flag,
        second: flag,
    }
}

/// As much of `text` as can be a key; what follows may be a secret.
fn beginning_of_key(text: &str) -> String {
    let is_of_key = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
    let begun: String = text.chars().take_while(is_of_key).collect();
    let rest = if begun.len() < text.len() { "…" } else { "" };
    begun + rest
}

fn insert(
    given: &mut BTreeMap<String, Given>,
    flag: &'static str,
    key: &str,
    value: &str,
) -> Result<(), Error> {
    let origin = Origin::Flag(flag);
    if !sections::keys().any(|known| known.path() == key) {
        let key = beginning_of_key(key);
        return Err(Error::UnknownKey { key, origin });
    }
    let key = key.to_owned();
    if let Some(Given {
        origin: Origin::Flag(first),
        ..
    }) = given.get(&key)
    {
        let (first, second) = (*first, flag);
        return Err(Error::SetTwice { key, first, second });
    }
    let value = Given {
        text: value.to_owned(),
        kind: None,
        origin,
    };
    given.insert(key, value);
    Ok(())
}
