//! The loaders of one request: whatever an edge of the graph reads, it reads through one of these.
//!
//! The first page of a list is loaded for all parents at once, keyed by parent and page size; any
//! other page is read by itself.

use std::{collections::HashMap, future::Future, hash::Hash, sync::Arc};

use futures::FutureExt;
use uuid::Uuid;

use super::loader::Loader;
use crate::{
    api::ApiError,
    artifact_registry::Relation,
    model::{
        Artifact, ArtifactId, ArtifactTransition, Execution, ExecutionId, Materialization, Session,
        SessionId, Step, TenantScope, Waiting,
    },
    services::{Count, Members, Page, Services},
};

/// One page of shared records.
pub(crate) type SharedPage<K, T> = Page<K, Arc<T>>;
/// First pages, by what they belong to and how many items they have at most.
type Pages<Id, K, T> = Loader<(Id, u32), Arc<SharedPage<K, T>>>;

/// The loaders of one request.
pub(crate) struct Loaders {
    pub(crate) executions: Loader<ExecutionId, Arc<Execution>>,
    pub(crate) sessions: Loader<SessionId, Arc<Session>>,
    pub(crate) artifacts: Loader<ArtifactId, Arc<Artifact>>,
    pub(crate) steps: Loader<ExecutionId, Arc<Vec<Step>>>,
    pub(crate) wait_reasons: Loader<ExecutionId, Waiting>,
    pub(crate) child_executions: Pages<ExecutionId, ExecutionId, Execution>,
    pub(crate) execution_artifacts: Pages<ExecutionId, i64, Artifact>,
    pub(crate) parents: Pages<ArtifactId, i64, Artifact>,
    pub(crate) children: Pages<ArtifactId, i64, Artifact>,
    pub(crate) materializations: Loader<ArtifactId, Arc<Vec<Materialization>>>,
    pub(crate) transitions: Loader<ArtifactId, Arc<Vec<ArtifactTransition>>>,
    pub(crate) member_counts: Loader<(Members, Uuid), Count>,
}

/// A loader whose read has the services and a scope of its own.
macro_rules! loader {
    ($at:ident, |$services:ident, $scope:ident, $keys:ident| $read:expr) => {{
        let at = $at.clone();
        Loader::new(move |$keys| {
            let ($services, $scope) = at.clone();
            async move { $read }.boxed()
        })
    }};
}

impl Loaders {
    /// Loaders that read within `scope`.
    pub(crate) fn new(services: &Arc<Services>, scope: &TenantScope) -> Self {
        let at = (Arc::clone(services), scope.clone());
        Self {
            executions: loader!(at, |services, scope, ids| {
                let found = services.executions.find_many(&scope, &ids).await?;
                Ok(by_id(found, |execution| execution.id))
            }),
            sessions: loader!(at, |services, scope, ids| {
                let found = services.state.find_sessions(&scope, &ids).await?;
                Ok(by_id(found, |session| session.id))
            }),
            artifacts: loader!(at, |services, scope, ids| {
                let found = services.artifacts.find_many(&scope, &ids).await?;
                Ok(by_id(found, |artifact| artifact.id))
            }),
            steps: loader!(at, |services, scope, ids| {
                Ok(shared(services.executions.find_steps(&scope, &ids).await?))
            }),
            wait_reasons: loader!(at, |services, scope, ids| {
                Ok(services.executions.find_wait_reasons(&scope, &ids).await?)
            }),
            child_executions: loader!(at, |services, scope, keys| {
                let read = async |ids: Vec<_>, limit| {
                    let found = services
                        .executions
                        .list_first_children(&scope, &ids, limit)
                        .await?;
                    let keyed = |executions: Vec<Execution>| {
                        executions.into_iter().map(|it| (it.id, it)).collect()
                    };
                    Ok::<_, ApiError>(found.into_iter().map(|(id, it)| (id, keyed(it))).collect())
                };
                first_pages(keys, read).await
            }),
            execution_artifacts: loader!(at, |services, scope, keys| {
                let read = async |ids: Vec<_>, limit| {
                    services
                        .artifacts
                        .list_first_of_executions(&scope, &ids, limit)
                        .await
                };
                first_pages(keys, read).await
            }),
            parents: loader!(at, |services, scope, keys| {
                let read = async |ids: Vec<_>, limit| {
                    services
                        .artifacts
                        .list_first_relatives(&scope, &ids, Relation::Parents, limit)
                        .await
                };
                first_pages(keys, read).await
            }),
            children: loader!(at, |services, scope, keys| {
                let read = async |ids: Vec<_>, limit| {
                    services
                        .artifacts
                        .list_first_relatives(&scope, &ids, Relation::Children, limit)
                        .await
                };
                first_pages(keys, read).await
            }),
            materializations: loader!(at, |services, scope, ids| {
                Ok(shared(
                    services
                        .artifacts
                        .find_materializations(&scope, &ids)
                        .await?,
                ))
            }),
            transitions: loader!(at, |services, scope, ids| {
                Ok(shared(
                    services.artifacts.find_transitions(&scope, &ids).await?,
                ))
            }),
            member_counts: loader!(at, |services, scope, keys| {
                let mut by_kind: HashMap<Members, Vec<Uuid>> = HashMap::new();
                for (members, id) in keys {
                    by_kind.entry(members).or_default().push(id);
                }
                let mut counts = HashMap::new();
                for (members, ids) in by_kind {
                    let counted = services.count_members(&scope, members, &ids).await?;
                    counts.extend(counted.into_iter().map(|(id, it)| ((members, id), it)));
                }
                Ok(counts)
            }),
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        self.executions.reset();
        self.sessions.reset();
        self.artifacts.reset();
        self.steps.reset();
        self.wait_reasons.reset();
        self.child_executions.reset();
        self.execution_artifacts.reset();
        self.parents.reset();
        self.children.reset();
        self.materializations.reset();
        self.transitions.reset();
        self.member_counts.reset();
    }
}

fn by_id<K: Eq + Hash, T>(found: Vec<T>, id: impl Fn(&T) -> K) -> HashMap<K, Arc<T>> {
    found
        .into_iter()
        .map(|record| (id(&record), Arc::new(record)))
        .collect()
}

fn shared<K: Eq + Hash, T>(found: HashMap<K, T>) -> HashMap<K, Arc<T>> {
    found
        .into_iter()
        .map(|(id, value)| (id, Arc::new(value)))
        .collect()
}

/// Reads first pages by `read(ids, limit)`: once for each page size among the keys, and one item
/// more than the page holds, to know whether another page follows.
async fn first_pages<Id, K, T, E, F, Fut>(
    keys: Vec<(Id, u32)>,
    read: F,
) -> Result<HashMap<(Id, u32), Arc<SharedPage<K, T>>>, ApiError>
where
    Id: Eq + Hash,
    K: Copy,
    ApiError: From<E>,
    F: Fn(Vec<Id>, u32) -> Fut,
    Fut: Future<Output = Result<HashMap<Id, Vec<(K, T)>>, E>>,
{
    let mut by_size: HashMap<u32, Vec<Id>> = HashMap::new();
    for (id, size) in keys {
        by_size.entry(size).or_default().push(id);
    }
    let mut pages = HashMap::new();
    for (size, ids) in by_size {
        for (id, items) in read(ids, size + 1).await? {
            pages.insert((id, size), Arc::new(first_page(items, size)));
        }
    }
    Ok(pages)
}

fn first_page<K: Copy, T>(items: Vec<(K, T)>, size: u32) -> SharedPage<K, T> {
    let has_next = items.len() > size as usize;
    let items: Vec<_> = items
        .into_iter()
        .take(size as usize)
        .map(|(key, record)| (key, Arc::new(record)))
        .collect();
    Page {
        has_next,
        has_previous: false,
        start: items.first().map(|(key, _)| *key),
        end: items.last().map(|(key, _)| *key),
        items,
    }
}
