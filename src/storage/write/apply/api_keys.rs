//! Keys of the API.

use entity::api_key;

use super::super::{super::sql, working::Working};
use sql::{Combined, Rows};

pub(super) fn api_keys(all: &mut Combined, working: &Working) {
    let made = working.api_keys.made();
    let made = made.map(|(_, row)| api_key::Model::from(row.clone()));
    all.insert(Rows::set(made), "api_key");
    let mut changed = Rows::of(&["id", "last_used_at", "revoked_at", "last_hash"]);
    for (id, row) in working.api_keys.changed() {
        let key = &row.key;
        changed.push(vec![
            id.0.into(),
            key.last_used_at.into(),
            key.revoked_at.into(),
            row.last_hash.map(|hash| hash.0.to_vec()).into(),
        ]);
    }
    super::update(all, changed, "api_key", 1);
}
