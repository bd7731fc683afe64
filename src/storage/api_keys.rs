//! Keys of the API, as whoever checks a proof and whoever looks after them need them.

use entity::api_key;
use sea_orm::FromQueryResult;

use super::{
    Count, CreateKey, Error, Page, PageRequest, RevokeKey, Storage,
    convert::StoredKey,
    read::{Conditions, MOST_COUNTED, finish},
    sql,
    write::NoteKeyUses,
};
use crate::model::{ApiKey, KeyId, Micros, TenantScope};
use sql::{Rows, columns, get};

impl Storage {
    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::Refused`] when its time has passed or the tenant has too many.
    pub async fn create_key(&self, create: CreateKey) -> Result<ApiKey, Error> {
        let tenant = create.scope.tenant().clone();
        self.writer.offer(tenant, create).await
    }

    /// Revokes a key for ever.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has no such key.
    pub async fn revoke_key(&self, revoke: RevokeKey) -> Result<ApiKey, Error> {
        let tenant = revoke.scope.tenant().clone();
        self.writer.offer(tenant, revoke).await
    }

    /// Notes when keys were last used.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_key_uses(&self, uses: Vec<(KeyId, Micros)>) -> Result<(), Error> {
        self.writer.run(NoteKeyUses { uses }).await
    }

    /// The key with this prefix, whoever's it is, with the SHA-256 (hex) of its whole text.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_key(&self, prefix: &str) -> Result<Option<(ApiKey, String)>, Error> {
        let text = format!(
            "SELECT {} FROM api_key k WHERE k.prefix = $1",
            columns::<api_key::Entity>("k")
        );
        let rows = sql::query(&self.db.reader, &text, [prefix.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let StoredKey { key, digest, .. } =
            api_key::Model::from_query_result(row, "")?.try_into()?;
        Ok(Some((key, digest)))
    }

    /// The key with this id, whoever's it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_key_by_id(&self, id: KeyId) -> Result<Option<ApiKey>, Error> {
        let text = format!(
            "SELECT {} FROM api_key k WHERE k.id = $1",
            columns::<api_key::Entity>("k")
        );
        let rows = sql::query(&self.db.reader, &text, [id.0.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(
            StoredKey::try_from(api_key::Model::from_query_result(row, "")?)?.key,
        ))
    }

    /// Those among the keys that were revoked, or are not there any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoked_keys(&self, among: &[KeyId]) -> Result<Vec<KeyId>, Error> {
        // The left side comes first on both databases.
        let tail = "SELECT x.id FROM x LEFT JOIN api_key k ON k.id = x.id \
             WHERE k.id IS NULL OR k.revoked_at IS NOT NULL";
        let rows = Rows::column("id", among.iter().map(|id| id.0));
        let rows = rows.query(&self.db.reader, tail).await?;
        let mut revoked = Vec::new();
        for row in rows {
            // Rows that fill the statement up have no id.
            revoked.extend(get::<Option<uuid::Uuid>>(&row, "id")?.map(KeyId));
        }
        Ok(revoked)
    }

    /// A page of the tenant's keys, newest first, those that were revoked included.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_keys(
        &self,
        scope: &TenantScope,
        page: &PageRequest<KeyId>,
    ) -> Result<Page<KeyId, ApiKey>, Error> {
        let db = &self.db.reader.of(scope);
        let mut wanted = Conditions::default();
        wanted.add("k.tenant_id = ?", [scope.tenant().as_str().into()]);
        let order = wanted.page("k.id", false, &page.map(|id| id.0));
        let text = format!(
            "SELECT {} FROM api_key k {} {order}",
            columns::<api_key::Entity>("k"),
            wanted.clause()
        );
        let rows = sql::query(db, &text, wanted.values).await?;
        let keys = rows.iter().map(|row| {
            let row = StoredKey::try_from(api_key::Model::from_query_result(row, "")?)?;
            Ok((row.key.id, row.key))
        });
        Ok(finish(keys.collect::<Result<_, Error>>()?, page, None))
    }

    /// Returns whether any tenant has had a key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_keys(&self) -> Result<bool, Error> {
        let rows = sql::query(&self.db.reader, "SELECT 1 AS one FROM api_key LIMIT 1", []).await?;
        Ok(!rows.is_empty())
    }

    /// Returns the number of the tenant's keys.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_keys(&self, scope: &TenantScope) -> Result<Count, Error> {
        let text = format!(
            "SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM api_key WHERE tenant_id = $1 LIMIT {}) k",
            MOST_COUNTED + 1
        );
        let db = &self.db.reader.of(scope);
        let rows = sql::query(db, &text, [scope.tenant().as_str().into()]).await?;
        let total = rows.first().map_or(Ok(0), |row| get(row, "total"))?;
        Ok(Count::of(total, true))
    }
}
