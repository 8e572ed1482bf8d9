//! One open view of a connection, and how it is opened.

use super::connection::Connection;
use super::permits::Sight;
use super::views::Shown;
use std::collections::VecDeque;
use tokio::time::Instant;
use wire::{Sub, View, ViewState};

#[derive(Debug)]
pub(super) struct Open {
    pub(super) view: View,
    /// `None` only while it is being computed.
    pub(super) shown: Option<Shown>,
    pub(super) seq: u32,
    pub(super) unacked: VecDeque<(u32, Instant)>,
    /// Not before.
    pub(super) next: Instant,
    /// Answers to the person are not held back by the connection's pace.
    pub(super) answer: bool,
    pub(super) version: Option<u64>,
    pub(super) sight: Option<(Instant, Sight)>,
    /// The question in flight whose answer will be `sight`.
    pub(super) asking: Option<u64>,
    pub(super) state: Option<ViewState>,
    /// Nothing leaves until the person's rights are known to allow it.
    pub(super) blocked: bool,
    /// Keeps the node behind the view scraped often.
    pub(super) look: Option<Box<dyn std::any::Any + Send>>,
}

impl Connection {
    pub(super) fn open(&mut self, sub: Sub, view: View, kept: Option<Shown>, seq: u32) {
        let shown = Some(kept.unwrap_or_else(|| Shown::new(&view)));
        let (unacked, next) = (VecDeque::new(), Instant::now());
        let (answer, version, sight, asking, state, blocked, look) = (true, None, None, None, None, false, None);
        let open = Open { view, shown, seq, unacked, next, answer, version, sight, asking, state, blocked, look };
        self.views.insert(sub, open);
    }
}

/// Where a view's frame numbers begin: at random, see [`Hub::keep`].
pub(super) fn beginning() -> u32 {
    getrandom::u32().unwrap_or_default() >> 2
}
