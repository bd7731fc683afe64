//! The beginning of a value, for pages that do not load megabytes to show a few lines.

use async_graphql::{Context, SimpleObject};
use url::form_urlencoded;

use super::scalars::BigInt;
use crate::{
    api::ApiError,
    graphql::loading::Caller,
    model::{ExecutionId, Payload},
};

/// The most bytes of a preview.
const MOST_BYTES: i32 = 65_536;

/// A JSON value by its size and its beginning.
#[derive(SimpleObject, Debug)]
pub(crate) struct PayloadPreview {
    /// Size of the whole in bytes of JSON.
    size_bytes: BigInt,
    /// Its beginning, up to the last whole character: all of it, or text that is no JSON by itself.
    text: String,
    /// True if `text` is all of it.
    is_whole: bool,
    /// Where the whole is read as JSON by GET, with the caller's proof; relative to the address of the server.
    url: String,
}

impl PayloadPreview {
    /// Where the whole is read.
    pub(crate) fn address(id: ExecutionId, of: &str, step: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("of", of);
        query.extend_pairs(step.map(|name| ("step", name)));
        format!("/api/execution/{id}/payload?{}", query.finish())
    }

    /// That of a payload.
    ///
    /// # Errors
    /// For a number of bytes that is out of bounds; when the content store is away or the content damaged.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        payload: &Payload,
        bytes: i32,
        url: String,
    ) -> Result<Self, ApiError> {
        let most = usize::try_from(bytes)
            .ok()
            .filter(|_| (1..=MOST_BYTES).contains(&bytes));
        let most = most
            .ok_or_else(|| ApiError::bad_input(format!("a preview has 1 to {MOST_BYTES} bytes")))?;
        let caller = Caller::of(ctx)?;
        let runtime = &caller.services.runtime;
        let head = runtime.payload_head(&caller.scope, payload, most).await?;
        caller.meter.answer_text(head.text.len())?;
        Ok(Self {
            size_bytes: BigInt(i64::try_from(head.size_bytes).unwrap_or(i64::MAX)),
            is_whole: head.is_whole(),
            text: head.text,
            url,
        })
    }
}
