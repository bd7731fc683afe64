//! Removing what unfinished writes left behind when their process died.
//!
//! In a folder an object that is being written is a file `NAME#N` beside its place, which the list
//! of objects does not show. In a bucket the parts of an unfinished multipart upload are no objects
//! either; a lifecycle rule of the bucket (`AbortIncompleteMultipartUpload`) removes them.

use std::{
    io,
    path::{self, PathBuf},
    time::{Duration, SystemTime},
};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use super::{
    ContentStore, Error,
    store::{ASIDE, CONTENT, PAYLOADS},
};

/// Below this uploads are written until they are known to be good.
pub(super) const TEMPORARIES: &str = "tmp/uploads";

impl ContentStore {
    /// Removes what nobody has written to for `older_than` at `now_micros` (microseconds since
    /// 1970-01-01 UTC) and is not in its place; how many. Longer than any upload may take.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn sweep_temporaries(
        &self,
        older_than: Duration,
        now_micros: i64,
    ) -> Result<u64, Error> {
        let age = i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
        let limit_micros = now_micros.saturating_sub(age);
        let mut removed = self.sweep_objects(limit_micros).await?;
        if let Some(folder) = self.folder.clone() {
            let swept = tokio::task::spawn_blocking(move || sweep_folder(&folder, limit_micros));
            removed += swept.await.map_err(Error::interrupted)??;
        }
        Ok(removed)
    }

    /// Objects that were complete and never moved to their place.
    async fn sweep_objects(&self, limit_micros: i64) -> Result<u64, Error> {
        let mut found = self.objects.list(Some(&Path::from(TEMPORARIES)));
        let mut removed = 0;
        while let Some(object) = found.try_next().await? {
            if object.last_modified.timestamp_micros() >= limit_micros {
                continue;
            }
            match self.objects.delete(&object.location).await {
                Ok(()) => removed += 1,
                // Another node sweeps too.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(removed)
    }
}

fn sweep_folder(folder: &path::Path, limit_micros: i64) -> Result<u64, Error> {
    let swept = || -> io::Result<u64> {
        let mut removed = 0;
        let mut places = vec![folder.join("tmp"), folder.join(TEMPORARIES)];
        for area in [CONTENT, PAYLOADS, ASIDE] {
            places.extend(entries(&folder.join(area))?);
        }
        for place in places {
            for file in entries(&place)? {
                if is_unfinished(&file) && is_older(&file, limit_micros)? {
                    removed += u64::from(present(std::fs::remove_file(&file))?.is_some());
                }
            }
        }
        Ok(removed)
    };
    swept().map_err(|error| {
        Error::Unavailable(object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(error),
        })
    })
}

/// Returns the entries of a folder; none where there is no folder.
fn entries(folder: &path::Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(found) => found.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Ok(present(Err(error))?.unwrap_or_default()),
    }
}

/// No name of an object has a `#`: the store encodes it.
fn is_unfinished(file: &path::Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.rsplit_once('#'))
        .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn is_older(file: &path::Path, limit_micros: i64) -> io::Result<bool> {
    let modified = present(file.metadata().and_then(|found| found.modified()))?;
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
    Ok(micros.is_some_and(|micros| micros < limit_micros))
}

/// Files of writers that go on come and go meanwhile.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
