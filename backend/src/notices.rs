//! What is wrong with our own installation, as data: told where administrators look, and in the log once.

use crate::now::unix_millis;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};
use wire::{Millis, Say};

/// What a notice is about: its code and the object, which may be empty.
type Key = (String, String);

/// All notices of the process. Cheap to clone; a lock is held for one look.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// With the time since when each holds.
    all: RwLock<BTreeMap<Key, (Say, Millis)>>,
    version: watch::Sender<u64>,
}

// === impl Notices ===

impl Notices {
    /// Adds one, or changes what is said about its object.
    pub fn set(&self, say: Say) {
        let key = (say.code.clone(), object(&say));
        let mut all = self.shared.all.write();
        let known = all.get(&key);
        if known.is_some_and(|(known, _)| *known == say) {
            return;
        }
        let since = known.map_or_else(unix_millis, |(_, since)| *since);
        let told: Vec<String> = say.args.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        warn!(notice = say.code, "{}", told.join("; "));
        all.insert(key, (say, since));
        drop(all);
        self.shared.version.send_modify(|version| *version += 1);
    }

    /// The one without an object is over.
    pub fn clear(&self, code: &str) {
        self.drop_where(|key| key.0 == code);
    }

    /// The one about an object is over.
    pub fn clear_of(&self, code: &str, object: &str) {
        self.drop_where(|key| key.0 == code && key.1 == object);
    }

    /// All that hold, in the order of their codes, each with the time since when (Unix milliseconds).
    #[must_use]
    pub fn all(&self) -> Vec<(Say, Millis)> {
        self.shared.all.read().values().cloned().collect()
    }

    /// Changes with each notice.
    #[must_use]
    pub fn version(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    fn drop_where(&self, over: impl Fn(&Key) -> bool) {
        let mut all = self.shared.all.write();
        let before = all.len();
        all.retain(|key, _| {
            let gone = over(key);
            if gone {
                info!(notice = key.0, object = key.1, "this is well again");
            }
            !gone
        });
        let changed = all.len() != before;
        drop(all);
        if changed {
            self.shared.version.send_modify(|version| *version += 1);
        }
    }
}

/// What a notice is about: an APIService or a file.
fn object(say: &Say) -> String {
    let named = ["apiservice", "file"].map(|name| say.arg(name));
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
}
