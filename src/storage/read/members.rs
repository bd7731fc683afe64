//! The numbers of members of each of several records: one statement for all of one kind.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    super::{Error, Storage, sql},
    count::{Count, MOST_COUNTED},
    page::ids_of_tenant,
    relatives::Relation,
};
use crate::model::TenantScope;
use sql::get;

/// A kind of members of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Members {
    /// The executions that an execution submitted.
    ExecutionsOfExecution,
    /// The executions of a session.
    ExecutionsOfSession,
    /// The artifacts that an execution made or found again.
    ArtifactsOfExecution,
    /// The relatives of an artifact.
    RelativesOfArtifact(Relation),
}

impl Members {
    /// The rows that belong to `x.id`.
    fn rows(self) -> String {
        match self {
            Self::ExecutionsOfExecution => {
                "SELECT 1 AS one FROM execution e WHERE e.parent_id = x.id \
                 AND e.tenant_id = x.tenant_id"
                    .to_owned()
            }
            Self::ExecutionsOfSession => {
                "SELECT 1 AS one FROM execution e WHERE e.session_id = x.id \
                 AND e.tenant_id || '' = x.tenant_id"
                    .to_owned()
            }
            Self::ArtifactsOfExecution => {
                "SELECT 1 AS one FROM artifact a WHERE a.execution_id = x.id \
                 AND a.tenant_id = x.tenant_id UNION ALL SELECT 1 FROM artifact_found f \
                 JOIN artifact a ON a.id = f.artifact_id \
                 WHERE f.execution_id = x.id AND a.tenant_id = x.tenant_id"
                    .to_owned()
            }
            Self::RelativesOfArtifact(relation) => format!(
                "SELECT 1 AS one FROM artifact own JOIN artifact_edge e ON e.{} = own.key \
                 WHERE own.id = x.id AND own.tenant_id = x.tenant_id",
                relation.columns().0
            ),
        }
    }
}

impl Storage {
    /// Returns the number of members of each of these, as far as they are counted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_members(
        &self,
        scope: &TenantScope,
        members: Members,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Count>, Error> {
        let tail = format!(
            "SELECT x.id, (SELECT COUNT(*) FROM ({} LIMIT {}) l) AS total FROM x",
            members.rows(),
            MOST_COUNTED + 1
        );
        let rows = ids_of_tenant(scope, ids.iter().copied());
        let rows = rows.query(&self.db.reader.of(scope), &tail).await?;
        let counted = rows
            .iter()
            .map(|row| Ok((get(row, "id")?, Count::of(get(row, "total")?, true))));
        counted.collect()
    }
}
