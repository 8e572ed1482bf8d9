//! One browser's connection, whatever carries its frames: views, credits, pace, heartbeat, limits.

use super::door::Guest;
use super::hub::Hub;
use super::inbound::Answer;
use super::open::{Open, beginning};
use super::views::Shown;
use crate::session::Permitted;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use wire::browser::Resume;
use wire::{Say, Server, Sub};

/// Frames a browser may leave unacknowledged per view. Two hide one round trip; with more, a slow browser would be shown
/// the past.
pub(super) const CREDIT: usize = 2;
/// Views of one connection.
pub(super) const VIEWS: usize = 16;
/// Changes are looked at this often at most, however many there are.
const CALM: Duration = Duration::from_millis(50);
/// A browser that does not acknowledge for this long is too slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// Below the 25 s at which the first proxies cut idle connections.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Without a word from the browser for this long the connection is dead.
const SILENCE: Duration = Duration::from_secs(45);
/// Frames that may wait for the transport: all credits of all views, and some states and answers.
pub const OUTBOUND: usize = VIEWS * CREDIT + 32;

/// Why a connection ended: the socket's close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    Gone = 1000,
    Protocol = 4400,
    NotSignedIn = 4401,
    TooSlow = 4408,
    SignedOut = 4410,
    Limit = 4413,
    Draining = 4503,
}

/// A signed-in browser's connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) hub: Hub,
    pub(super) guest: Arc<dyn Guest>,
    pub(super) out: mpsc::Sender<Bytes>,
    pub(super) views: BTreeMap<Sub, Open>,
    /// When the last frames went out, oldest first.
    pub(super) sent: VecDeque<Instant>,
    pub(super) heard: Instant,
    pub(super) second: (Instant, u32),
    /// Questions to the API server in flight: who is slow there holds up one view, not the connection.
    pub(super) asks: JoinSet<Answer>,
    /// How many of them are for YAML.
    pub(super) yamls: usize,
    /// Numbers the views' questions.
    pub(super) asked: u64,
}

impl Connection {
    pub fn new(hub: Hub, guest: Arc<dyn Guest>, out: mpsc::Sender<Bytes>) -> Self {
        let now = Instant::now();
        let (views, sent, asks) = (BTreeMap::new(), VecDeque::new(), JoinSet::new());
        Self { hub, guest, out, views, sent, heard: now, second: (now, 0), asks, yamls: 0, asked: 0 }
    }

    /// Serves until the browser goes, the session ends or the process drains. What was shown is kept for a minute when
    /// the connection broke, so that the browser can go on.
    pub async fn run(mut self, resume: Vec<Resume>, mut inbound: mpsc::Receiver<Bytes>) -> Close {
        let parts = self.hub.shared.parts.clone();
        let mut ended = self.guest.ended();
        let mut draining = parts.draining.clone();
        let mut pulse = self.pulse();
        let mut revoked = parts.authority.revoked();
        let (mut ping, mut watched, mut calm) = (Instant::now() + HEARTBEAT, true, Instant::now());
        let welcome = Server::Welcome {
            version: wire::VERSION,
            now: super::now(),
            cluster: parts.cluster.to_string(),
            kubernetes: parts.kubernetes.borrow().clone(),
            expires: self.guest.expires(),
            resolution: parts.resolution,
        };
        let mut close = self.say(&Permitted::nothing().map(|()| welcome));
        for Resume { sub, view, seq } in resume.into_iter().take(VIEWS) {
            let kept = self.hub.resume(self.guest.id(), sub, seq, &view);
            let seq = if kept.is_some() { seq } else { beginning() };
            self.open(sub, view, kept, seq);
        }
        let close = loop {
            if let Some(close) = close {
                break close;
            }
            let now = Instant::now();
            if *draining.borrow() {
                self.notice(Say::new("S-DRAINING"));
                break Close::Draining;
            }
            if *ended.borrow() || super::now() >= self.guest.expires() {
                self.notice(self.guest.why());
                break Close::SignedOut;
            }
            if now - self.heard > SILENCE {
                break Close::Gone;
            }
            if self.views.values().any(|open| open.unacked.front().is_some_and(|(_, at)| now - *at > PATIENCE)) {
                break Close::TooSlow;
            }
            if now >= ping {
                ping = now + HEARTBEAT;
                close = self.say(&Permitted::nothing().map(|()| Server::Ping { now: super::now() }));
            }
            if let Some(wrong) = self.send().await {
                break wrong;
            }
            let wake = self.wake().min(ping).min(now + Duration::from_secs(1));
            tokio::select! {
                frame = inbound.recv() => close = match frame {
                    Some(bytes) => self.receive(&bytes),
                    None => Some(Close::Gone),
                },
                () = sleep_until(wake) => {}
                () = pulse.moved(calm), if wake > calm => calm = Instant::now() + CALM,
                () = turned(&mut ended) => {}
                () = turned(&mut draining) => {}
                Some(answer) = self.asks.join_next() => close = self.answered(answer.ok()),
                moved = revoked.changed(), if watched => {
                    watched = moved.is_ok();
                    self.views.values_mut().for_each(|open| (open.sight, open.asking) = (None, None));
                }
            }
        };
        if matches!(close, Close::Gone | Close::TooSlow) {
            for (sub, open) in std::mem::take(&mut self.views) {
                if let Some(shown) = open.shown.filter(Shown::anything) {
                    self.hub.keep(self.guest.id(), sub, open.seq, open.view, shown);
                }
            }
        }
        close
    }

    fn pulse(&self) -> Pulse {
        let parts = &self.hub.shared.parts;
        let objects = &parts.objects;
        let mut receivers = vec![objects.nodes.version(), objects.namespaces.version(), objects.pods.version()];
        receivers.extend([objects.replica_sets.version(), objects.deployments.version(), objects.services.version()]);
        receivers.extend([objects.endpoint_slices.version(), objects.events.version()]);
        receivers.extend([parts.history.rounds(), parts.coverage.version(), parts.notices.version()]);
        Pulse(receivers)
    }

    fn notice(&self, say: Say) {
        // The connection ends right after: a browser that no longer reads is told by the close code.
        _ = self.say(&Permitted::nothing().map(|()| Server::Notice(say)));
    }

    pub(super) fn fault(&self, sub: Option<Sub>, say: Say) -> Option<Close> {
        self.say(&Permitted::nothing().map(|()| Server::Fault { sub, say }))
    }

    /// Hands a frame to the transport. One that has so many frames waiting is too slow.
    pub(super) fn say(&self, frame: &Permitted<Server>) -> Option<Close> {
        let bytes = frame.as_ref().map(|frame| Bytes::from(wire::encode(frame))).release();
        match self.out.try_send(bytes) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(_)) => Some(Close::TooSlow),
            Err(mpsc::error::TrySendError::Closed(_)) => Some(Close::Gone),
        }
    }
}

/// Resolves when a flag is up; never when who could raise it is gone.
async fn turned(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|up| *up).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Anything that moved.
struct Pulse(Vec<watch::Receiver<u64>>);

impl Pulse {
    /// Resolves at the first change there was or will be, not before `calm`.
    async fn moved(&mut self, calm: Instant) {
        sleep_until(calm).await;
        while !self.0.is_empty() {
            let waits = self.0.iter_mut().map(|receiver| Box::pin(receiver.changed()));
            let (result, at, _) = futures::future::select_all(waits).await;
            if result.is_ok() {
                return;
            }
            self.0.swap_remove(at); // its writer is gone: it will not move again
        }
        std::future::pending::<()>().await;
    }
}
