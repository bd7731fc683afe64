//! Sessions of browsers that were ended by logging out.

use super::{
    Error, Storage, sql,
    write::{ForgetLogouts, RecordLogout},
};
use crate::model::Micros;
use sql::{Rows, get};

/// A row stays so much longer than its session, for the clocks of nodes differ.
const KEPT_MICROS: Micros = 3_600_000_000;

impl Storage {
    /// Records that a session of a browser was ended, which would have ended by itself at `expires_at`. One that was
    /// recorded stays as it is.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn record_logout(&self, id: String, expires_at: Micros) -> Result<(), Error> {
        self.writer.run(RecordLogout { id, expires_at }).await
    }

    /// Those among sessions of browsers that were ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn logged_out(&self, among: &[String]) -> Result<Vec<String>, Error> {
        let tail = "SELECT x.id FROM x JOIN browser_logout b ON b.id = x.id";
        let rows = Rows::column("id", among.iter().map(String::as_str));
        let rows = rows.query(&self.db.reader, tail).await?;
        rows.iter().map(|row| get(row, "id")).collect()
    }

    /// Forgets sessions that would have ended by themselves long since, up to `limit`; how many there were.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_logouts(&self, limit: u32) -> Result<usize, Error> {
        let now = sql::now_expression(self.db.reader.get_database_backend());
        let text = format!(
            "SELECT id FROM browser_logout WHERE expires_at <= {now} - $1 ORDER BY expires_at LIMIT {limit}"
        );
        let rows = sql::query(&self.db.reader, &text, [KEPT_MICROS.into()]).await?;
        let ids = rows.iter().map(|row| get(row, "id"));
        let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
        let count = ids.len();
        if count > 0 {
            self.writer.run(ForgetLogouts(ids)).await?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use crate::storage::read_tests::on_each_database;

    #[tokio::test]
    async fn a_logout_is_known_until_its_session_has_ended_for_long() {
        const FOR_EVER: i64 = i64::MAX / 2;
        on_each_database(async |world| {
            let storage = &world.storage;
            let record = async |id: &str, expires_at| {
                let recorded = storage.record_logout(id.to_owned(), expires_at);
                recorded.await.unwrap();
            };
            record("a", FOR_EVER).await;
            record("a", FOR_EVER).await;
            record("b", 1).await;
            record("c", 2).await;
            let among = ["a", "b", "c", "d"].map(str::to_owned);
            let known = async || {
                let mut known = storage.logged_out(&among).await.unwrap();
                known.sort();
                known
            };
            assert_eq!(known().await, ["a", "b", "c"]);
            assert_eq!(storage.forget_logouts(1).await.unwrap(), 1);
            assert_eq!(known().await, ["a", "c"]);
            assert_eq!(storage.forget_logouts(5).await.unwrap(), 1);
            assert_eq!(storage.forget_logouts(5).await.unwrap(), 0);
            assert_eq!(known().await, ["a"]);
        })
        .await;
    }
}
