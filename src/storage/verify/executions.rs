//! Executions against their streams.

use std::collections::HashMap;

use entity::{event, execution};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    super::Error,
    MAX_ORPHANS, PAGE, Report, View,
    artifacts::ToldArtifacts,
    log::Log,
    told::{Place, Retelling},
};
use crate::{
    model::{ArtifactId, Event, Execution, ExecutionId, StreamKind},
    storage::sql::{self, Rows, columns, get},
};

impl View<'_> {
    /// Goes through the executions and the log side by side, both in the order of the ids; what the log
    /// tells of artifacts.
    pub(super) async fn verify_executions(
        &self,
        report: &mut Report,
    ) -> Result<ToldArtifacts, Error> {
        let (mut log, mut told) = (Log::new(self), ToldArtifacts::default());
        let mut orphans = Vec::new();
        let mut after = Uuid::nil();
        loop {
            let page = self.executions_after(after).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let mut steps = self.step_counts(&page).await?;
            let places = self.places_in_trees(&page).await?;
            for (id, read) in page {
                pass_others(&mut log, id, &mut told, &mut orphans, report).await?;
                let execution = match read {
                    Ok(execution) => execution,
                    Err(error) => {
                        report.differ(ExecutionId(id), error.to_string());
                        // Its stream belongs to it nevertheless.
                        while let Some(entry) = log.next_of(id).await? {
                            hear(entry, &mut told, report);
                        }
                        continue;
                    }
                };
                report.executions += 1;
                let mut retelling = Retelling::new(&execution);
                while let Some(entry) = log.next_of(id).await? {
                    if let Some(event) = hear(entry, &mut told, report) {
                        retelling.hear(&event, report);
                    }
                }
                let steps = steps.remove(&id).unwrap_or_default();
                retelling.compare(steps, places.get(&id), report);
            }
        }
        pass_others(&mut log, Uuid::max(), &mut told, &mut orphans, report).await?;
        Ok(told)
    }

    async fn executions_after(
        &self,
        after: Uuid,
    ) -> Result<Vec<(Uuid, Result<Execution, Error>)>, Error> {
        let text = format!(
            "SELECT {} FROM execution e WHERE id > $1 ORDER BY id LIMIT $2",
            columns::<execution::Entity>("e")
        );
        let rows = sql::query(self.0, &text, [after.into(), PAGE.into()]).await?;
        rows.iter()
            .map(|row| {
                let model = execution::Model::from_query_result(row, "")?;
                Ok((model.id, Execution::try_from(model)))
            })
            .collect()
    }

    async fn step_counts<T>(&self, page: &[(Uuid, T)]) -> Result<HashMap<Uuid, u64>, Error> {
        let ids = Rows::column("id", page.iter().map(|(id, _)| *id));
        let join = sql::join(self.0);
        let tail = format!(
            "SELECT s.execution_id, COUNT(*) AS steps FROM x {join} step s \
                    ON s.execution_id = x.id GROUP BY s.execution_id"
        );
        let rows = ids.query(self.0, &tail).await?;
        rows.iter()
            .map(|row| {
                let steps = get::<i64>(row, "steps")?.unsigned_abs();
                Ok((get(row, "execution_id")?, steps))
            })
            .collect()
    }

    /// Where those that have a parent belong, by their parents' rows.
    async fn places_in_trees<T>(&self, page: &[(Uuid, T)]) -> Result<HashMap<Uuid, Place>, Error> {
        let ids = Rows::column("id", page.iter().map(|(id, _)| *id));
        let join = sql::join(self.0);
        let tail = format!(
            "SELECT x.id, p.id AS parent_id, p.root_id, p.depth FROM x \
             {join} execution e ON e.id = x.id {join} execution p ON p.id = e.parent_id"
        );
        let rows = ids.query(self.0, &tail).await?;
        rows.iter()
            .map(|row| {
                let root: Option<Uuid> = get(row, "root_id")?;
                let root = root.map_or_else(|| get(row, "parent_id"), Ok)?;
                let place = Place {
                    root_id: Some(ExecutionId(root)),
                    depth: get::<i64>(row, "depth")? + 1,
                };
                Ok((get(row, "id")?, place))
            })
            .collect()
    }
}

/// Passes the streams before `id` by: those of artifacts and sessions, and of executions that do not
/// exist.
async fn pass_others(
    log: &mut Log<'_>,
    id: Uuid,
    told: &mut ToldArtifacts,
    orphans: &mut Vec<Uuid>,
    report: &mut Report,
) -> Result<(), Error> {
    while let Some(entry) = log.next_before(id).await? {
        if entry.stream_kind == StreamKind::Session.code() {
            continue;
        }
        let (stream, is_execution) = (
            entry.stream_id,
            entry.stream_kind == StreamKind::Execution.code(),
        );
        hear(entry, told, report);
        if is_execution && orphans.last() != Some(&stream) && orphans.len() < MAX_ORPHANS {
            orphans.push(stream);
            let what = "the log has it, the state has not";
            report.differ(ExecutionId(stream), what);
        }
    }
    Ok(())
}

/// Reads an entry, and takes note of what it says of artifacts.
fn hear(entry: event::Model, told: &mut ToldArtifacts, report: &mut Report) -> Option<Event> {
    report.events += 1;
    let (stream, seq) = (entry.stream_id, entry.seq);
    let is_artifact = entry.stream_kind == StreamKind::Artifact.code();
    match Event::try_from(entry) {
        Ok(event) => {
            told.hear(&event.body);
            Some(event)
        }
        Err(error) => {
            let what = format!("event {seq}: {error}");
            if is_artifact {
                report.differ(ArtifactId(stream), what);
            } else {
                report.differ(ExecutionId(stream), what);
            }
            None
        }
    }
}
