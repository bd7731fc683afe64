//! Artifacts: locked to be changed, or read.

use std::collections::BTreeSet;

use entity::artifact;
use sea_orm::FromQueryResult;

use super::{
    super::{
        super::{Error, chain, convert::ArtifactRow, db::Transaction, sql},
        operation::Needs,
        working::Working,
    },
    rows::lock_clause,
};
use crate::model::{Artifact, ArtifactId};
use sql::{Rows, columns};

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    let locked: BTreeSet<ArtifactId> = needs.artifacts_locked.iter().copied().collect();
    let read: BTreeSet<ArtifactId> = needs
        .artifacts
        .iter()
        .filter(|id| !locked.contains(id))
        .copied()
        .collect();
    let lock = lock_clause(db, "ORDER BY a.id FOR UPDATE OF a");
    for (ids, clause) in [(locked, lock), (read, "")] {
        let join = sql::join(db);
        let tail = format!(
            "SELECT {} FROM x {join} artifact a ON a.id = x.id {clause}",
            columns::<artifact::Entity>("a")
        );
        for row in Rows::column("id", ids.iter().map(|id| id.0))
            .query(db, &tail)
            .await?
        {
            let model = artifact::Model::from_query_result(&row, "")?;
            let (key, last_hash) = (Some(model.key), chain::stored(model.last_hash.clone())?);
            let artifact = Artifact::try_from(model)?;
            let row = ArtifactRow {
                artifact,
                key,
                parents: Vec::new(),
                last_hash,
            };
            working.artifacts.load(row.artifact.id, row);
        }
    }
    Ok(())
}
