//! What a bulk operation changes: the filter as it is stored, and the walk over what fits.

use std::str::FromStr;

use serde_json::Value;

use super::super::engine::Engine;
use crate::{
    artifact_registry::ArtifactFilter,
    executions::ExecutionFilter,
    model::{
        ArtifactState, BulkOperation, Execution, ExecutionStatus, Micros, OperationKind, RawJson,
        Refusal, TenantScope,
    },
    storage::{self, Count, ListPlace},
};

/// The things that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Executions.
    Executions(ExecutionFilter),
    /// Artifacts; with an intent type, those that it takes as input.
    Artifacts(ArtifactFilter, Option<String>),
}

/// The next part of the list of what fits.
pub(in crate::runtime) struct Part {
    /// The ids of the things.
    pub(in crate::runtime) ids: Vec<String>,
    /// The place up to which it goes; none where nothing was looked at.
    pub(in crate::runtime) end: Option<String>,
    /// False if nothing is behind it.
    pub(in crate::runtime) has_next: bool,
}

/// The states that a filter asks for, of those in which the change can be made.
fn among<S: Copy + PartialEq>(
    asked: &mut Vec<S>,
    possible: &[S],
    unless_asked: &[S],
    (field, message): (&str, &str),
) -> Result<(), Refusal> {
    if asked.is_empty() {
        asked.extend_from_slice(unless_asked);
        return Ok(());
    }
    asked.retain(|state| possible.contains(state));
    if asked.is_empty() {
        return Err(Refusal::invalid(["filter", field], message));
    }
    Ok(())
}

impl Wanted {
    /// Returns whether everything is wanted.
    pub(super) fn is_everything(&self) -> bool {
        match self {
            Self::Executions(filter) => *filter == ExecutionFilter::default(),
            Self::Artifacts(filter, eligible_for) => {
                *filter == ArtifactFilter::default() && eligible_for.is_none()
            }
        }
    }

    /// The same, of what the change can be made with, oldest first.
    pub(super) fn fitted(mut self, kind: OperationKind, engine: &Engine) -> Result<Self, Refusal> {
        const ENDS: [ExecutionStatus; 3] = [
            ExecutionStatus::Completed,
            ExecutionStatus::Failed,
            ExecutionStatus::Cancelled,
        ];
        const LIVE: [ExecutionStatus; 2] = [ExecutionStatus::Created, ExecutionStatus::Running];
        match &mut self {
            Self::Executions(filter) => {
                filter.oldest_first = true;
                let (possible, unless_asked, message): (&[_], &[_], _) =
                    if kind == OperationKind::CancelExecutions {
                        (&LIVE, &LIVE, "only what is CREATED or RUNNING is cancelled")
                    } else {
                        let unless_asked = &ENDS[1..2];
                        (&ENDS, unless_asked, "only what has ended is run again")
                    };
                let field = ("status", message);
                among(&mut filter.statuses, possible, unless_asked, field)?;
            }
            Self::Artifacts(filter, eligible_for) => {
                filter.oldest_first = true;
                let ready = [ArtifactState::Ready];
                let field = ("lifecycleState", "only what is READY is archived");
                among(&mut filter.states, &ready, &ready, field)?;
                if let Some(intent_type) = eligible_for.take() {
                    let eligible = engine.artifacts.eligible(filter.clone(), &intent_type)?;
                    let message = "the intent type takes no artifacts of these types";
                    *filter = eligible
                        .ok_or_else(|| Refusal::invalid(["filter", "eligibleFor"], message))?;
                }
            }
        }
        Ok(self)
    }

    /// The filter as it is stored, without what it does not ask for.
    pub(super) fn to_json(&self) -> Result<RawJson, serde_json::Error> {
        let value = match self {
            Self::Executions(filter) => serde_json::to_value(filter),
            Self::Artifacts(filter, _) => serde_json::to_value(filter),
        };
        let mut value = value?;
        if let Value::Object(members) = &mut value {
            members.retain(|_, value| match value {
                Value::Null | Value::Bool(false) => false,
                Value::Array(items) => !items.is_empty(),
                _ => true,
            });
            // All walk in this order.
            members.remove("oldestFirst");
        }
        Ok(RawJson::from(&value))
    }

    /// The filter of an operation: of what was there when it began.
    pub(in crate::runtime) fn of(operation: &BulkOperation) -> Result<Self, serde_json::Error> {
        let text = operation.filter.as_str();
        let until = |before: Option<Micros>| {
            let begun = operation.created_at.saturating_add(1);
            Some(before.map_or(begun, |before| before.min(begun)))
        };
        Ok(match operation.kind {
            OperationKind::CancelExecutions | OperationKind::RerunExecutions => {
                let mut filter: ExecutionFilter = serde_json::from_str(text)?;
                filter.created_before = until(filter.created_before);
                filter.oldest_first = true;
                Self::Executions(filter)
            }
            OperationKind::ArchiveArtifacts => {
                let mut filter: ArtifactFilter = serde_json::from_str(text)?;
                filter.created_before = until(filter.created_before);
                filter.oldest_first = true;
                Self::Artifacts(filter, None)
            }
        })
    }

    /// The number of what fits and may be changed, as far as it is counted.
    pub(super) async fn count(
        &self,
        engine: &Engine,
        scope: &TenantScope,
        kind: OperationKind,
    ) -> Result<Count, storage::Error> {
        let action = kind.changes();
        match self {
            Self::Executions(filter) => engine.executions.count_for(scope, action, filter).await,
            Self::Artifacts(filter, _) => engine.artifacts.count_for(scope, action, filter).await,
        }
    }

    /// The part of the list behind a place, of at most so many things.
    pub(in crate::runtime) async fn part(
        &self,
        engine: &Engine,
        scope: &TenantScope,
        operation: &BulkOperation,
        limit: u32,
    ) -> Result<Part, storage::Error> {
        let action = operation.kind.changes();
        match self {
            Self::Executions(filter) => {
                let part = (place_of(operation)?, limit);
                let found = engine.executions.walk_for(scope, action, filter, part);
                let found = found.await?;
                let items = found.items.iter();
                let items = items.filter(|it| !is_made_by(operation, it));
                Ok(Part {
                    ids: items.map(|it| it.id.to_string()).collect(),
                    end: found.end.map(|place| place.to_string()),
                    has_next: found.has_next,
                })
            }
            Self::Artifacts(filter, _) => {
                let part = (place_of(operation)?, limit);
                let found = engine.artifacts.walk_for(scope, action, filter, part);
                let found = found.await?;
                Ok(Part {
                    ids: found.items.iter().map(|it| it.id.to_string()).collect(),
                    end: found.end.map(|place| place.to_string()),
                    has_next: found.has_next,
                })
            }
        }
    }
}

/// The place up to which the operation has come in its list.
fn place_of<K: FromStr>(operation: &BulkOperation) -> Result<Option<ListPlace<K>>, storage::Error> {
    let place = operation.position.as_deref();
    place.map(str::parse).transpose()
}

/// Returns whether an execution is a re-run that the operation itself has made. The clock of SQLite may not tell it
/// from what was there when the operation began.
fn is_made_by(operation: &BulkOperation, execution: &Execution) -> bool {
    let key = execution.intent.idempotency_key.as_deref();
    let of_operation = format!("{}/", operation.id);
    key.is_some_and(|key| key.starts_with(&of_operation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MetadataMember;
    use serde_json::json;

    #[test]
    fn a_filter_is_read_as_it_was_stored() {
        let metadata = [
            ("team", json!("a")),
            ("n", json!(1)),
            ("x", json!(0.5)),
            ("is", json!(true)),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
        let filter = ExecutionFilter {
            statuses: vec![ExecutionStatus::Failed],
            intent_types: vec!["echo".to_owned()],
            metadata: MetadataMember::all(metadata).unwrap(),
            created_after: Some(5),
            waiting_for: vec![crate::model::WaitReason::Limit],
            roots_only: true,
            ..ExecutionFilter::default()
        };
        let stored = Wanted::Executions(filter.clone()).to_json().unwrap();
        let members: Value = serde_json::from_str(stored.as_str()).unwrap();
        let expected = json!({"status": ["FAILED"], "intentType": ["echo"], "metadata": [
            {"key": "team", "value": "a"}, {"key": "n", "value": 1}, {"key": "x", "value": 0.5},
            {"key": "is", "value": true}], "createdAfter": 5, "waitingFor": ["LIMIT"], "rootsOnly": true});
        assert_eq!(members, expected);
        let read: ExecutionFilter = serde_json::from_str(stored.as_str()).unwrap();
        assert_eq!(read, filter);
    }

    #[test]
    fn what_the_change_cannot_be_made_with_is_not_wanted() {
        let field = ("status", "only these");
        let narrowed =
            |mut asked: Vec<i32>| among(&mut asked, &[1, 2, 3], &[2], field).map(|()| asked);
        assert_eq!(narrowed(vec![]), Ok(vec![2]));
        assert_eq!(narrowed(vec![0, 1, 3]), Ok(vec![1, 3]));
        assert!(narrowed(vec![0]).is_err());
    }
}
