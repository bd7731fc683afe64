//! Counts of an execution's attempts by what ended them, and the places in their trees of
//! executions that were accepted before trees were known.

use sea_orm::DbBackend;

/// Parents come before their children. A child that is in its tree already stays as it is.
const PLACES: &str = "WITH RECURSIVE tree(id, root_id, depth) AS ( \
     SELECT c.id, p.id, 1 FROM execution c JOIN execution p ON p.id = c.parent_id \
     WHERE p.parent_id IS NULL AND c.parent_id IS NOT NULL \
     UNION ALL SELECT c.id, t.root_id, t.depth + 1 FROM tree t JOIN execution c \
     ON c.parent_id = t.id AND c.parent_id IS NOT NULL) \
     UPDATE execution SET root_id = tree.root_id, depth = tree.depth FROM tree \
     WHERE execution.id = tree.id \
     AND (execution.root_id IS NULL OR execution.depth <> tree.depth)";

/// Interruptions in a row and repetitions of an execution; roots and depths of old children.
pub(crate) fn statements(_backend: DbBackend) -> Vec<String> {
    [
        "ALTER TABLE execution ADD COLUMN interruptions bigint NOT NULL DEFAULT 0",
        "ALTER TABLE execution ADD COLUMN repetitions bigint NOT NULL DEFAULT 0",
        PLACES,
    ]
    .map(str::to_owned)
    .to_vec()
}
