//! The log against the state: executions and artifacts are rebuilt from the log alone and compared
//! with their rows. Whatever differs is reported; nothing is changed.

use std::{collections::HashMap, fmt};

use entity::{artifact, event, execution};
use sea_orm::{DatabaseTransaction, FromQueryResult};
use uuid::Uuid;

use super::{Error, Storage, sql};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, Event, EventBody, Execution, ExecutionId, ExecutionStatus,
    StreamKind,
};
use sql::{Rows, columns, get};

/// Executions and artifacts read at once.
const PAGE: i64 = 500;

/// A place where log and state do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The execution or artifact.
    pub subject: String,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// What was compared, and what differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many executions.
    pub executions: u64,
    /// How many artifacts.
    pub artifacts: u64,
    /// How many entries of the log.
    pub events: u64,
    /// Empty when log and state agree.
    pub differences: Vec<Difference>,
}

impl Report {
    fn differ(&mut self, subject: impl fmt::Display, what: impl Into<String>) {
        self.differences.push(Difference {
            subject: subject.to_string(),
            what: what.into(),
        });
    }
}

/// An execution as the log tells it.
#[derive(Debug)]
struct Told {
    status: ExecutionStatus,
    attempt: i64,
    lost_attempts: i64,
    last_seq: i64,
    last_tx: i64,
    cancel_requested_at: Option<i64>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    result: Option<String>,
    error: Option<String>,
    steps: u64,
}

/// An artifact as the log tells it.
#[derive(Debug)]
struct ToldArtifact {
    record: Artifact,
    parents: Vec<ArtifactId>,
    forms: usize,
    changes: Vec<(i64, ArtifactState, ArtifactState)>,
}

impl Storage {
    /// Compares log and state of all tenants, as they are at one moment.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read at all.
    pub async fn verify(&self) -> Result<Report, Error> {
        let snapshot = self.db.reader.whole.snapshot().await?;
        let mut report = Report::default();
        let view = View(&snapshot);
        view.verify_executions(&mut report).await?;
        view.verify_orphans(&mut report).await?;
        view.verify_artifacts(&mut report).await?;
        view.verify_places(&mut report).await?;
        Ok(report)
    }
}

/// The database at one moment.
struct View<'a>(&'a DatabaseTransaction);

impl View<'_> {
    async fn verify_executions(&self, report: &mut Report) -> Result<(), Error> {
        let mut after = Uuid::nil();
        loop {
            let text = format!(
                "SELECT {} FROM execution e WHERE id > $1 ORDER BY id LIMIT $2",
                columns::<execution::Entity>("e")
            );
            let rows = sql::query(self.0, &text, [after.into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = get(last, "id")?;
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                let model = execution::Model::from_query_result(row, "")?;
                let id = ExecutionId(model.id);
                match Execution::try_from(model) {
                    Ok(execution) => page.push(execution),
                    Err(error) => report.differ(id, error.to_string()),
                }
            }
            let mut streams = self.streams(&page, report).await?;
            let mut steps = self.step_counts(&page).await?;
            for execution in page {
                report.executions += 1;
                let events = streams.remove(&execution.id.0).unwrap_or_default();
                let steps = steps.remove(&execution.id.0).unwrap_or_default();
                compare_execution(&execution, &events, steps, report);
            }
        }
    }

    async fn streams(
        &self,
        page: &[Execution],
        report: &mut Report,
    ) -> Result<HashMap<Uuid, Vec<Event>>, Error> {
        let ids = Rows::column(&["id"], page.iter().map(|execution| execution.id.0));
        let tail = format!(
            "SELECT {} FROM x JOIN event e ON e.stream_id = x.id ORDER BY e.stream_id, e.seq",
            columns::<event::Entity>("e")
        );
        let mut streams: HashMap<Uuid, Vec<Event>> = HashMap::new();
        for row in ids.query(self.0, &tail).await? {
            report.events += 1;
            let model = event::Model::from_query_result(&row, "")?;
            let (id, seq) = (model.stream_id, model.seq);
            match Event::try_from(model) {
                Ok(event) => streams.entry(id).or_default().push(event),
                Err(error) => report.differ(ExecutionId(id), format!("event {seq}: {error}")),
            }
        }
        Ok(streams)
    }

    async fn step_counts(&self, page: &[Execution]) -> Result<HashMap<Uuid, u64>, Error> {
        let ids = Rows::column(&["id"], page.iter().map(|execution| execution.id.0));
        let tail = "SELECT s.execution_id, COUNT(*) AS steps FROM x JOIN step s \
                    ON s.execution_id = x.id GROUP BY s.execution_id";
        let rows = ids.query(self.0, tail).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    get(row, "execution_id")?,
                    get::<i64>(row, "steps")?.unsigned_abs(),
                ))
            })
            .collect()
    }

    /// Streams of executions that do not exist.
    async fn verify_orphans(&self, report: &mut Report) -> Result<(), Error> {
        let text = "SELECT DISTINCT e.stream_id FROM event e \
                    LEFT JOIN execution x ON x.id = e.stream_id \
                    WHERE e.stream_kind = 0 AND e.seq = 1 AND x.id IS NULL LIMIT 1000";
        for row in sql::query(self.0, text, []).await? {
            report.differ(
                ExecutionId(get(&row, "stream_id")?),
                "the log has it, the state has not",
            );
        }
        Ok(())
    }

    /// A live execution stands in a queue, has a timer or is held; an ended one does not.
    async fn verify_places(&self, report: &mut Report) -> Result<(), Error> {
        let text = "SELECT e.id, e.status, \
             (SELECT COUNT(*) FROM ready r WHERE r.execution_id = e.id) \
             + (SELECT COUNT(*) FROM lease l WHERE l.execution_id = e.id) \
             + (SELECT COUNT(*) FROM timer t WHERE t.execution_id = e.id AND t.kind IN (0, 1)) \
             AS places FROM execution e WHERE e.status IN (0, 1)";
        for row in sql::query(self.0, text, []).await? {
            let places: i64 = get(&row, "places")?;
            if places != 1 {
                let id = ExecutionId(get(&row, "id")?);
                report.differ(
                    id,
                    format!("it is live and stands in {places} places instead of one"),
                );
            }
        }
        let text = "SELECT l.execution_id FROM lease l JOIN execution e ON e.id = l.execution_id \
                    WHERE e.status NOT IN (0, 1)";
        for row in sql::query(self.0, text, []).await? {
            let id = ExecutionId(get(&row, "execution_id")?);
            report.differ(id, "it has ended and is held by a node");
        }
        Ok(())
    }

    async fn verify_artifacts(&self, report: &mut Report) -> Result<(), Error> {
        let mut told = self.told_artifacts(report).await?;
        let mut after = 0_i64;
        loop {
            let text = format!(
                "SELECT {} FROM artifact a WHERE key > $1 ORDER BY key LIMIT $2",
                columns::<artifact::Entity>("a")
            );
            let rows = sql::query(self.0, &text, [after.into(), PAGE.into()]).await?;
            let Some(last) = rows.last() else { break };
            after = get(last, "key")?;
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                let model = artifact::Model::from_query_result(row, "")?;
                let id = ArtifactId(model.id);
                match Artifact::try_from(model) {
                    Ok(artifact) => page.push(artifact),
                    Err(error) => report.differ(id, error.to_string()),
                }
            }
            let ids: Vec<ArtifactId> = page.iter().map(|artifact| artifact.id).collect();
            let mut parents = self.all_parents(&ids).await?;
            let mut forms = self.form_counts(&ids).await?;
            for artifact in page {
                report.artifacts += 1;
                let parents = parents.remove(&artifact.id.0).unwrap_or_default();
                let forms = forms.remove(&artifact.id.0).unwrap_or_default();
                match told.remove(&artifact.id) {
                    Some(told) => compare_artifact(&artifact, &told, &parents, forms, report),
                    None => report.differ(artifact.id, "the state has it, the log has not"),
                }
            }
        }
        for id in told.into_keys() {
            report.differ(id, "the log has it, the state has not");
        }
        Ok(())
    }

    async fn told_artifacts(
        &self,
        report: &mut Report,
    ) -> Result<HashMap<ArtifactId, ToldArtifact>, Error> {
        let mut told: HashMap<ArtifactId, ToldArtifact> = HashMap::new();
        let mut changes: Vec<(ArtifactId, (i64, ArtifactState, ArtifactState))> = Vec::new();
        let mut after = (Uuid::nil(), 0_i64);
        loop {
            let text = format!(
                "SELECT {} FROM event e WHERE (stream_id, seq) > ($1, $2) AND event_type IN \
                 ('artifact.registered', 'artifact.transitioned') \
                 ORDER BY stream_id, seq LIMIT $3",
                columns::<event::Entity>("e")
            );
            let values = [after.0.into(), after.1.into(), PAGE.into()];
            let rows = sql::query(self.0, &text, values).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let model = event::Model::from_query_result(row, "")?;
                after = (model.stream_id, model.seq);
                let is_own = model.stream_kind == StreamKind::Artifact.code();
                report.events += u64::from(is_own);
                match Event::try_from(model).map(|event| event.body) {
                    Ok(EventBody::ArtifactRegistered {
                        artifact,
                        parents,
                        materializations,
                        ..
                    }) => {
                        let forms = materializations.len();
                        let id = artifact.id;
                        let fresh = ToldArtifact {
                            record: artifact,
                            parents,
                            forms,
                            changes: vec![],
                        };
                        told.insert(id, fresh);
                    }
                    Ok(EventBody::ArtifactTransitioned {
                        artifact_id,
                        from,
                        to,
                        version,
                        ..
                    }) => {
                        changes.push((artifact_id, (version, from, to)));
                    }
                    // An unreadable entry of an execution's stream was reported with the execution.
                    Err(error) if is_own => report.differ(ArtifactId(after.0), error.to_string()),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        for (id, change) in changes {
            match told.get_mut(&id) {
                Some(told) => told.changes.push(change),
                None => report.differ(id, "the log changes it without having registered it"),
            }
        }
        Ok(told)
    }

    async fn all_parents(
        &self,
        ids: &[ArtifactId],
    ) -> Result<HashMap<Uuid, Vec<ArtifactId>>, Error> {
        let rows = Rows::column(&["id"], ids.iter().map(|id| id.0));
        let tail = "SELECT a.id AS child_id, p.id AS parent_id FROM x JOIN artifact a ON a.id = x.id \
             JOIN artifact_edge e ON e.child = a.key JOIN artifact p ON p.key = e.parent";
        let mut parents: HashMap<Uuid, Vec<ArtifactId>> = HashMap::new();
        for row in rows.query(self.0, tail).await? {
            let parent = ArtifactId(get(&row, "parent_id")?);
            parents
                .entry(get(&row, "child_id")?)
                .or_default()
                .push(parent);
        }
        Ok(parents)
    }

    async fn form_counts(&self, ids: &[ArtifactId]) -> Result<HashMap<Uuid, usize>, Error> {
        let rows = Rows::column(&["id"], ids.iter().map(|id| id.0));
        let tail = "SELECT m.artifact_id, COUNT(*) AS forms FROM x JOIN materialization m \
                    ON m.artifact_id = x.id GROUP BY m.artifact_id";
        let rows = rows.query(self.0, tail).await?;
        rows.iter()
            .map(|row| {
                let forms = usize::try_from(get::<i64>(row, "forms")?).unwrap_or(0);
                Ok((get(row, "artifact_id")?, forms))
            })
            .collect()
    }
}

/// Says that `field` differs, when it does.
fn field<T: PartialEq + fmt::Debug>(
    report: &mut Report,
    subject: impl fmt::Display,
    name: &str,
    told: &T,
    stored: &T,
) {
    if told != stored {
        report.differ(
            subject,
            format!("{name} is {stored:?} and was {told:?} by the log"),
        );
    }
}

fn compare_execution(execution: &Execution, events: &[Event], steps: u64, report: &mut Report) {
    let id = execution.id;
    let Some(told) = retell(execution, events, report) else {
        return;
    };
    field(report, id, "status", &told.status, &execution.status);
    field(report, id, "attempt", &told.attempt, &execution.attempt);
    field(
        report,
        id,
        "next_seq",
        &(told.last_seq + 1),
        &execution.next_seq,
    );
    field(report, id, "last_tx", &told.last_tx, &execution.last_tx);
    field(
        report,
        id,
        "cancel_requested_at",
        &told.cancel_requested_at,
        &execution.cancel_requested_at,
    );
    field(
        report,
        id,
        "started_at",
        &told.started_at,
        &execution.started_at,
    );
    field(
        report,
        id,
        "finished_at",
        &told.finished_at,
        &execution.finished_at,
    );
    let result = execution
        .result
        .as_ref()
        .map(|result| result.as_str().to_owned());
    field(report, id, "result", &told.result, &result);
    let error = execution
        .error
        .as_ref()
        .and_then(|error| serde_json::to_string(error).ok());
    // The error of a lost attempt is told and not kept in the row.
    if told.lost_attempts == 0 || execution.status == ExecutionStatus::Failed {
        field(report, id, "error", &told.error, &error);
    }
    field(report, id, "number of steps", &told.steps, &steps);
}

/// The execution by its stream alone. The first entry is compared at once.
fn retell(execution: &Execution, events: &[Event], report: &mut Report) -> Option<Told> {
    let id = execution.id;
    let Some(first) = events.first() else {
        report.differ(id, "the state has it, the log has not");
        return None;
    };
    compare_beginning(execution, first, report);
    let mut told = Told {
        status: ExecutionStatus::Created,
        attempt: 0,
        lost_attempts: 0,
        last_seq: 0,
        last_tx: 0,
        cancel_requested_at: None,
        started_at: None,
        finished_at: None,
        result: None,
        error: None,
        steps: 0,
    };
    for event in events {
        if event.cursor.seq != told.last_seq + 1 {
            report.differ(id, format!("its stream lacks event {}", told.last_seq + 1));
        }
        if event.cursor.tx < told.last_tx {
            report.differ(
                id,
                format!("event {} is out of order in the feeds", event.cursor.seq),
            );
        }
        if told.status.is_terminal() {
            report.differ(
                id,
                format!(
                    "its stream goes on after the end with {}",
                    event.body.type_name()
                ),
            );
        }
        told.last_seq = event.cursor.seq;
        told.last_tx = event.cursor.tx;
        told.take(event);
    }
    Some(told)
}

impl Told {
    fn take(&mut self, event: &Event) {
        let error_text = |error| serde_json::to_string(error).ok();
        match &event.body {
            EventBody::ExecutionStarted { attempt, .. } => {
                self.status = ExecutionStatus::Running;
                self.attempt = *attempt;
                self.started_at.get_or_insert(event.occurred_at);
            }
            EventBody::ExecutionRetrying { error, lost, .. } => {
                self.lost_attempts += i64::from(*lost);
                if !lost {
                    self.error = error_text(error);
                }
            }
            EventBody::CancelRequested { .. } => self.cancel_requested_at = Some(event.occurred_at),
            EventBody::StepCompleted { .. } => self.steps += 1,
            EventBody::ExecutionCompleted {} => {
                self.end(ExecutionStatus::Completed, event);
                self.result = event
                    .payload
                    .as_ref()
                    .map(|result| result.as_str().to_owned());
                self.error = None;
            }
            EventBody::ExecutionFailed { error } => {
                self.end(ExecutionStatus::Failed, event);
                self.error = error_text(error);
            }
            EventBody::ExecutionCancelled { .. } => self.end(ExecutionStatus::Cancelled, event),
            _ => {}
        }
    }

    fn end(&mut self, status: ExecutionStatus, event: &Event) {
        self.status = status;
        self.finished_at = Some(event.occurred_at);
    }
}

fn compare_beginning(execution: &Execution, first: &Event, report: &mut Report) {
    let id = execution.id;
    let EventBody::ExecutionCreated {
        intent_id,
        intent_type,
        session_id,
        solution_id,
        metadata,
        idempotency_key,
        intent_created_at,
        handler_name,
        priority,
        run_at,
        deadline_at,
        parent_id,
        child_key,
        rerun_of,
    } = &first.body
    else {
        report.differ(id, "its stream does not begin with its creation");
        return;
    };
    let intent = &execution.intent;
    let parameters = first
        .payload
        .as_ref()
        .map(|payload| payload.as_str().to_owned());
    field(
        report,
        id,
        "parameters",
        &parameters,
        &Some(intent.parameters.as_str().to_owned()),
    );
    field(report, id, "tenant_id", &first.tenant_id, &intent.tenant_id);
    field(report, id, "intent_id", intent_id, &intent.id);
    field(report, id, "intent_type", intent_type, &intent.intent_type);
    field(report, id, "session_id", session_id, &intent.session_id);
    field(report, id, "solution_id", solution_id, &intent.solution_id);
    field(report, id, "metadata", metadata, &intent.metadata);
    field(
        report,
        id,
        "idempotency_key",
        idempotency_key,
        &intent.idempotency_key,
    );
    field(
        report,
        id,
        "intent_created_at",
        intent_created_at,
        &intent.created_at,
    );
    field(
        report,
        id,
        "handler_name",
        handler_name,
        &execution.handler_name,
    );
    field(report, id, "priority", priority, &execution.priority);
    field(report, id, "run_at", run_at, &execution.run_at);
    field(
        report,
        id,
        "deadline_at",
        deadline_at,
        &execution.deadline_at,
    );
    field(report, id, "parent_id", parent_id, &execution.parent_id);
    field(report, id, "child_key", child_key, &execution.child_key);
    field(report, id, "rerun_of", rerun_of, &execution.rerun_of);
    field(
        report,
        id,
        "created_at",
        &first.occurred_at,
        &execution.created_at,
    );
}

fn compare_artifact(
    artifact: &Artifact,
    told: &ToldArtifact,
    parents: &[ArtifactId],
    forms: usize,
    report: &mut Report,
) {
    let id = artifact.id;
    let mut changes = told.changes.clone();
    changes.sort_unstable_by_key(|(version, _, _)| *version);
    let (mut state, mut version) = (told.record.state, told.record.version);
    for (next, from, to) in changes {
        if next != version + 1 || from != state || !from.can_become(to) {
            report.differ(id, format!("its history breaks at version {next}"));
        }
        (state, version) = (to, next);
    }
    field(report, id, "state", &state, &artifact.state);
    field(report, id, "version", &version, &artifact.version);
    // What may change after registration is compared above; the rest is fixed.
    let mut fixed = artifact.clone();
    fixed.state = told.record.state;
    fixed.version = told.record.version;
    fixed.next_seq = told.record.next_seq;
    fixed.updated_at = told.record.updated_at;
    if fixed != told.record {
        report.differ(id, "its record is not the one that was registered");
    }
    let (mut told_parents, mut stored) = (told.parents.clone(), parents.to_vec());
    told_parents.sort_unstable();
    told_parents.dedup();
    stored.sort_unstable();
    field(report, id, "parents", &told_parents, &stored);
    field(report, id, "number of stored forms", &told.forms, &forms);
}
