//! Transactions that were overtaken by one which began later.
//!
//! A transaction gets its number before it has locked its rows. One that finds an execution whose last
//! event has a higher number must not append with its own, for in the feeds the events of an execution
//! are in the order of the numbers. It takes the higher number instead, and places behind all others of
//! that number. No reader has passed it: as long as this transaction is under way no feed is read beyond
//! its own, lower number.

use super::{
    super::{
        super::{Error, db::Transaction, sql},
        working::Working,
    },
    rows::id_rows,
};
use crate::model::ExecutionId;
use sql::get;

/// The low bits of a place count the events of one transaction.
const EVENT_BITS: u32 = 20;
/// Those above tell transactions apart that take the same number: the low bits of their own.
const OWN_BITS: u32 = 20;
/// Further away than this no transaction can be that is still under way: such a number is of another
/// cluster, or damaged.
const FARTHEST: i64 = 1 << OWN_BITS;

/// Takes a later number for a transaction that was overtaken.
pub(super) async fn catch_up(db: &Transaction, working: &mut Working) -> Result<(), Error> {
    let last = working.executions.all().map(|row| row.last_tx).max();
    let Some(last) = last.filter(|last| *last > working.tx && *last - working.tx < FARTHEST) else {
        return Ok(());
    };
    let overtakers: Vec<ExecutionId> = working
        .executions
        .all()
        .filter(|execution| execution.last_tx == last)
        .map(|execution| execution.id)
        .collect();
    let join = sql::join(db);
    let tail = format!(
        "SELECT v.ord FROM x {join} execution e ON e.id = x.id \
         {join} event v ON v.stream_id = e.id AND v.seq = e.next_seq - 1"
    );
    let mut highest = 0;
    for row in id_rows(&overtakers).query(db, &tail).await? {
        highest = highest.max(get(&row, "ord")?);
    }
    working.first_ord = place_behind(highest, working.tx);
    working.tx = last;
    Ok(())
}

/// The first place of a transaction behind the place `highest`.
fn place_behind(highest: i64, own: i64) -> i64 {
    let turn = (highest >> (EVENT_BITS + OWN_BITS)) + 1;
    (turn << OWN_BITS | own & (FARTHEST - 1)) << EVENT_BITS
}

#[cfg(test)]
mod tests {
    use super::place_behind;

    #[test]
    fn places_are_behind_what_was_there_and_no_two_transactions_share_one() {
        let first = place_behind(499, 100);
        let beside = place_behind(3, 103);
        assert!(first > 499 && beside > 499 && first != beside);
        // Behind another one that was overtaken, whichever of the two has the higher number.
        for own in [99, 104] {
            assert!(place_behind(first + 7, own) > first + 7);
        }
        assert!(place_behind(i64::MAX >> 2, 1) > 0);
    }
}
