//! Relay connections: `edges`, `nodes`, `pageInfo` and `totalCount`; 50 items unless asked for, 200 at
//! most.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject, connection::PageInfo};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    answer::Listed,
    artifact::Artifact,
    event::ExecutionEvent,
    execution::Execution,
    loaders::SharedPage,
    session::Session,
    total::{Total, TotalCount},
    wal::WalEntry,
};
use crate::{
    api::ApiError,
    model::{self, Cursor, ExecutionId, SessionId},
    storage::{Page, PageRequest},
};

/// Items of a page when the client does not say.
pub(super) const DEFAULT_SIZE: u32 = 50;
/// Items of the largest page.
pub(super) const MAX_SIZE: u32 = 200;

/// What a list is ordered by, as clients hold it: opaque text.
pub(super) trait PageKey: Sized {
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
pub(super) struct PageArgs {
    pub(super) first: Option<i32>,
    pub(super) after: Option<String>,
    pub(super) last: Option<i32>,
    pub(super) before: Option<String>,
}

impl PageArgs {
    /// The arguments of a connection that only goes forward.
    pub(super) fn forward(first: Option<i32>, after: Option<String>) -> Self {
        Self {
            first,
            after,
            ..Self::default()
        }
    }

    /// What to read, or `BAD_USER_INPUT` for arguments that make no sense.
    pub(super) fn request<K: PageKey>(&self) -> Result<PageRequest<K>, ApiError> {
        Ok(PageRequest {
            limit: self.size()?,
            after: key(self.after.as_deref(), "after")?,
            before: key(self.before.as_deref(), "before")?,
            backward: self.last.is_some(),
        })
    }

    /// The size of the page when it is the first one, which is loaded for many parents at once.
    pub(super) fn first_page(&self) -> Result<Option<u32>, ApiError> {
        let size = self.size()?;
        let is_first = self.after.is_none() && self.before.is_none() && self.last.is_none();
        Ok(is_first.then_some(size))
    }

    /// The size of the page and the place in the log after which it begins.
    pub(super) fn after_cursor(&self) -> Result<(u32, Cursor), ApiError> {
        Ok((
            self.size()?,
            cursor(self.after.as_deref())?.unwrap_or_default(),
        ))
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
pub(super) fn cursor(after: Option<&str>) -> Result<Option<Cursor>, ApiError> {
    after
        .map(|text| text.parse().map_err(|_| malformed("after")))
        .transpose()
}

fn key<K: PageKey>(text: Option<&str>, name: &'static str) -> Result<Option<K>, ApiError> {
    text.map(|text| K::decode(text).ok_or_else(|| malformed(name)))
        .transpose()
}

fn malformed(name: &'static str) -> ApiError {
    ApiError::bad_input(format!("{name} is not a cursor of this list"))
}

/// Where a page is in its list. Its ends are mostly its items'; those of a page for which not the whole list
/// was looked at are where that ended.
#[derive(Debug, Default)]
struct Info {
    has_next: bool,
    has_previous: bool,
    start: Option<String>,
    end: Option<String>,
}

impl Info {
    fn of<K: PageKey, T>(page: &Page<K, T>) -> Self {
        Self {
            has_next: page.has_next,
            has_previous: page.has_previous,
            start: page.start.as_ref().map(PageKey::encode),
            end: page.end.as_ref().map(PageKey::encode),
        }
    }
}

/// A connection and its edge, by the node's type.
macro_rules! connections {
    ($(
        $(#[$doc:meta])* $connection:ident,
        $(#[$edge_doc:meta])* $edge:ident of $node:ident;
    )*) => {$(
        $(#[$edge_doc])*
        #[derive(SimpleObject)]
        pub(super) struct $edge {
            /// The item.
            node: $node,
            /// Where the item is in the list; pass it as `after` or `before`.
            cursor: String,
        }

        $(#[$doc])*
        pub(super) struct $connection {
            edges: Vec<$edge>,
            info: Info,
            total: Total,
        }

        impl $connection {
            /// A page of nodes with the texts of their cursors.
            fn new(
                nodes: impl IntoIterator<Item = (String, $node)>,
                info: Info,
                total: Total,
            ) -> Self {
                let edge = |(cursor, node)| $edge { node, cursor };
                Self { edges: nodes.into_iter().map(edge).collect(), info, total }
            }
        }

        $(#[$doc])*
        #[Object]
        impl $connection {
            /// The items of the page with their cursors.
            async fn edges(&self) -> Listed<&$edge> {
                self.edges.iter().collect()
            }

            /// The items of the page.
            async fn nodes(&self) -> Listed<&$node> {
                self.edges.iter().map(|edge| &edge.node).collect()
            }

            /// Where the page begins and ends, and whether there are more.
            async fn page_info(&self) -> PageInfo {
                PageInfo {
                    has_previous_page: self.info.has_previous,
                    has_next_page: self.info.has_next,
                    start_cursor: self.info.start.clone(),
                    end_cursor: self.info.end.clone(),
                }
            }

            /// How many items the list has, on all its pages.
            async fn total_count(&self, ctx: &Context<'_>) -> Result<TotalCount, ApiError> {
                self.total.count(ctx).await
            }
        }
    )*};
}

connections! {
    /// A page of executions.
    ExecutionConnection,
    /// An execution in a page.
    ExecutionEdge of Execution;
    /// A page of sessions.
    SessionConnection,
    /// A session in a page.
    SessionEdge of Session;
    /// A page of artifacts.
    ArtifactConnection,
    /// An artifact in a page.
    ArtifactEdge of Artifact;
    /// A page of an execution's events, oldest first.
    ExecutionEventConnection,
    /// An event in a page.
    ExecutionEventEdge of ExecutionEvent;
    /// A page of the log, oldest first.
    WalEntryConnection,
    /// An entry of the log in a page.
    WalEntryEdge of WalEntry;
}

/// How pages of records become connections.
macro_rules! pages {
    ($($connection:ident of $node:ident;)*) => {$(
        impl $connection {
            /// A page of records.
            pub(super) fn of<K: PageKey>(page: Page<K, model::$node>, total: Total) -> Self {
                let info = Info::of(&page);
                let nodes = page.items.into_iter();
                let nodes = nodes.map(|(key, record)| (key.encode(), $node(Arc::new(record))));
                Self::new(nodes, info, total)
            }
        }
    )*};
}

/// How pages that a loader found become connections; an empty one when it found none.
macro_rules! shared_pages {
    ($($connection:ident of $node:ident;)*) => {$(
        impl $connection {
            /// A page that a loader found, if it found one.
            pub(super) fn shared<K: PageKey>(
                page: Option<Arc<SharedPage<K, model::$node>>>,
                total: Total,
            ) -> Self {
                let Some(page) = page else {
                    return Self::new([], Info::default(), total);
                };
                let nodes = page.items.iter();
                let nodes = nodes.map(|(key, record)| (key.encode(), $node(Arc::clone(record))));
                Self::new(nodes, Info::of(&page), total)
            }
        }
    )*};
}

/// How entries of the log become connections.
macro_rules! pages_of_log {
    ($($connection:ident of $node:ident;)*) => {$(
        impl $connection {
            /// A page of entries with the texts of their cursors.
            pub(super) fn of_log(
                nodes: impl IntoIterator<Item = (String, $node)>,
                has_next: bool,
                has_previous: bool,
                total: Total,
            ) -> Self {
                let info = Info { has_next, has_previous, ..Info::default() };
                let mut page = Self::new(nodes, info, total);
                page.info.start = page.edges.first().map(|edge| edge.cursor.clone());
                page.info.end = page.edges.last().map(|edge| edge.cursor.clone());
                page
            }
        }
    )*};
}

pages! {
    ExecutionConnection of Execution;
    SessionConnection of Session;
    ArtifactConnection of Artifact;
}

shared_pages! {
    ExecutionConnection of Execution;
    ArtifactConnection of Artifact;
}

pages_of_log! {
    ExecutionEventConnection of ExecutionEvent;
    WalEntryConnection of WalEntry;
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
