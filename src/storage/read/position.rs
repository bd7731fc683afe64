//! Whether a cursor is a place in a certain stream: one that names a place in another stream would
//! hide what is before it there.

use super::super::{Error, Storage, sql};
use crate::model::{Cursor, ExecutionId, Refusal};

impl Storage {
    /// Refuses a cursor that is not the place of an event of this execution.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is another stream's; when the database does not answer.
    pub async fn check_position(&self, id: ExecutionId, cursor: Cursor) -> Result<(), Error> {
        let text = "SELECT 1 AS one FROM event \
             WHERE stream_id = $1 AND seq = $2 AND tx = $3 AND ord = $4";
        let values = [
            id.0.into(),
            cursor.seq.into(),
            cursor.tx.into(),
            cursor.ord.into(),
        ];
        let found = sql::query(&self.db.reader, text, values).await?;
        if found.is_empty() {
            let message = "the cursor is not one of this execution's events";
            return Err(Refusal::invalid(["after"], message).into());
        }
        Ok(())
    }
}
