//! Some rows of stored content, without an execution and without reading the rest.

use super::{CONTENT, Uploads};
use crate::{
    content::{Digest, Error, LineWindow},
    model::{Action, Materialization, RawJson, Refusal, TenantScope},
};

/// A preview has at most so many bytes.
const MAX_BYTES: usize = 1024 * 1024;

impl Uploads {
    /// The rows of `form` from `offset` on, at most `first`; none where it does not hold rows of JSON
    /// or is elsewhere than in the content store. Whoever asks has been shown the form.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] when they have more than a mebibyte; when the content store is away.
    pub async fn preview(
        &self,
        form: &Materialization,
        scope: &TenantScope,
        first: usize,
        offset: u64,
    ) -> Result<Option<Vec<RawJson>>, Error> {
        // Whoever asks has been shown the form, so it is within their reach.
        let _shown = scope.check(Action::ReadArtifacts)?;
        if form.storage_type != CONTENT || !matches!(form.format.as_str(), "ndjson" | "jsonl") {
            return Ok(None);
        }
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
        text.lines().map(row).collect::<Result<_, _>>().map(Some)
    }
}
