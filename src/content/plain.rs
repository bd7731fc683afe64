//! Reading the files of a folder without following links. A link that somebody put among the objects
//! would give out a file that is not content.

use std::{fs::File, io, ops::Range, path};

use bytes::Bytes;
use object_store::{GetOptions, GetResult, GetResultPayload, path::Path};

use super::ContentStore;

/// Something else than a file stands where content is looked for.
#[derive(Debug, thiserror::Error)]
#[error("{} is a link or no file: content is not read from there", .0.display())]
pub(super) struct NotPlain(path::PathBuf);

impl ContentStore {
    /// An object, or the part of it that `options` say.
    pub(super) async fn object(
        &self,
        place: &Path,
        options: GetOptions,
    ) -> Result<GetResult, object_store::Error> {
        let Some(folder) = self.folder.clone() else {
            return self.objects.get_opts(place, options).await;
        };
        let names: Vec<String> = place.parts().map(|part| part.as_ref().to_owned()).collect();
        let opened = tokio::task::spawn_blocking(move || open(&folder, &names)).await;
        let (file, path) = opened.map_err(|source| object_store::Error::JoinError { source })??;
        let found = self.objects.get_opts(place, options).await?;
        Ok(GetResult {
            payload: GetResultPayload::File(file, path),
            ..found
        })
    }

    /// Some bytes of an object.
    pub(super) async fn object_part(
        &self,
        place: &Path,
        range: Range<u64>,
    ) -> Result<Bytes, object_store::Error> {
        let options = GetOptions::new().with_range(Some(range));
        self.object(place, options).await?.bytes().await
    }
}

/// The file at `names` below `folder`, which alone may be a link.
pub(super) fn open(
    folder: &path::Path,
    names: &[String],
) -> Result<(File, path::PathBuf), object_store::Error> {
    let mut path = folder.to_owned();
    path.extend(names);
    let file = open_without_links(folder, names).and_then(|file| {
        let is_file = file.metadata()?.is_file();
        is_file.then_some(file).ok_or_else(not_plain)
    });
    match file {
        Ok(file) => Ok((file, path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(object_store::Error::NotFound {
                path: names.join("/"),
                source: Box::new(error),
            })
        }
        Err(error) if error.kind() == not_plain().kind() => Err(generic(NotPlain(path))),
        Err(error) => Err(generic(error)),
    }
}

fn not_plain() -> io::Error {
    io::ErrorKind::InvalidInput.into()
}

pub(super) fn generic(
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> object_store::Error {
    object_store::Error::Generic {
        store: "folder",
        source: source.into(),
    }
}

#[cfg(unix)]
fn open_without_links(folder: &path::Path, names: &[String]) -> io::Result<File> {
    use rustix::{
        fs::{Mode, OFlags, open, openat},
        io::Errno,
    };
    // A pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let below = |error: Errno| match error {
        // What the systems say of a link that is not followed.
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => not_plain(),
        other => other.into(),
    };
    let mut place = open(folder, flags | OFlags::DIRECTORY, Mode::empty())?;
    for (position, name) in names.iter().enumerate() {
        let kind = if position + 1 < names.len() {
            OFlags::DIRECTORY
        } else {
            OFlags::empty()
        };
        let flags = flags | OFlags::NOFOLLOW | kind;
        place = openat(&place, name.as_str(), flags, Mode::empty()).map_err(below)?;
    }
    Ok(place.into())
}

#[cfg(not(unix))]
fn open_without_links(folder: &path::Path, names: &[String]) -> io::Result<File> {
    let mut path = folder.to_owned();
    for name in names {
        path.push(name);
        if std::fs::symlink_metadata(&path)?.is_symlink() {
            return Err(not_plain());
        }
    }
    File::open(path)
}
