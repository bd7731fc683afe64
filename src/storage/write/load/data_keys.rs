//! The keys that seal sensitive parameters, locked.

use super::{
    super::{
        super::{DataKey, Error, db::Transaction, sql},
        operation::Needs,
        working::Working,
    },
    rows::lock_clause,
};

/// Of two that lock them at once the second one finds what the first one wrote over them.
pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    if !needs.data_keys {
        return Ok(());
    }
    let lock = lock_clause(db, "FOR UPDATE");
    let text = format!("SELECT id, ring_key, sealed FROM data_key ORDER BY id {lock}");
    let rows = sql::query(db, &text, []).await?;
    let keys = rows.iter().map(DataKey::of).collect::<Result<_, _>>();
    working.data_keys = keys?;
    Ok(())
}
