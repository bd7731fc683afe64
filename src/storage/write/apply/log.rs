//! The log, and the steps that are told in it.

use super::{
    super::{
        super::{Error, sql},
        changes::Changes,
    },
    filled,
};
use crate::model::Event;
use sql::{Cell, Combined, Rows};

fn event_cells(event: &Event) -> Result<Vec<Cell>, Error> {
    let (event_type, data) = event
        .body
        .encode()
        .map_err(|e| Error::corrupt("event", e))?;
    Ok(vec![
        event.stream_id.into(),
        event.cursor.seq.into(),
        event.stream_kind.code().into(),
        event.tenant_id.as_str().into(),
        event.session_id.0.into(),
        event.intent_type.clone().into(),
        event_type.into(),
        data.into(),
        event
            .payload
            .as_ref()
            .map(|payload| payload.as_str().to_owned())
            .into(),
        event.cursor.tx.into(),
        event.cursor.ord.into(),
        event.occurred_at.into(),
        event.actor.as_deref().map(str::to_owned).into(),
    ])
}

pub(super) fn events(all: &mut Combined, decided: &mut Changes) -> Result<(), Error> {
    let mut rows = Rows::of(&[
        "stream_id",
        "seq",
        "stream_kind",
        "tenant_id",
        "session_id",
        "intent_type",
        "event_type",
        "data",
        "payload",
        "tx",
        "ord",
        "occurred_at",
        "actor",
    ]);
    for event in &decided.events {
        rows.push(event_cells(event)?);
    }
    all.insert(rows, "event");
    let columns = &[
        "execution_id",
        "name",
        "epoch",
        "attempt",
        "result",
        "started_at",
        "finished_at",
    ];
    let steps = std::mem::take(&mut decided.steps);
    all.insert(filled(columns, steps), "step");
    Ok(())
}
