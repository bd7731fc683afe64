//! Some rows of stored content, without an execution and without reading the rest.

use super::{CONTENT, Shown, Uploads};
use crate::{
    api::ApiError,
    content::{Digest, Error, LineWindow},
    model::{Action, Principal, RawJson, Refusal},
    storage,
};

/// A preview that cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// A policy denies it, or the database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// It has too many bytes, or the content store failed.
    #[error(transparent)]
    Content(#[from] Error),
}

impl From<PreviewError> for ApiError {
    fn from(error: PreviewError) -> Self {
        match error {
            PreviewError::Storage(error) => error.into(),
            PreviewError::Content(error) => error.into(),
        }
    }
}

/// A preview has at most so many bytes.
const MAX_BYTES: usize = 1024 * 1024;

impl Uploads {
    /// The rows of a form from `offset` on, at most `first`; none where it does not hold rows of JSON
    /// or is elsewhere than in the content store. What is read is counted by the principal's meter.
    ///
    /// # Errors
    /// [`Refusal::PolicyDenied`]; [`Refusal::TooLarge`] when they have more than a mebibyte; when the content store is away.
    pub async fn preview(
        &self,
        principal: &Principal,
        shown: Shown<'_>,
        first: usize,
        offset: u64,
    ) -> Result<Option<Vec<RawJson>>, PreviewError> {
        let (form, scope) = (shown.form, &principal.scope());
        // Whoever asks has been shown the form, so it is within their reach.
        let _reach = scope.check(Action::ReadArtifacts).map_err(Error::from)?;
        if form.storage_type != CONTENT || !matches!(form.format.as_str(), "ndjson" | "jsonl") {
            return Ok(None);
        }
        self.check_read(principal, shown).await?;
        let digest: Digest = form.digest.parse().map_err(|_| Error::Corrupt)?;
        let window = LineWindow {
            skip: offset,
            most: first,
            max_bytes: MAX_BYTES,
        };
        let lines = self.0.content.lines(scope, &digest, window).await;
        let lines = lines.map_err(|error| match error {
            Error::TooLarge { limit_bytes } => Error::Refused(Refusal::TooLarge {
                what: "the preview",
                actual_bytes: limit_bytes + 1,
                limit_bytes,
            }),
            other => other,
        })?;
        let text = String::from_utf8(lines).map_err(|_| Error::Corrupt)?;
        let row = |line: &str| RawJson::parse(line).map_err(|_| Error::Corrupt);
        let rows = text.lines().map(row).collect::<Result<_, _>>();
        Ok(rows.map(Some)?)
    }
}
