//! Relay connections: `edges`, `nodes`, `pageInfo` and `totalCount`.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject, connection::PageInfo};

use super::{
    api_key::ApiKey,
    artifact::Artifact,
    counted::Listed,
    event::ExecutionEvent,
    execution::Execution,
    operation::BulkOperation,
    page::PageKey,
    schedule::Schedule,
    session::Session,
    total::{Total, TotalCount},
    wal::WalEntry,
    webhook::Webhook,
};
use crate::{
    api::ApiError,
    graphql::loading::SharedPage,
    model::{self, Cursor},
    services::Page,
};

/// The place of a page in its list. It begins and ends with its first and last item, except where the read
/// stopped before it had found enough items: then it ends where the read stopped.
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
        pub(crate) struct $edge {
            /// The item.
            node: $node,
            /// The item's place in the list; pass it as `after` or `before`.
            cursor: String,
        }

        $(#[$doc])*
        pub(crate) struct $connection {
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

            /// The first and last cursor of the page, and whether there are more items.
            async fn page_info(&self) -> PageInfo {
                PageInfo {
                    has_previous_page: self.info.has_previous,
                    has_next_page: self.info.has_next,
                    start_cursor: self.info.start.clone(),
                    end_cursor: self.info.end.clone(),
                }
            }

            /// The number of items on all pages of the list.
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
    /// A page of keys.
    ApiKeyConnection,
    /// A key in a page.
    ApiKeyEdge of ApiKey;
    /// A page of schedules.
    ScheduleConnection,
    /// A schedule in a page.
    ScheduleEdge of Schedule;
    /// A page of bulk operations.
    OperationConnection,
    /// A bulk operation in a page.
    OperationEdge of BulkOperation;
    /// A page of webhooks.
    WebhookConnection,
    /// A webhook in a page.
    WebhookEdge of Webhook;
    /// A page of an execution's events, oldest first.
    ExecutionEventConnection,
    /// An event in a page.
    ExecutionEventEdge of ExecutionEvent;
    /// A page of the log, oldest first.
    WalEntryConnection,
    /// An entry of the log in a page.
    WalEntryEdge of WalEntry;
}

/// Makes connections from pages of records.
macro_rules! pages {
    ($($connection:ident of $node:ident;)*) => {$(
        impl $connection {
            /// A page of records.
            pub(crate) fn of<K: PageKey>(page: Page<K, model::$node>, total: Total) -> Self {
                let info = Info::of(&page);
                let nodes = page.items.into_iter();
                let nodes = nodes.map(|(key, record)| (key.encode(), $node(Arc::new(record))));
                Self::new(nodes, info, total)
            }
        }
    )*};
}

/// Makes connections from pages that a loader found; an empty one when it found none.
macro_rules! shared_pages {
    ($($connection:ident of $node:ident;)*) => {$(
        impl $connection {
            /// A page that a loader found, if it found one.
            pub(crate) fn shared<K: PageKey>(
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

/// Makes connections from entries of the log.
macro_rules! pages_of_log {
    ($($connection:ident of $node:ident;)*) => {$(
        impl $connection {
            /// A page of entries with the texts of their cursors.
            pub(crate) fn of_log(
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

impl ExecutionEventConnection {
    /// A page of entries, of which not all that were looked at need be among the nodes.
    pub(crate) fn of_part<T>(
        nodes: Vec<(String, ExecutionEvent)>,
        page: &Page<Cursor, T>,
        total: Total,
    ) -> Self {
        let info = Info {
            has_next: page.has_next,
            has_previous: page.has_previous,
            start: page.start.map(|cursor| cursor.to_string()),
            end: page.end.map(|cursor| cursor.to_string()),
        };
        Self::new(nodes, info, total)
    }
}

pages! {
    ExecutionConnection of Execution;
    SessionConnection of Session;
    ArtifactConnection of Artifact;
    ApiKeyConnection of ApiKey;
    ScheduleConnection of Schedule;
    OperationConnection of BulkOperation;
    WebhookConnection of Webhook;
}

shared_pages! {
    ExecutionConnection of Execution;
    ArtifactConnection of Artifact;
}

pages_of_log! {
    WalEntryConnection of WalEntry;
}
