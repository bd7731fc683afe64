//! npm, as the build calls it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Arguments of an installation by lock file, without scripts of the packages and without what only checks need.
pub(super) const INSTALL: &[&str] = &[
    "ci",
    "--ignore-scripts",
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--loglevel",
    "error",
];

/// Runs npm in a folder.
///
/// # Errors
/// The first line of what npm says when it fails, or why it cannot be run.
pub(super) fn run(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let npm = npm.map_err(|error| format!("npm cannot be run: {error}"))?;
    if npm.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&npm.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("no reason given");
    Err(format!("npm {} failed: {line}", arguments.join(" ")))
}
