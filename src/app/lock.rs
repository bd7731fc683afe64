//! An embedded database belongs to one server process. The lock on its file is released by the
//! operating system when the process ends, however it ends.

use std::{fs::File, path::Path};

use anyhow::Context;

/// Takes the lock beside `database`, or refuses.
pub(super) fn take(database: &Path) -> anyhow::Result<File> {
    let path = database.with_extension("lock");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => anyhow::bail!(
            "{} is used by another server; several nodes share a PostgreSQL database instead",
            database.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
