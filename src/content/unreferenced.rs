//! Taking away objects that nothing refers to, in two steps.
//!
//! An object is first withdrawn: it then lies below `unreferenced`, from where whoever looks for it brings it back. What
//! nothing refers to a while later is removed for good. So content is not lost that was stored again just before it was
//! withdrawn, which writes nothing where the same is there, and that was referred to just after.

use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload,
    path::{Path, PathPart},
};

use super::{
    ContentStore, Digest, Error, plain,
    store::{CONTENT, PAYLOADS, present},
};
use crate::model::{Micros, TenantId};

const UNREFERENCED: &str = "unreferenced";
/// Below this each installation that uses the store has an object.
const INSTALLATIONS: &str = "installations";

/// An object of a tenant, wherever it lies.
#[derive(Debug, Clone)]
pub(crate) struct StoredObject {
    path: Path,
    /// Whose it is.
    pub(crate) tenant: TenantId,
    /// The digest of its content.
    pub(crate) digest: Digest,
    /// The bytes that it takes.
    pub(crate) size_bytes: u64,
    /// When it was written, withdrawn or brought back.
    pub(crate) modified_at: Micros,
}

impl ContentStore {
    /// Notes that an installation uses the store, and returns whether it is the only one that ever did.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Unavailable`].
    pub(crate) async fn is_only_used_by(&self, installation: &str) -> Result<bool, Error> {
        let own = Path::from_iter([INSTALLATIONS, installation]);
        self.is_there().await?;
        match self.object(&own, GetOptions::new().with_head(true)).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => {
                let bytes = PutPayload::from_static(b"takeoff");
                let written = self.objects.put(&own, bytes).await;
                written.map_err(Error::of_a_write)?;
            }
            Err(error) => return Err(error.into()),
        }
        let mut all = self.objects.list(Some(&Path::from(INSTALLATIONS)));
        while let Some(found) = all.try_next().await? {
            if found.location != own {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All objects of tenants that are in their places, in no order.
    pub(crate) fn objects(&self) -> BoxStream<'_, Result<StoredObject, Error>> {
        let places = [CONTENT, PAYLOADS].map(|area| Path::from_iter([area]));
        self.list(places)
    }

    /// All objects that are withdrawn, in no order.
    pub(crate) fn withdrawn_objects(&self) -> BoxStream<'_, Result<StoredObject, Error>> {
        let places = [CONTENT, PAYLOADS].map(|area| Path::from_iter([UNREFERENCED, area]));
        self.list(places)
    }

    fn list(&self, places: [Path; 2]) -> BoxStream<'_, Result<StoredObject, Error>> {
        let [one, other] = places.map(|place| self.objects.list(Some(&place)));
        let known = one.chain(other).try_filter_map(async |meta| Ok(of(&meta)));
        known.map_err(Error::from).boxed()
    }

    /// Takes an object out of its place; one that is gone stays so.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Unavailable`].
    pub(crate) async fn withdraw(&self, object: &StoredObject, now: Micros) -> Result<(), Error> {
        self.is_there().await?;
        if !self.date(&object.path, now).await? {
            return Ok(());
        }
        let to = withdrawn(&object.path);
        present(self.objects.rename(&object.path, &to).await).map(drop)
    }

    /// Puts a withdrawn object back in its place, if it still is withdrawn.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn reinstate(&self, object: &StoredObject) -> Result<(), Error> {
        let place: Path = object.path.parts().skip(1).collect();
        self.bring_back_to(&place).await
    }

    /// Puts the object of a place back that is withdrawn, if one is.
    pub(super) async fn bring_back_to(&self, place: &Path) -> Result<(), Error> {
        present(self.objects.rename(&withdrawn(place), place).await).map(drop)
    }

    /// Moves the withdrawn object of a place elsewhere, or removes it; there need not be one.
    pub(super) async fn move_withdrawn(
        &self,
        place: &Path,
        to: Option<&Path>,
    ) -> Result<(), Error> {
        let from = withdrawn(place);
        match to {
            Some(to) => present(self.objects.rename(&from, to).await).map(drop),
            None => present(self.objects.delete(&from).await).map(drop),
        }
    }

    /// Removes a withdrawn object for good.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Unavailable`].
    pub(crate) async fn remove_withdrawn(&self, object: &StoredObject) -> Result<(), Error> {
        self.is_there().await?;
        present(self.objects.delete(&object.path).await).map(drop)
    }

    /// Says of the file of an object that it was modified now, which moving it does not; false if it is gone. A bucket
    /// says so of each object that is moved.
    async fn date(&self, path: &Path, now: Micros) -> Result<bool, Error> {
        let Some(folder) = self.folder.clone() else {
            return Ok(true);
        };
        let names: Vec<String> = path.parts().map(|part| part.as_ref().to_owned()).collect();
        let dated = tokio::task::spawn_blocking(move || {
            let (file, _) = plain::open(&folder, &names)?;
            let since = Duration::from_micros(u64::try_from(now).unwrap_or_default());
            let set = file.set_modified(SystemTime::UNIX_EPOCH + since);
            set.map_err(plain::generic)
        });
        let dated = dated.await.map_err(Error::interrupted)?;
        present(dated).map(|done| done.is_some())
    }
}

fn withdrawn(place: &Path) -> Path {
    let parts = [PathPart::from(UNREFERENCED)].into_iter();
    parts.chain(place.parts()).collect()
}

/// An object below an area, a tenant and by its digest; nothing of what else may lie there.
fn of(meta: &ObjectMeta) -> Option<StoredObject> {
    let parts: Vec<_> = meta.location.parts().collect();
    let [.., tenant, digest] = parts.as_slice() else {
        return None;
    };
    Some(StoredObject {
        path: meta.location.clone(),
        tenant: tenant.as_ref().parse().ok()?,
        digest: digest.as_ref().parse().ok()?,
        size_bytes: meta.size,
        modified_at: meta.last_modified.timestamp_micros(),
    })
}
