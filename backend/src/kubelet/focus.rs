//! Which nodes somebody looks at: these are scraped every two seconds, for the charts alone.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a node stays in focus after the last view of it closed.
const LINGER: Duration = Duration::from_secs(30);

/// Handle by which live views say that somebody looks at a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    nodes: Mutex<HashMap<Arc<str>, Looked>>,
    began: Notify,
}

#[derive(Debug, Default)]
struct Looked {
    views: u32,
    /// When the last view closed.
    left: Option<Instant>,
}

/// Somebody looks at a node until this is dropped.
#[derive(Debug)]
#[must_use = "the look ends when this is dropped"]
pub struct Look {
    shared: Arc<Shared>,
    node: Arc<str>,
}

impl Focus {
    /// The node is scraped every two seconds until 30 s after the last look at it was dropped.
    pub fn look(&self, node: &str) -> Look {
        let node: Arc<str> = node.into();
        let mut nodes = self.shared.nodes.lock();
        let looked = nodes.entry(Arc::clone(&node)).or_default();
        looked.views += 1;
        looked.left = None;
        self.shared.began.notify_one();
        Look { shared: Arc::clone(&self.shared), node }
    }

    /// The nodes in focus.
    pub(super) fn nodes(&self, now: Instant) -> Vec<Arc<str>> {
        let mut nodes = self.shared.nodes.lock();
        nodes.retain(|_, looked| looked.left.is_none_or(|left| now.saturating_duration_since(left) < LINGER));
        nodes.keys().cloned().collect()
    }

    /// Resolves when a look begins; one that began since the last call counts.
    pub(super) async fn began(&self) {
        self.shared.began.notified().await;
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        if let Some(looked) = self.shared.nodes.lock().get_mut(&self.node) {
            looked.views = looked.views.saturating_sub(1);
            if looked.views == 0 {
                looked.left = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stays_in_focus_for_thirty_seconds_after_the_last_look() {
        let focus = Focus::default();
        let now = Instant::now();
        let (one, two) = (focus.look("a"), focus.look("a"));
        drop(one);
        assert_eq!(focus.nodes(now + Duration::from_secs(3600)).len(), 1);
        drop(two);
        assert_eq!(focus.nodes(now + Duration::from_secs(29)).len(), 1);
        assert_eq!(focus.nodes(now + Duration::from_secs(60)).len(), 0);
    }
}
