//! Notes how far the release of deleted artifacts' content has come.

use entity::content_release;
use sea_orm::ActiveValue::Set;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{ArtifactId, Micros};

/// Notes how far the release of deleted artifacts' content is.
#[derive(Debug, Clone)]
pub(in crate::storage) struct AdvanceReleases {
    pub(in crate::storage) ids: Vec<ArtifactId>,
    /// None when it is over.
    pub(in crate::storage) aside_at: Option<Micros>,
}

impl Operation for AdvanceReleases {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let changes = &mut working.changes;
        match self.aside_at {
            None => changes.releases_out.extend(&self.ids),
            Some(at) => {
                let row = |id: &ArtifactId| content_release::ActiveModel {
                    artifact_id: Set(id.0),
                    aside_at: Set(Some(at)),
                    ..content_release::ActiveModel::default()
                };
                changes.releases_aside.extend(self.ids.iter().map(row));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ArtifactState,
        storage::{
            read_tests::{on_each_database, scope_of},
            write::DeleteArtifacts,
            write::tests::{ACTOR, Scene, TENANT, alone, registered},
        },
    };

    #[tokio::test]
    async fn the_release_of_content_is_noted_until_it_is_over() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let id = registered(world, &scene, "x", ArtifactState::Ready).await;
            let delete = DeleteArtifacts {
                scope: scope_of(TENANT),
                ids: vec![id],
                actor: ACTOR.into(),
                reason: None,
            };
            alone(world, delete).await.unwrap();
            let due = async || world.storage.list_releases(Micros::MAX, 9).await.unwrap();
            for aside_at in [None, Some(7)] {
                if aside_at.is_some() {
                    let ids = vec![id];
                    alone(world, AdvanceReleases { ids, aside_at })
                        .await
                        .unwrap();
                }
                let releases = due().await;
                assert_eq!(releases.len(), 1);
                assert_eq!(
                    (releases[0].artifact_id, releases[0].aside_at),
                    (id, aside_at)
                );
            }
            let (ids, aside_at) = (vec![id], None);
            alone(world, AdvanceReleases { ids, aside_at })
                .await
                .unwrap();
            assert!(due().await.is_empty());
        })
        .await;
    }
}
