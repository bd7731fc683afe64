//! Arguments and cursors of lists: 50 items unless asked for, 200 at most.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    api::ApiError,
    events::LogRange,
    model::{Cursor, ExecutionId, KeyId, OperationId, ScheduleId, SessionId, WebhookId},
    services::PageRequest,
};

/// Items of a page when the client does not say.
pub(crate) const DEFAULT_SIZE: u32 = 50;
/// Items of the largest page.
pub(crate) const MAX_SIZE: u32 = 200;

/// The key that a list is ordered by. Clients hold it as opaque text, the cursor.
pub(crate) trait PageKey: Sized {
    /// The cursor's text.
    fn encode(&self) -> String;
    /// The key of a cursor, none when the text is not one.
    fn decode(cursor: &str) -> Option<Self>;
}

impl PageKey for ExecutionId {
    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

impl PageKey for SessionId {
    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

impl PageKey for KeyId {
    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

impl PageKey for ScheduleId {
    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

impl PageKey for OperationId {
    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

impl PageKey for WebhookId {
    fn encode(&self) -> String {
        self.to_string()
    }

    fn decode(cursor: &str) -> Option<Self> {
        cursor.parse().ok()
    }
}

impl PageKey for i64 {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("k{self}"))
    }

    fn decode(cursor: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.strip_prefix('k')?.parse().ok()
    }
}

/// The arguments of a connection field.
#[derive(Debug, Default)]
pub(crate) struct PageArgs {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

impl PageArgs {
    /// The arguments of a connection, in the order in which the schema has them.
    pub(crate) fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Self {
        Self {
            first,
            after,
            last,
            before,
        }
    }

    /// The arguments of a connection that only goes forward.
    pub(crate) fn forward(first: Option<i32>, after: Option<String>) -> Self {
        Self {
            first,
            after,
            ..Self::default()
        }
    }

    /// Returns the page to read, or `BAD_USER_INPUT` for arguments that contradict each other.
    pub(crate) fn request<K: PageKey>(&self) -> Result<PageRequest<K>, ApiError> {
        Ok(PageRequest {
            limit: self.size()?,
            after: key(self.after.as_deref(), "after")?,
            before: key(self.before.as_deref(), "before")?,
            backward: self.last.is_some(),
        })
    }

    /// The size of the page when it is the first one, which is loaded for many parents at once.
    pub(crate) fn first_page(&self) -> Result<Option<u32>, ApiError> {
        let size = self.size()?;
        let is_first = self.after.is_none() && self.before.is_none() && self.last.is_none();
        Ok(is_first.then_some(size))
    }

    /// The size of the page and the place in the log after which it begins, if not at its start.
    pub(crate) fn after_cursor(&self) -> Result<(u32, Option<Cursor>), ApiError> {
        Ok((self.size()?, cursor(self.after.as_deref())?))
    }

    /// The size of a page of the log, the places between which it is, and whether it is counted from the end.
    pub(crate) fn between(&self) -> Result<LogRange, ApiError> {
        Ok(LogRange {
            limit: self.size()?,
            after: place(self.after.as_deref(), "after")?,
            before: place(self.before.as_deref(), "before")?,
            backward: self.last.is_some(),
            types: Vec::new(),
        })
    }

    /// The number of items that are asked for.
    pub(crate) fn limit(&self) -> Result<u32, ApiError> {
        self.size()
    }

    fn size(&self) -> Result<u32, ApiError> {
        let (name, size) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_input("give first or last, not both"));
            }
            (None, None) => return Ok(DEFAULT_SIZE),
            (Some(first), None) => ("first", first),
            (None, Some(last)) => ("last", last),
        };
        u32::try_from(size)
            .ok()
            .filter(|size| (1..=MAX_SIZE).contains(size))
            .ok_or_else(|| ApiError::bad_input(format!("{name} must be from 1 to {MAX_SIZE}")))
    }
}

/// The place in the log that `after` names.
pub(crate) fn cursor(after: Option<&str>) -> Result<Option<Cursor>, ApiError> {
    place(after, "after")
}

fn place(text: Option<&str>, name: &'static str) -> Result<Option<Cursor>, ApiError> {
    text.map(|text| text.parse().map_err(|_| malformed(name)))
        .transpose()
}

fn key<K: PageKey>(text: Option<&str>, name: &'static str) -> Result<Option<K>, ApiError> {
    text.map(|text| K::decode(text).ok_or_else(|| malformed(name)))
        .transpose()
}

fn malformed(name: &'static str) -> ApiError {
    ApiError::bad_input(format!("{name} is not a cursor of this list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(first: Option<i32>, last: Option<i32>) -> PageArgs {
        PageArgs {
            first,
            last,
            ..PageArgs::default()
        }
    }

    #[test]
    fn a_page_has_50_items_unless_asked_and_200_at_most() {
        let size = |first, last| args(first, last).request::<i64>().map(|page| page.limit);
        assert_eq!(size(None, None).unwrap(), 50);
        assert_eq!(size(Some(1), None).unwrap(), 1);
        assert_eq!(size(None, Some(200)).unwrap(), 200);
        for (first, last) in [
            (Some(0), None),
            (Some(-1), None),
            (Some(201), None),
            (None, Some(0)),
            (None, Some(201)),
            (Some(1), Some(1)),
        ] {
            assert!(size(first, last).is_err(), "{first:?} {last:?}");
        }
    }

    #[test]
    fn last_goes_backward() {
        assert!(args(None, Some(3)).request::<i64>().unwrap().backward);
        assert!(!args(Some(3), None).request::<i64>().unwrap().backward);
    }

    #[test]
    fn cursors_are_read_back_and_garbage_is_refused() {
        let forward = |after: String| PageArgs::forward(None, Some(after));
        let page = forward(42_i64.encode()).request::<i64>().unwrap();
        assert_eq!(page.after, Some(42));
        for bad in ["", "42", "a42", "exe_1"] {
            assert!(forward(bad.into()).request::<i64>().is_err(), "{bad}");
            assert!(forward(bad.into()).request::<ExecutionId>().is_err());
            assert!(forward(bad.into()).after_cursor().is_err());
        }
    }

    #[test]
    fn only_a_page_from_the_start_is_shared_among_parents() {
        assert_eq!(args(Some(9), None).first_page().unwrap(), Some(9));
        assert_eq!(args(None, Some(9)).first_page().unwrap(), None);
        let later = PageArgs::forward(None, Some(1_i64.encode()));
        assert_eq!(later.first_page().unwrap(), None);
    }
}
