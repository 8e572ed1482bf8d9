//! A cache of reviews: equal questions in flight share one call, answers live a few seconds, failures are not kept.

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Answers kept; a review storm clears what is out of date, then everything.
const ENTRIES: usize = 8192;

type Asked<V> = Shared<BoxFuture<'static, Result<V, Arc<str>>>>;

pub(super) struct Reviews<K, V> {
    entries: Arc<Mutex<HashMap<K, Entry<V>>>>,
    /// How long an answer is kept.
    life: fn(&V, Lives) -> Duration,
    lives: Lives,
}

/// Of an answer that allows, and of one that refuses.
pub(super) type Lives = (Duration, Duration);

enum Entry<V> {
    Asked(Asked<V>),
    Known(V, Instant),
}

impl<K: Eq + Hash + Clone + Send + 'static, V: Clone + Send + Sync + 'static> Reviews<K, V> {
    pub(super) fn new(lives: Lives, life: fn(&V, Lives) -> Duration) -> Self {
        Self { entries: Arc::default(), life, lives }
    }

    /// The answer to `key`, by `ask` when nobody knows it, and whether it was known or already asked for.
    pub(super) async fn get(
        &self,
        key: K,
        ask: impl FnOnce() -> BoxFuture<'static, Result<V, Arc<str>>>,
    ) -> (Result<V, Arc<str>>, bool) {
        let (asked, shared) = {
            let now = Instant::now();
            let mut entries = self.entries.lock();
            match entries.get(&key) {
                Some(Entry::Known(value, until)) if *until > now => return (Ok(value.clone()), true),
                Some(Entry::Asked(asked)) => (asked.clone(), true),
                _ => {
                    if entries.len() >= ENTRIES {
                        entries.retain(|_, entry| !matches!(entry, Entry::Known(_, until) if *until <= now));
                        if entries.len() >= ENTRIES {
                            entries.clear();
                        }
                    }
                    // On a task of its own: the question outlives who asked first, and its answer is kept from when it
                    // comes, though nobody waits for it any more.
                    let (question, known) = (ask(), Arc::clone(&self.entries));
                    let (life, lives, of) = (self.life, self.lives, key.clone());
                    let task = tokio::spawn(async move {
                        let answer = question.await;
                        let mut known = known.lock();
                        match &answer {
                            Ok(value) => {
                                drop(
                                    known.insert(of, Entry::Known(value.clone(), Instant::now() + life(value, lives))),
                                );
                            }
                            Err(_) => drop(known.remove(&of)),
                        }
                        answer
                    });
                    let asked = async { task.await.unwrap_or_else(|error| Err(error.to_string().into())) };
                    let asked = asked.boxed().shared();
                    entries.insert(key, Entry::Asked(asked.clone()));
                    (asked, false)
                }
            }
        };
        (asked.await, shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::oneshot;

    const LIVES: Lives = (Duration::from_secs(10), Duration::from_secs(10));

    /// Who gives up waiting leaves the question to the next, and the answer is as old as it is.
    #[tokio::test(start_paused = true)]
    async fn a_question_that_nobody_waits_for_is_answered_all_the_same() {
        let reviews = Arc::new(Reviews::<u8, u32>::new(LIVES, |_, (life, _)| life));
        let asked = Arc::new(AtomicU32::new(0));
        let (answer, answers) = oneshot::channel::<u32>();
        let counted = Arc::clone(&asked);
        let first = reviews.get(1, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { answers.await.map_err(|error| error.to_string().into()) }.boxed()
        });
        // The caller goes before the answer comes.
        assert!(tokio::time::timeout(Duration::from_secs(1), first).await.is_err());
        answer.send(7).unwrap();
        let none = || async { Err("asked again".into()) }.boxed();
        tokio::task::yield_now().await;
        assert_eq!(reviews.get(1, none).await, (Ok(7), true));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn failures_are_not_kept() {
        let reviews = Reviews::<u8, u32>::new(LIVES, |_, (life, _)| life);
        assert!(reviews.get(1, || async { Err("down".into()) }.boxed()).await.0.is_err());
        assert_eq!(reviews.get(1, || async { Ok(3) }.boxed()).await, (Ok(3), false));
    }
}
