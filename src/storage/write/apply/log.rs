//! The log, the steps that are told in it, and checkpoints of it.

use super::super::{
    super::{convert::EventRow, sql},
    changes::Changes,
};
use sql::{Combined, Rows};

pub(super) fn events(all: &mut Combined, entries: &[EventRow<'_>], decided: &mut Changes) {
    all.insert(Rows::whole(entries), "event");
    let steps = std::mem::take(&mut decided.steps);
    all.insert(Rows::set(steps), "step");
    let checkpoints = Rows::set(decided.checkpoints.drain(..));
    let names = checkpoints.names();
    // Of two nodes that make the same one the first one does.
    let tail = format!(
        "INSERT INTO checkpoint ({names}) SELECT {names} FROM x WHERE true \
         ON CONFLICT (tenant_id, number) DO NOTHING"
    );
    all.add(checkpoints, tail);
}
