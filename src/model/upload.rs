//! Uploads: content that is too large to travel inside an intent.

use super::{Micros, TenantId, UploadId};

/// An upload that was announced, and its content once it has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The file's name as the client knows it.
    pub filename: String,
    /// The media type as the client knows it.
    pub mime_type: Option<String>,
    /// The number of bytes that were announced.
    pub declared_size_bytes: i64,
    /// SHA-256 (hex) of what arrived; none until all of it has.
    pub digest: Option<String>,
    /// When it was announced.
    pub created_at: Micros,
    /// Until when the bytes are accepted.
    pub expires_at: Micros,
    /// When the bytes had arrived.
    pub completed_at: Option<Micros>,
    /// The part of the tenant's data that it belongs to, as a text; none where that is all of it.
    pub reach: Option<String>,
}
