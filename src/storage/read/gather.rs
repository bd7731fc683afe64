//! Reads in company: while one query is on its way, the questions that come meanwhile wait and go
//! together into the next one. One that comes alone does not wait.
//!
//! A question is answered by a query that began after it was asked, so nothing that was committed
//! before is missed; and those who ask the same get the same answer.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    future::Future,
    hash::Hash,
    sync::Arc,
};

use sea_orm::DbErr;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::super::Error;

/// The number of questions that may wait before those who ask wait for a place.
const WAITING: usize = 1024;

struct Question<K, V> {
    key: K,
    asker: oneshot::Sender<Result<Option<V>, Error>>,
}

/// The way in. Clones share the queue.
#[derive(Debug)]
pub(in crate::storage) struct Gather<K, V> {
    questions: mpsc::Sender<Question<K, V>>,
}

impl<K, V> Clone for Gather<K, V> {
    fn clone(&self) -> Self {
        let questions = self.questions.clone();
        Self { questions }
    }
}

impl<K, V> Gather<K, V>
where
    K: Debug + Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// Answers by `load`, at most `most` keys at a time and `queries` at once, until the last handle
    /// is dropped.
    pub(in crate::storage) fn start<F, Fut>(queries: usize, most: usize, load: F) -> Self
    where
        F: Fn(Vec<K>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, Error>> + Send + 'static,
    {
        let (questions, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..queries {
            tokio::spawn(answer_all(Arc::clone(&waiting), most, load.clone()));
        }
        Self { questions }
    }

    /// Returns the value under `key`.
    pub(in crate::storage) async fn get(&self, key: K) -> Result<Option<V>, Error> {
        let (asker, answer) = oneshot::channel();
        let sent = self.questions.send(Question { key, asker }).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

async fn answer_all<K, V, F, Fut>(
    waiting: Arc<Mutex<mpsc::Receiver<Question<K, V>>>>,
    most: usize,
    load: F,
) where
    K: Clone + Eq + Hash,
    V: Clone,
    F: Fn(Vec<K>) -> Fut,
    Fut: Future<Output = Result<HashMap<K, V>, Error>>,
{
    loop {
        let mut questions = Vec::new();
        if waiting.lock().await.recv_many(&mut questions, most).await == 0 {
            return;
        }
        // Whoever has gone meanwhile needs no answer.
        questions.retain(|question| !question.asker.is_closed());
        let keys: HashSet<K> = questions
            .iter()
            .map(|question| question.key.clone())
            .collect();
        let is_alone = keys.len() < 2;
        match load(keys.into_iter().collect()).await {
            Ok(found) => questions.into_iter().for_each(|question| {
                let _ = question.asker.send(Ok(found.get(&question.key).cloned()));
            }),
            Err(error) if is_alone || matches!(error, Error::Unavailable(_)) => {
                fail(questions, error);
            }
            // A row that cannot be read must not spoil the others.
            Err(_) => {
                for question in questions {
                    let found = load(vec![question.key.clone()]).await;
                    let found = found.map(|mut found| found.remove(&question.key));
                    let _ = question.asker.send(found);
                }
            }
        }
    }
}

/// The first one gets the cause, the others its kind.
fn fail<K, V>(questions: Vec<Question<K, V>>, error: Error) {
    let mut error = Some(error);
    for question in questions {
        let cause = error.take().unwrap_or_else(|| {
            Error::Unavailable(DbErr::Custom("the query of several reads failed".into()))
        });
        let _ = question.asker.send(Err(cause));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Blocking;

    use tokio::sync::Semaphore;

    use super::*;

    type Seen = Arc<Blocking<Vec<Vec<i32>>>>;

    /// Doubles its keys, one query for each permit; key 13 cannot be read.
    fn doubling(permits: &Arc<Semaphore>, seen: &Seen) -> Gather<i32, i32> {
        let (permits, seen) = (Arc::clone(permits), Arc::clone(seen));
        Gather::start(1, 100, move |mut keys: Vec<i32>| {
            let (permits, seen) = (Arc::clone(&permits), Arc::clone(&seen));
            async move {
                keys.sort_unstable();
                seen.lock().unwrap().push(keys.clone());
                permits.acquire().await.unwrap().forget();
                if keys.contains(&13) {
                    return Err(Error::Corrupt {
                        what: "key",
                        source: None,
                    });
                }
                Ok(keys.into_iter().map(|key| (key, 2 * key)).collect())
            }
        })
    }

    #[tokio::test]
    async fn those_that_wait_go_together_and_equal_ones_are_asked_once() {
        let (permits, seen) = (Arc::new(Semaphore::new(0)), Seen::default());
        let gather = doubling(&permits, &seen);
        let first = tokio::spawn({
            let gather = gather.clone();
            async move { gather.get(1).await }
        });
        while seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let later = async { futures::join!(gather.get(2), gather.get(3), gather.get(2)) };
        let release = async {
            tokio::task::yield_now().await;
            permits.add_permits(2);
        };
        let ((two, three, again), ()) = futures::join!(later, release);
        assert_eq!(first.await.unwrap().unwrap(), Some(2));
        assert_eq!(
            [two, three, again].map(Result::unwrap),
            [Some(4), Some(6), Some(4)]
        );
        assert_eq!(*seen.lock().unwrap(), [vec![1], vec![2, 3]]);
    }

    #[tokio::test]
    async fn one_that_cannot_be_read_does_not_spoil_the_others() {
        let (permits, seen) = (Arc::new(Semaphore::new(0)), Seen::default());
        let gather = doubling(&permits, &seen);
        let asked = async { futures::join!(gather.get(1), gather.get(13), gather.get(2)) };
        let release = async { permits.add_permits(10) };
        let ((one, bad, two), ()) = futures::join!(asked, release);
        assert_eq!((one.unwrap(), two.unwrap()), (Some(2), Some(4)));
        assert!(matches!(bad, Err(Error::Corrupt { .. })));
    }
}
