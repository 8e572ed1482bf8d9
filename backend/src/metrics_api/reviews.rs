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
    entries: Mutex<HashMap<K, Entry<V>>>,
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

impl<K: Eq + Hash + Clone, V: Clone + Send + Sync + 'static> Reviews<K, V> {
    pub(super) fn new(lives: Lives, life: fn(&V, Lives) -> Duration) -> Self {
        Self { entries: Mutex::new(HashMap::new()), life, lives }
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
                    let asked = ask().shared();
                    entries.insert(key.clone(), Entry::Asked(asked.clone()));
                    (asked, false)
                }
            }
        };
        let answer = asked.await;
        let mut entries = self.entries.lock();
        match &answer {
            Ok(value) => {
                // Only the first to come back writes: others must not prolong the answer's life.
                if !matches!(entries.get(&key), Some(Entry::Known(..))) {
                    let until = Instant::now() + (self.life)(value, self.lives);
                    entries.insert(key, Entry::Known(value.clone(), until));
                }
            }
            Err(_) => {
                entries.remove(&key);
            }
        }
        (answer, shared)
    }
}
