//! The keys that seal sensitive parameters, as they are kept: sealed themselves.

use entity::data_key;
use sea_orm::QueryResult;

use super::{
    Error, Storage, sql,
    write::{MakeDataKey, RotateDataKeys},
};
use crate::model::Micros;
use sql::get;

/// A key that seals sensitive parameters, sealed by a key of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey {
    /// 1, 2, 3.
    pub id: i64,
    /// The id of the key that sealed it.
    pub ring_key: String,
    /// The sealed key, as text.
    pub sealed: String,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({}, sealed by {})", self.id, self.ring_key)
    }
}

impl DataKey {
    pub(super) fn of(row: &QueryResult) -> Result<Self, Error> {
        Ok(Self {
            id: get(row, "id")?,
            ring_key: get(row, "ring_key")?,
            sealed: get(row, "sealed")?,
        })
    }

    pub(super) fn row(&self, made_at: Micros) -> data_key::Model {
        data_key::Model {
            id: self.id,
            ring_key: self.ring_key.clone(),
            sealed: self.sealed.clone(),
            made_at,
        }
    }
}

impl Storage {
    /// All of them, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn data_keys(&self) -> Result<Vec<DataKey>, Error> {
        let text = "SELECT id, ring_key, sealed FROM data_key ORDER BY id";
        let rows = sql::query(&self.db.reader, text, []).await?;
        rows.iter().map(DataKey::of).collect()
    }

    /// Writes a data key, unless there is one with its number.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn make_data_key(&self, key: DataKey) -> Result<(), Error> {
        self.writer.run(MakeDataKey(key)).await
    }

    /// Writes `renewed` over the data keys that were `known`, and the new one `made`: all of them, or none if they are
    /// others by now, which the answer says.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rotate_data_keys(
        &self,
        known: Vec<DataKey>,
        renewed: Vec<DataKey>,
        made: DataKey,
    ) -> Result<bool, Error> {
        let rotation = RotateDataKeys {
            known,
            renewed,
            made,
        };
        self.writer.run(rotation).await
    }
}
