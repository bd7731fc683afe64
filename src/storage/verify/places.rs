//! Where executions stand.

use uuid::Uuid;

use super::{super::Error, PAGE, Report, View};
use crate::{
    model::ExecutionId,
    storage::{
        places::{self, LIVE, PlaceState},
        sql::{self, get},
    },
};

impl View<'_> {
    /// A live execution stands in a queue, has a timer or is held; an ended one is not held.
    pub(super) async fn verify_places(&self, report: &mut Report) -> Result<(), Error> {
        let places = format!(
            "SELECT e.id, {} AS places FROM execution e WHERE e.{LIVE} AND e.id > $1 \
             ORDER BY e.id LIMIT $2",
            places::places()
        );
        self.each(&places, |id, places| {
            if places != 1 {
                let what = format!("it is live and stands in {places} places instead of one");
                report.differ(id, what);
            }
        })
        .await?;
        let held = format!(
            "SELECT l.execution_id AS id, (SELECT COUNT(*) FROM execution e \
             WHERE e.id = l.execution_id AND NOT e.{LIVE}) AS places \
             FROM lease l WHERE l.execution_id > $1 ORDER BY l.execution_id LIMIT $2"
        );
        self.each(&held, |id, ended| {
            if ended != 0 {
                report.differ(id, "it has ended and is held by a node");
            }
        })
        .await?;
        let limited = format!(
            "SELECT p.execution_id AS id, (SELECT COUNT(*) FROM execution e \
             WHERE e.id = p.execution_id AND NOT e.{LIVE}) AS places \
             FROM limit_place p WHERE p.execution_id > $1 ORDER BY p.execution_id LIMIT $2"
        );
        self.each(&limited, |id, ended| {
            if ended != 0 {
                report.differ(id, "it has ended and has a place under a limit");
            }
        })
        .await?;
        let waiting = format!(
            "SELECT p.execution_id AS id, p.most - (SELECT COUNT(*) FROM limit_place h \
             WHERE h.bucket = p.bucket AND h.state = {}) AS places FROM limit_place p \
             WHERE p.state = {} AND p.execution_id > $1 ORDER BY p.execution_id LIMIT $2",
            PlaceState::Held.code(),
            PlaceState::Waiting.code()
        );
        self.each(&waiting, |id, free| {
            if free > 0 {
                report.differ(id, "it waits for a place under a limit that has room");
            }
        })
        .await
    }

    /// Looks at all rows that a statement finds after an id, a page at a time.
    async fn each(&self, text: &str, mut look: impl FnMut(ExecutionId, i64)) -> Result<(), Error> {
        let mut after = Uuid::nil();
        loop {
            let rows = sql::query(self.0, text, [after.into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = get(last, "id")?;
            for row in &rows {
                look(ExecutionId(get(row, "id")?), get(row, "places")?);
            }
        }
    }
}
