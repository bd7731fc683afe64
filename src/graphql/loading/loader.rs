//! A loader turns the loads of many resolvers into one read, and answers a key once per request.
//!
//! Whoever asks first becomes the leader of the batch: it lets the other resolvers of the request
//! run until no more keys arrive, then reads them all. Everything happens in the request's own
//! task, so a request that is dropped takes its reads with it. A leader that is dropped alone (a
//! failed sibling cancels it) leaves the others awake: they elect another.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::api::ApiError;

/// The most keys of one read.
const MAX_KEYS: usize = 1_000;

type Answer<V> = Result<Option<V>, ApiError>;
type Read<K, V> =
    Box<dyn Fn(Vec<K>) -> BoxFuture<'static, Result<HashMap<K, V>, ApiError>> + Send + Sync>;

/// The resolvers that wait, by the key that they wait for.
type Waiting<K, V> = HashMap<K, Vec<oneshot::Sender<Answer<V>>>>;

/// Loads values of one kind by key for one request.
pub(crate) struct Loader<K, V> {
    read: Read<K, V>,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    known: HashMap<K, Option<V>>,
    waiting: Waiting<K, V>,
    has_leader: bool,
    generation: u64,
}

enum Turn<V> {
    Known(Option<V>),
    Wait(oneshot::Receiver<Answer<V>>),
    Lead,
}

impl<K, V> Loader<K, V>
where
    K: Eq + Hash + Clone + Send,
    V: Clone + Send,
{
    /// A loader that reads by `read`: values for those of the keys that there are.
    pub(crate) fn new<F>(read: F) -> Self
    where
        F: Fn(Vec<K>) -> BoxFuture<'static, Result<HashMap<K, V>, ApiError>>
            + Send
            + Sync
            + 'static,
    {
        Self {
            read: Box::new(read),
            state: Mutex::new(State {
                known: HashMap::new(),
                waiting: HashMap::new(),
                has_leader: false,
                generation: 0,
            }),
        }
    }

    /// The value of `key`; none where there is none.
    pub(crate) async fn load(&self, key: K) -> Answer<V> {
        loop {
            match self.enter(&key) {
                Turn::Known(value) => return Ok(value),
                Turn::Lead => return self.lead(&key).await,
                Turn::Wait(answer) => {
                    if let Ok(answer) = answer.await {
                        return answer;
                    }
                }
            }
        }
    }

    /// The values of those `keys` that there are, in the order of the keys.
    pub(crate) async fn load_many(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<V>, ApiError> {
        let loads = keys.into_iter().map(|key| self.load(key));
        let values = futures::future::try_join_all(loads).await?;
        Ok(values.into_iter().flatten().collect())
    }

    /// Forgets what was read, because it may have changed since.
    pub(crate) fn reset(&self) {
        let mut state = self.lock();
        state.known.clear();
        state.generation += 1;
    }

    fn enter(&self, key: &K) -> Turn<V> {
        let mut state = self.lock();
        if let Some(value) = state.known.get(key) {
            return Turn::Known(value.clone());
        }
        let has_leader = std::mem::replace(&mut state.has_leader, true);
        let waiting = state.waiting.entry(key.clone()).or_default();
        if !has_leader {
            return Turn::Lead;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.push(sender);
        Turn::Wait(receiver)
    }

    async fn lead(&self, key: &K) -> Answer<V> {
        let leadership = Leadership(self);
        let mut queued = 0;
        loop {
            tokio::task::yield_now().await;
            let now = self.lock().waiting.len();
            if now == queued {
                break;
            }
            queued = now;
        }
        let (waiting, generation) = leadership.take_keys();
        let values = self.read_all(waiting.keys().cloned().collect()).await;
        self.answer(waiting, &values, generation);
        values.map(|values| values.get(key).cloned())
    }

    async fn read_all(&self, keys: Vec<K>) -> Result<HashMap<K, V>, ApiError> {
        let mut values = HashMap::with_capacity(keys.len());
        for chunk in keys.chunks(MAX_KEYS) {
            values.extend((self.read)(chunk.to_vec()).await?);
        }
        Ok(values)
    }

    fn answer(
        &self,
        waiting: Waiting<K, V>,
        values: &Result<HashMap<K, V>, ApiError>,
        generation: u64,
    ) {
        let mut state = self.lock();
        for (key, senders) in waiting {
            let answer = values.as_ref().map(|values| values.get(&key).cloned());
            for sender in senders {
                // Whoever waited may have been dropped meanwhile.
                let _ = sender.send(answer.clone().map_err(ApiError::clone));
            }
            if let Ok(value) = answer
                && state.generation == generation
            {
                state.known.insert(key, value);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the leader until it takes the keys.
struct Leadership<'a, K, V>(&'a Loader<K, V>);

impl<K, V> Leadership<'_, K, V> {
    /// Takes the keys to read; whoever comes now begins another batch.
    fn take_keys(self) -> (Waiting<K, V>, u64) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_leader = false;
        let taken = (std::mem::take(&mut state.waiting), state.generation);
        drop(state);
        std::mem::forget(self);
        taken
    }
}

impl<K, V> Drop for Leadership<'_, K, V> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_leader = false;
        // Dropping the senders wakes the others, who ask again.
        state.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures::{FutureExt, future::join_all};

    use super::*;

    /// Doubles even keys, knows no odd ones, counts its reads.
    fn doubling(reads: &Arc<AtomicUsize>) -> Loader<u32, u32> {
        let reads = Arc::clone(reads);
        Loader::new(move |keys| {
            reads.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                let even = keys.into_iter().filter(|key| key % 2 == 0);
                Ok(even.map(|key| (key, key * 2)).collect())
            }
            .boxed()
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn loads_of_one_level_share_a_read_and_so_do_those_of_the_next() {
        let (first, second) = (Arc::default(), Arc::default());
        let (outer, inner) = (doubling(&first), doubling(&second));
        let nested = async |key: u32| {
            let value = outer.load(key).await?.unwrap_or_default();
            inner.load(value).await
        };
        let answers = join_all((0..600_u32).map(|n| nested(n * 2))).await;
        let expected = (0..600_u32).map(|n| Ok(Some(n * 8)));
        assert!(answers.into_iter().eq(expected));
        assert_eq!(first.load(Ordering::Relaxed), 1);
        assert_eq!(second.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_answer_is_remembered_even_that_there_is_none() {
        let reads = Arc::default();
        let loader = doubling(&reads);
        for _ in 0..3 {
            assert_eq!(loader.load(3).await, Ok(None));
            assert_eq!(loader.load(4).await, Ok(Some(8)));
        }
        assert_eq!(reads.load(Ordering::Relaxed), 2);
        loader.reset();
        assert_eq!(loader.load(4).await, Ok(Some(8)));
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn more_keys_than_a_read_takes_are_read_in_parts() {
        let reads = Arc::default();
        let loader = doubling(&reads);
        let values = loader.load_many((0..5_000).step_by(2)).await.unwrap();
        assert_eq!(values.len(), 2_500);
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn when_the_leader_is_dropped_another_reads() {
        let reads = Arc::default();
        let loader = doubling(&reads);
        let mut first = Box::pin(loader.load(2));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(loader.load(4));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(second.await, Ok(Some(8)));
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failed_read_fails_all_who_waited_and_is_not_remembered() {
        let reads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&reads);
        let loader = Loader::<u32, u32>::new(move |keys| {
            let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if first {
                    return Err(ApiError::bad_input("down"));
                }
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
            .boxed()
        });
        let failed = join_all([loader.load(1), loader.load(2)]).await;
        assert!(failed.iter().all(Result::is_err));
        assert_eq!(loader.load(1).await, Ok(Some(1)));
    }
}
