//! Executions that have ended, and the trees below them.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    super::{Error, Storage, sql, write::RemoveExecutions},
    Sealer,
};
use crate::model::{ExecutionId, ExecutionStatus, Micros, TenantId};
use sql::{Rows, get};

/// An execution without a parent that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRoot {
    /// Its id.
    pub id: ExecutionId,
    /// The type of its intent.
    pub intent_type: String,
    /// When it was accepted.
    pub created_at: Micros,
    /// When it ended.
    pub finished_at: Micros,
}

/// An execution of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeMember {
    /// Its id.
    pub id: ExecutionId,
    /// The key by which its parent submitted it; none of the root.
    pub child_key: Option<String>,
}

/// A tree of executions, or the part of it that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its executions, the deepest first. Those above are left out where not all below them were looked at.
    pub members: Vec<TreeMember>,
    /// When the last one ended; none while one of them has not.
    pub ended_at: Option<Micros>,
    /// False if some of it was not looked at.
    pub is_whole: bool,
}

impl Tree {
    fn empty() -> Self {
        Self {
            members: Vec::new(),
            ended_at: None,
            is_whole: true,
        }
    }
}

/// The most executions of one level of all trees together that are looked at.
const MOST_OF_A_LEVEL: usize = 20_000;

struct Below {
    root: usize,
    member: TreeMember,
    finished_at: Option<Micros>,
}

impl Storage {
    /// Up to `limit` executions of the tenant without a parent that have ended in this way and were accepted before a
    /// time, in the order in which they were accepted, after one of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_ended_roots(
        &self,
        tenant: &TenantId,
        status: ExecutionStatus,
        created_before: Micros,
        after: Option<(Micros, ExecutionId)>,
        limit: u32,
    ) -> Result<Vec<EndedRoot>, Error> {
        // By the index of lists: those of a kind in the order of their times.
        let text = format!(
            "SELECT e.id, e.intent_type, e.created_at, e.finished_at FROM execution e \
             WHERE e.listed_as = $1 AND e.tenant_id = $2 AND (e.created_at, e.id) > ($3, $4) \
             AND e.created_at < $5 ORDER BY e.created_at, e.id LIMIT {limit}"
        );
        let (time, id) = after.map_or((i64::MIN, Uuid::nil()), |(time, id)| (time, id.0));
        let values = [
            (2 * status.code() + 1).into(),
            tenant.as_str().into(),
            time.into(),
            id.into(),
            created_before.into(),
        ];
        let rows = sql::query(&self.db.reader, &text, values).await?;
        rows.iter()
            .map(|row| {
                Ok(EndedRoot {
                    id: ExecutionId(get(row, "id")?),
                    intent_type: get(row, "intent_type")?,
                    created_at: get(row, "created_at")?,
                    finished_at: get(row, "finished_at")?,
                })
            })
            .collect()
    }

    /// The trees of executions without a parent that have ended, in the order of these.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_trees(
        &self,
        tenant: &TenantId,
        roots: &[EndedRoot],
    ) -> Result<Vec<Tree>, Error> {
        let mut level: Vec<Below> = roots
            .iter()
            .enumerate()
            .map(|(root, ended)| Below {
                root,
                member: TreeMember {
                    id: ended.id,
                    child_key: None,
                },
                finished_at: Some(ended.finished_at),
            })
            .collect();
        let mut trees: Vec<Tree> = roots.iter().map(|_| Tree::empty()).collect();
        let mut ends: Vec<Option<Micros>> = vec![Some(Micros::MIN); roots.len()];
        while !level.is_empty() {
            let (next, is_whole) = self.below(tenant, &level).await?;
            for below in level {
                let (tree, end) = (&mut trees[below.root], &mut ends[below.root]);
                *end = Some(end.zip(below.finished_at))
                    .flatten()
                    .map(|(a, b)| a.max(b));
                tree.members.push(below.member);
            }
            if !is_whole {
                // Some below them are not known.
                for tree in &mut trees {
                    tree.members.clear();
                    tree.is_whole = false;
                }
            }
            level = next;
        }
        for (tree, end) in trees.iter_mut().zip(ends) {
            tree.members.reverse();
            tree.ended_at = end;
        }
        Ok(trees)
    }

    /// The children of these, and whether all of them are there.
    async fn below(&self, tenant: &TenantId, level: &[Below]) -> Result<(Vec<Below>, bool), Error> {
        let of: HashMap<Uuid, usize> = level
            .iter()
            .map(|above| (above.member.id.0, above.root))
            .collect();
        let mut parents = Rows::of(&["id", "tenant_id"]);
        for above in level {
            parents.push(vec![above.member.id.0.into(), tenant.as_str().into()]);
        }
        let tail = format!(
            "SELECT e.id, e.parent_id, e.child_key, e.finished_at FROM x {} execution e \
             ON e.parent_id = x.id AND e.tenant_id || '' = x.tenant_id LIMIT {}",
            sql::join(&self.db.reader),
            MOST_OF_A_LEVEL + 1
        );
        let rows = parents.query(&self.db.reader, &tail).await?;
        let is_whole = rows.len() <= MOST_OF_A_LEVEL;
        let below = rows.iter().take(MOST_OF_A_LEVEL).map(|row| {
            let parent: Uuid = get(row, "parent_id")?;
            let child_key: Option<String> = get(row, "child_key")?;
            let parent_id = ExecutionId(parent);
            Ok(Below {
                root: of.get(&parent).copied().unwrap_or_default(),
                member: TreeMember {
                    id: ExecutionId(get(row, "id")?),
                    child_key: child_key.map(|name| format!("{parent_id}/{name}")),
                },
                finished_at: get(row, "finished_at")?,
            })
        });
        Ok((below.collect::<Result<_, Error>>()?, is_whole))
    }

    /// Removes executions that have ended, and all that is theirs but their artifacts; how many. None if another node
    /// has removed one of them meanwhile.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn remove_executions(
        &self,
        tenant: &TenantId,
        members: Vec<TreeMember>,
        seal: Option<Sealer<'_>>,
    ) -> Result<usize, Error> {
        let streams: Vec<Uuid> = members.iter().map(|member| member.id.0).collect();
        let log = self.entries_to_remove(tenant, &streams, seal).await?;
        let retold = self
            .artifacts_to_retell(tenant, &streams, &log.changed)
            .await?;
        let remove = RemoveExecutions {
            tenant: tenant.clone(),
            executions: streams,
            child_keys: members
                .into_iter()
                .filter_map(|member| member.child_key)
                .collect(),
            log: log.removed,
            retold,
        };
        self.writer.run(remove).await
    }
}
