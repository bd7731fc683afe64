//! The key that signs URLs, where none is configured: made once, kept in a file that only its
//! owner reads. Starters that race for it end with the same key.

use std::{
    io::{self, Write},
    path::Path,
};

use data_encoding::HEXLOWER;

/// The key in `folder/signing.key`, made when it is not there. It blocks the thread for a moment.
///
/// # Errors
/// When the folder cannot be read or written, or the file is not a key.
pub fn load_or_create_key(folder: &Path) -> io::Result<[u8; 32]> {
    let path = folder.join("signing.key");
    match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return key_from(&found?),
    }
    std::fs::create_dir_all(folder)?;
    match publish(folder, &path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Whoever was first, what the file says is the key.
    key_from(&std::fs::read(&path)?)
}

/// A link is made by one starter only, and of a file that is complete.
fn publish(folder: &Path, path: &Path) -> io::Result<()> {
    // Process ids do not tell starters apart that share a volume from several containers.
    let mark = HEXLOWER.encode(&random::<16>());
    let own = folder.join(format!("signing.key.{mark}"));
    let published = write_private(&own, HEXLOWER.encode(&random::<32>()).as_bytes())
        .and_then(|()| std::fs::hard_link(&own, path));
    let removed = std::fs::remove_file(&own);
    published?;
    removed?;
    sync_folder(folder)
}

fn key_from(text: &[u8]) -> io::Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(text.trim_ascii()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "signing.key is not a key"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a secret must not be predictable, in tests neither"
)]
fn random<const N: usize>() -> [u8; N] {
    rand::random()
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name in a folder is durable once the folder is; elsewhere than on Unix that cannot be asked.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
