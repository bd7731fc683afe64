//! Executions below those that are cancelled, and cancellations above those that are touched.

use std::collections::{BTreeSet, HashMap};

use sea_orm::QueryResult;

use super::{
    super::{
        super::{Error, db::Transaction, places::LIVE, sql},
        operation::Needs,
        rows::Mark,
        working::Working,
    },
    executions::lock_more,
    rows::{column, id_rows},
};
use crate::model::{Execution, ExecutionId};
use sql::get;

/// The executions below them that the cancellations of one transaction reach themselves; the others
/// are reached later. A transaction that takes long makes all others wait.
const AT_ONCE: usize = 256;

/// Finds the cancellations above those executions whose trees have any.
pub(super) async fn marks(db: &Transaction, working: &mut Working) -> Result<(), Error> {
    let suspects: Vec<ExecutionId> = std::mem::take(&mut working.in_marked_trees);
    let join = sql::join(db);
    let tail = format!(
        "SELECT s.id, s.reason, s.actor FROM (WITH RECURSIVE up(id, above) AS ( \
         SELECT x.id, e.parent_id FROM x {join} execution e ON e.id = x.id \
         WHERE e.parent_id IS NOT NULL \
         UNION ALL SELECT up.id, e.parent_id FROM up {join} execution e ON e.id = up.above \
         WHERE e.parent_id IS NOT NULL) \
         SELECT up.id, c.reason, c.actor FROM up {join} cancellation c \
         ON c.execution_id = up.above) s"
    );
    for row in id_rows(&suspects).query(db, &tail).await? {
        let mark = Mark {
            reason: get(&row, "reason")?,
            actor: get(&row, "actor")?,
        };
        working.marks.insert(ExecutionId(get(&row, "id")?), mark);
    }
    Ok(())
}

/// Finds the first executions below those that are to be cancelled, which are locked: no child of
/// theirs can be submitted any more. To wait for a lock now would be out of order, so those that
/// another transaction has locked are left for later.
pub(super) async fn families(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
    held: &mut Vec<ExecutionId>,
) -> Result<(), Error> {
    let mut targets: HashMap<ExecutionId, &Execution> = HashMap::new();
    for (id, scope) in &needs.cancel {
        let found = working.executions.see(id);
        let found = found.filter(|found| found.intent.tenant_id == *scope.tenant());
        // What has not begun has no children.
        if let Some(target) = found.filter(|found| found.attempt > 0) {
            targets.insert(*id, target);
        }
        held.push(*id);
    }
    let parents = parents_among(db, targets.keys().copied()).await?;
    let mut families = HashMap::new();
    let mut room = AT_ONCE;
    for &id in &parents {
        let Some(target) = targets.get(&id).filter(|_| room > 0) else {
            continue;
        };
        let family = first_live(db, target, room).await?;
        room -= family.len();
        families.insert(id, family);
    }
    working.parents = parents;
    let of_all = families.values().flatten().copied();
    let missing: BTreeSet<ExecutionId> = of_all.filter(|id| !working.executions.has(id)).collect();
    lock_more(db, &missing, working).await?;
    for (id, mut family) in families {
        family.retain(|id| working.executions.has(id));
        held.extend(&family);
        working.descendants.insert(id, family);
    }
    Ok(())
}

async fn parents_among(
    db: &Transaction,
    ids: impl Iterator<Item = ExecutionId>,
) -> Result<BTreeSet<ExecutionId>, Error> {
    let ids: BTreeSet<ExecutionId> = ids.collect();
    let ids: Vec<ExecutionId> = ids.into_iter().collect();
    let tail = "SELECT x.id FROM x WHERE EXISTS (SELECT 1 FROM execution c \
         WHERE c.parent_id = x.id AND c.parent_id IS NOT NULL)";
    let rows: Vec<QueryResult> = id_rows(&ids).query(db, tail).await?;
    let found: BTreeSet<uuid::Uuid> = column(&rows, "id")?;
    Ok(found.into_iter().map(ExecutionId).collect())
}

/// Live executions below one, parents before their children: from anywhere in the tree if it is the
/// root, and else its own children.
async fn first_live(
    db: &Transaction,
    target: &Execution,
    most: usize,
) -> Result<Vec<ExecutionId>, Error> {
    let text = match target.root_id {
        None => {
            format!(
                "SELECT id FROM execution WHERE root_id = $1 AND root_id IS NOT NULL \
             AND {LIVE} ORDER BY depth, id LIMIT $2"
            )
        }
        Some(_) => {
            format!(
                "SELECT id FROM execution WHERE parent_id = $1 AND parent_id IS NOT NULL \
             AND {LIVE} ORDER BY id LIMIT $2"
            )
        }
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = sql::query(db, &text, [target.id.0.into(), most.into()]).await?;
    rows.iter()
        .map(|row| Ok(ExecutionId(get(row, "id")?)))
        .collect()
}
