//! Sessions of browsers that were ended.

use super::super::{super::sql, changes::Changes};
use sql::{Combined, Rows};

pub(super) fn browser_logouts(all: &mut Combined, decided: &mut Changes) {
    if decided.logouts_in.is_empty() && decided.logouts_out.is_empty() {
        return;
    }
    let made = Rows::set(std::mem::take(&mut decided.logouts_in).into_values());
    let names = made.names();
    let tail = format!(
        "INSERT INTO browser_logout ({names}) SELECT {names} FROM x WHERE true ON CONFLICT (id) DO NOTHING"
    );
    all.add(made, tail);
    let gone = Rows::column("id", std::mem::take(&mut decided.logouts_out));
    let tail = "DELETE FROM browser_logout WHERE id IN (SELECT id FROM x)";
    all.add(gone, tail);
}
