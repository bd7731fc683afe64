//! The log, and the steps that are told in it.

use super::super::{
    super::{Error, convert::EventRow, sql},
    changes::Changes,
};
use sql::{Combined, Rows};

pub(super) fn events(all: &mut Combined, decided: &mut Changes) -> Result<(), Error> {
    let events: Result<Vec<EventRow<'_>>, Error> =
        decided.events.iter().map(EventRow::of).collect();
    all.insert(Rows::whole(&events?), "event");
    let steps = std::mem::take(&mut decided.steps);
    all.insert(Rows::set(steps), "step");
    Ok(())
}
