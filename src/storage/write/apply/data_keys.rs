//! The keys that seal sensitive parameters.

use super::super::{super::sql, changes::Changes};
use sql::{Combined, Rows};

pub(super) fn data_keys(all: &mut Combined, decided: &mut Changes) {
    let made = Rows::set(decided.data_keys_in.drain(..));
    add(all, made, "DO NOTHING");
    let over = Rows::set(decided.data_keys_over.drain(..));
    let renewed = "DO UPDATE SET ring_key = excluded.ring_key, sealed = excluded.sealed";
    add(all, over, renewed);
}

fn add(all: &mut Combined, rows: Rows, otherwise: &str) {
    if rows.is_empty() {
        return;
    }
    let names = rows.names();
    let tail = format!(
        "INSERT INTO data_key ({names}) SELECT {names} FROM x WHERE true ON CONFLICT (id) {otherwise}"
    );
    all.add(rows, tail);
}
