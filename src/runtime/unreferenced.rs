//! Objects of the content store to which nothing refers.

use std::collections::HashSet;

use futures::{TryStreamExt, stream::BoxStream};

use super::Error;
use crate::{
    content::{self, StoredObject},
    model::Micros,
    storage::{Storage, TenantDigest},
};

/// Objects that are looked at together.
const PAGE: usize = 5_000;
/// Digests that one statement asks for.
const ASKED: usize = 500;

/// Objects that were looked at, by what was found.
#[derive(Debug, Default)]
pub(super) struct Reviewed {
    /// Nothing refers to them.
    pub(super) free: Vec<StoredObject>,
    /// Something refers to them.
    pub(super) used: Vec<StoredObject>,
    /// They have not been there for long enough to be looked at.
    pub(super) young: Vec<StoredObject>,
}

/// Looks at objects page by page.
pub(super) struct Review<'a> {
    storage: &'a Storage,
    objects: BoxStream<'a, Result<StoredObject, content::Error>>,
    /// What was modified later is young.
    before: Micros,
}

impl<'a> Review<'a> {
    pub(super) fn of(
        storage: &'a Storage,
        objects: BoxStream<'a, Result<StoredObject, content::Error>>,
        before: Micros,
    ) -> Self {
        Self {
            storage,
            objects,
            before,
        }
    }

    /// The next ones; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Reviewed>, Error> {
        let mut old = Vec::new();
        let mut reviewed = Reviewed::default();
        while old.len() + reviewed.young.len() < PAGE {
            match self.objects.try_next().await? {
                Some(object) if object.modified_at < self.before => old.push(object),
                Some(object) => reviewed.young.push(object),
                None if old.is_empty() && reviewed.young.is_empty() => return Ok(None),
                None => break,
            }
        }
        let used = used(self.storage, &old).await?;
        for object in old {
            if used.contains(&key(&object)) {
                reviewed.used.push(object);
            } else {
                reviewed.free.push(object);
            }
        }
        Ok(Some(reviewed))
    }
}

/// Those to which something refers.
async fn used(storage: &Storage, objects: &[StoredObject]) -> Result<HashSet<TenantDigest>, Error> {
    let keys: Vec<TenantDigest> = objects.iter().map(key).collect();
    let mut used = HashSet::new();
    for some in keys.chunks(ASKED) {
        used.extend(storage.digests_in_records(some).await?);
    }
    Ok(used)
}

fn key(object: &StoredObject) -> TenantDigest {
    (object.tenant.clone(), object.digest.to_string())
}
