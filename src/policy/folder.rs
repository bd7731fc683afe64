//! The files of a folder of policies: `*.cedar` at its top for all tenants, `tenants/TENANT/*.cedar` for one.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::fault::{Fault, Faults};
use crate::model::TenantId;

/// The most files of a folder.
const MAX_FILES: usize = 10_000;

/// The size of the largest file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The size of all files together.
const MAX_BYTES: usize = 64 * 1024 * 1024;

const TENANTS: &str = "tenants";

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyFile {
    /// The tenant that it is for; none for all.
    pub(super) tenant: Option<TenantId>,
    /// The file, from the folder on.
    pub(super) name: String,
    pub(super) text: String,
}

/// Reads all files of a folder, in the order of their names.
pub(super) fn read(folder: &Path) -> Result<Vec<PolicyFile>, Faults> {
    let mut reading = Reading::default();
    reading.folder(folder, None, "");
    if reading.faults.is_empty() {
        reading
            .files
            .sort_by(|one, other| one.name.cmp(&other.name));
        Ok(reading.files)
    } else {
        Err(Faults(reading.faults))
    }
}

/// The digest of what was read, to tell whether it has changed.
pub(super) fn digest(read: &Result<Vec<PolicyFile>, Faults>) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    match read {
        Ok(files) => files.iter().for_each(|file| {
            add(&file.name);
            add(&file.text);
        }),
        Err(faults) => add(&format!("{faults}\0")),
    }
    digest.finalize().into()
}

#[derive(Default)]
struct Reading {
    files: Vec<PolicyFile>,
    bytes: usize,
    faults: Vec<Fault>,
}

impl Reading {
    /// Reads the files of a folder; `within` is its name from the top on, with a slash behind it.
    fn folder(&mut self, folder: &Path, tenant: Option<&TenantId>, within: &str) {
        let is_top = within.is_empty();
        for (path, name) in self.entries(folder, within) {
            let shown = format!("{within}{name}");
            if path.is_dir() {
                match (is_top, name.as_str()) {
                    (true, TENANTS) => self.tenants(&path),
                    _ => self.refuse(&shown, "no folder is expected here but tenants/TENANT"),
                }
            } else if path.extension().is_some_and(|ending| ending == "cedar") {
                self.file(&path, tenant, shown);
            }
        }
    }

    fn tenants(&mut self, folder: &Path) {
        let within = format!("{TENANTS}/");
        for (path, name) in self.entries(folder, &within) {
            let shown = format!("{within}{name}");
            match name.parse::<TenantId>() {
                _ if !path.is_dir() => {
                    self.refuse(
                        &shown,
                        "here is a folder for each tenant, with its files in it",
                    );
                }
                Ok(tenant) => self.folder(&path, Some(&tenant), &format!("{shown}/")),
                Err(error) => self.refuse(&shown, &error.to_string()),
            }
        }
    }

    /// The entries of a folder with their names, but for those that begin with a dot.
    fn entries(&mut self, folder: &Path, within: &str) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.take(MAX_FILES + 1).collect::<io::Result<Vec<_>>>()
        });
        let entries = entries.unwrap_or_else(|error| {
            let shown = if within.is_empty() {
                folder.display().to_string()
            } else {
                within.to_owned()
            };
            self.refuse(&shown, &format!("it cannot be read: {error}"));
            Vec::new()
        });
        if entries.len() > MAX_FILES {
            self.refuse(within, &format!("it has more than {MAX_FILES} entries"));
        }
        let named = entries.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            (!name.starts_with('.')).then_some((path, name))
        });
        named.collect()
    }

    fn file(&mut self, path: &Path, tenant: Option<&TenantId>, name: String) {
        if self.files.len() == MAX_FILES {
            return self.refuse(&name, &format!("there are more than {MAX_FILES} files"));
        }
        match text_of(path) {
            Ok(text) if self.bytes + text.len() > MAX_BYTES => {
                self.refuse(
                    &name,
                    &format!("all files have more than {MAX_BYTES} bytes"),
                );
            }
            Ok(text) => {
                self.bytes += text.len();
                let tenant = tenant.cloned();
                self.files.push(PolicyFile { tenant, name, text });
            }
            Err(error) => self.refuse(&name, &format!("it cannot be read: {error}")),
        }
    }

    fn refuse(&mut self, file: &str, message: &str) {
        self.faults.push(Fault::of(file, message));
    }
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let message = format!("it has more than {MAX_FILE_BYTES} bytes");
        return Err(io::Error::other(message));
    }
    Ok(text)
}
