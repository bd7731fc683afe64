//! Key rings that no configuration names: each made once, in a file of the data folder that only its owner
//! reads. Starters that race for it end with the same ring. Whoever wants another key adds it to the file.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Context as _;
use data_encoding::HEXLOWER;

use crate::model::KeyRing;

/// More than any ring has.
const MOST_BYTES: u64 = 64 * 1024;

/// The configured ring, or else that in the file `name` of `folder`, made when it is not there. It blocks the
/// thread for a moment.
///
/// # Errors
/// When the folder cannot be read or written, or the file holds no ring.
pub(super) fn ring_or_file(
    configured: Option<&KeyRing>,
    folder: &Path,
    name: &str,
) -> anyhow::Result<KeyRing> {
    if let Some(ring) = configured {
        return Ok(ring.clone());
    }
    let path = folder.join(name);
    load_or_create(folder, name)
        .with_context(|| format!("the keys in {} cannot be used", path.display()))
}

/// The configured ring, or else that in the file `name` of `folder`; none if there is no such file.
///
/// # Errors
/// When the file cannot be read or holds no ring.
pub(super) fn existing_ring(
    configured: Option<&KeyRing>,
    folder: &Path,
    name: &str,
) -> anyhow::Result<Option<KeyRing>> {
    if configured.is_none() && !folder.join(name).exists() {
        return Ok(None);
    }
    ring_or_file(configured, folder, name).map(Some)
}

fn load_or_create(folder: &Path, name: &str) -> anyhow::Result<KeyRing> {
    let path = folder.join(name);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return Ok(found?.trim().parse()?),
    }
    std::fs::create_dir_all(folder)?;
    match publish(folder, name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    // Whoever was first, what the file says is the ring.
    Ok(read(&path)?.trim().parse()?)
}

fn read(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A link is made by one starter only, and of a file that is complete.
fn publish(folder: &Path, name: &str) -> io::Result<()> {
    // Process ids do not tell starters apart that share a volume from several containers.
    let mark = HEXLOWER.encode(&random::<16>());
    let own = folder.join(format!("{name}.{mark}"));
    let ring = format!("k1:{}", HEXLOWER.encode(&random::<32>()));
    let published = write_private(&own, ring.as_bytes())
        .and_then(|()| std::fs::hard_link(&own, folder.join(name)));
    let removed = std::fs::remove_file(&own);
    published?;
    removed?;
    sync_folder(folder)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn race(folder: &Path) -> Vec<KeyRing> {
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let starter = || {
                barrier.wait();
                ring_or_file(None, folder, "signing.key")
            };
            let starters: Vec<_> = (0..8).map(|_| scope.spawn(starter)).collect();
            let rings = starters.into_iter().map(|s| s.join().unwrap().unwrap());
            rings.collect()
        })
    }

    #[test]
    fn several_starters_end_with_one_ring_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data");
        let rings = race(&folder);
        assert!(rings.iter().all(|ring| *ring == rings[0]));
        let again = ring_or_file(None, &folder, "signing.key").unwrap();
        assert_eq!(again, rings[0]);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
        let names: Vec<_> = files.iter().map(std::fs::DirEntry::file_name).collect();
        assert_eq!(names, ["signing.key"]);
        let mode = files[0].metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn each_file_has_a_ring_of_its_own_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let links = ring_or_file(None, folder, "signing.key").unwrap();
        assert_ne!(links, ring_or_file(None, folder, "token.key").unwrap());
        std::fs::write(folder.join("signing.key"), "short").unwrap();
        let refused = format!(
            "{:#}",
            ring_or_file(None, folder, "signing.key").unwrap_err()
        );
        assert!(refused.contains("signing.key"), "{refused}");
        assert!(refused.contains("weak"), "{refused}");
        let configured = ring_or_file(Some(&links), folder, "signing.key").unwrap();
        assert_eq!(configured, links);
    }

    #[test]
    fn a_file_of_before_there_were_rings_is_one_with_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let secret = "0123456789abcdef".repeat(4);
        std::fs::write(folder.path().join("signing.key"), format!("{secret}\n")).unwrap();
        let ring = ring_or_file(None, folder.path(), "signing.key").unwrap();
        assert_eq!(ring.expose(), format!("k1:{secret}"));
    }
}
