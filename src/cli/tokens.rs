//! Tokens that `takeoff login` keeps: a file for its owner alone, by the address of the server that each is for.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// A token that is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) token: String,
    pub(super) expires_at_s: i64,
}

type All = BTreeMap<String, Kept>;

fn file() -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty())?;
    Some(home.join(".config/takeoff/tokens.json"))
}

fn key(server: &str) -> &str {
    server.trim_end_matches('/')
}

/// The token for a server, unless it has expired.
pub(super) fn find(server: &str) -> Option<String> {
    let text = std::fs::read(file()?).ok()?;
    let mut all: All = serde_json::from_slice(&text).ok()?;
    let kept = all.remove(key(server))?;
    (Clock::System.now() / 1_000_000 < kept.expires_at_s).then_some(kept.token)
}

/// Keeps a token for a server, or forgets the one that is kept; where.
pub(super) fn keep(server: &str, token: Option<Kept>) -> anyhow::Result<PathBuf> {
    let file = file().context("there is no home folder to keep a token in")?;
    let unusable = || format!("{} cannot be used", file.display());
    let mut all: All = match std::fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text).with_context(unusable)?,
        Err(error) if error.kind() == ErrorKind::NotFound => All::new(),
        Err(error) => return Err(error).with_context(unusable),
    };
    match token {
        Some(token) => all.insert(key(server).to_owned(), token),
        None => all.remove(key(server)),
    };
    replace(&file, &serde_json::to_vec_pretty(&all)?).with_context(unusable)?;
    Ok(file)
}

/// As a whole, and for its owner alone.
fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let new = file.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&new)?.write_all(text)?;
    std::fs::rename(new, file)
}
