//! Files of the server on disk are for its user alone: database, content, keys.

use std::path::{Path, PathBuf};

use crate::config::Config;

/// From now on the files that this process makes are its user's alone, and so are the folders and the
/// database that are there already.
pub(crate) fn keep_private(config: &Config) {
    restrict_new_files();
    for path in kept(config) {
        tighten(&path);
    }
}

/// Returns the files and folders that a configuration keeps on this machine.
fn kept(config: &Config) -> Vec<PathBuf> {
    let mut kept = vec![config.data_dir.clone()];
    kept.extend(
        config
            .content
            .url
            .expose()
            .strip_prefix("file://")
            .map(PathBuf::from),
    );
    if let Some(database) = crate::storage::sqlite_file(config.database.url.expose()) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = database.clone().into_os_string();
            path.push(suffix);
            kept.push(path.into());
        }
    }
    kept
}

#[cfg(unix)]
fn restrict_new_files() {
    use rustix::{fs::Mode, process::umask};
    umask(Mode::RWXG | Mode::RWXO);
}

#[cfg(unix)]
fn tighten(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    const STICKY: u32 = 0o1000;
    let Ok(found) = std::fs::metadata(path) else {
        return;
    };
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return;
    }
    let shown = path.display();
    if mode & STICKY != 0 {
        tracing::warn!(path = %shown, "a folder that all users share is no place for a server's data");
        return;
    }
    let own = std::fs::Permissions::from_mode(mode & !OTHERS);
    match std::fs::set_permissions(path, own) {
        Ok(()) => tracing::warn!(path = %shown, "it was open to other users, and is no longer"),
        Err(error) => tracing::warn!(path = %shown, %error, "it is open to other users"),
    }
}

#[cfg(not(unix))]
fn restrict_new_files() {}

#[cfg(not(unix))]
fn tighten(_: &Path) {}
