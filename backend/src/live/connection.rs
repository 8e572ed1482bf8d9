//! One browser's connection, whatever carries its frames: views, credits, pace, heartbeat, limits.

use super::door::Guest;
use super::hub::Hub;
use super::permits::Sight;
use super::views::{self, Shown};
use crate::session::Permitted;
use crate::session::gate::denied;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use wire::browser::Resume;
use wire::{Browser, Say, Server, Sub, View, ViewState};

/// Frames a browser may leave unacknowledged per view. Two hide one round trip; with more, a slow browser would be shown
/// the past.
const CREDIT: usize = 2;
/// Views of one connection.
const VIEWS: usize = 16;
/// Between two frames of a view.
const PACE: Duration = Duration::from_millis(250);
/// Between two frames of a view that is made of everything, also when the first of them said nothing new.
const SLOW: Duration = Duration::from_secs(1);
/// Changes are looked at this often at most, however many there are.
const CALM: Duration = Duration::from_millis(50);
/// Frames of a connection in a second, answers to the person apart.
const FRAMES: usize = 10;
/// Frames from the browser in a second.
const INBOUND: u32 = 64;
/// For the API server's answer to a question.
const ANSWER: Duration = Duration::from_secs(15);
/// Questions for YAML in flight.
const YAMLS: usize = 4;
/// A browser that does not acknowledge for this long is too slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// Below the 25 s at which the first proxies cut idle connections.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Without a word from the browser for this long the connection is dead.
const SILENCE: Duration = Duration::from_secs(45);
/// How old a permit may be.
const PERMIT: Duration = Duration::from_secs(10);
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
    hub: Hub,
    guest: Arc<dyn Guest>,
    out: mpsc::Sender<Bytes>,
    views: BTreeMap<Sub, Open>,
    /// When the last frames went out, oldest first.
    sent: VecDeque<Instant>,
    heard: Instant,
    second: (Instant, u32),
    /// Questions to the API server in flight: who is slow there holds up one view, not the connection.
    asks: JoinSet<Answer>,
    /// How many of them are for YAML.
    yamls: usize,
    /// Numbers the views' questions.
    asked: u64,
}

/// What came back.
enum Answer {
    Sight(Sub, u64, Box<Sight>),
    Yaml(u32, Result<String, Say>),
}

#[derive(Debug)]
struct Open {
    view: View,
    /// `None` only while it is being computed.
    shown: Option<Shown>,
    seq: u32,
    unacked: VecDeque<(u32, Instant)>,
    /// Not before.
    next: Instant,
    /// Answers to the person are not held back by the connection's pace.
    answer: bool,
    version: Option<u64>,
    sight: Option<(Instant, Sight)>,
    /// The question in flight whose answer will be `sight`.
    asking: Option<u64>,
    state: Option<ViewState>,
    /// Keeps the node behind the view scraped often.
    look: Option<Box<dyn std::any::Any + Send>>,
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
                self.notice(Say::new("LOGIN_ENDED").with("reason", "it ended or ran out"));
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
        receivers.extend([parts.history.rounds(), parts.coverage.version()]);
        Pulse(receivers)
    }

    /// Takes one frame of the browser.
    fn receive(&mut self, bytes: &[u8]) -> Option<Close> {
        let now = Instant::now();
        self.heard = now;
        if now - self.second.0 >= Duration::from_secs(1) {
            self.second = (now, 0);
        }
        self.second.1 += 1;
        let Ok(frame) = wire::decode::<Browser>(bytes) else { return Some(Close::Protocol) };
        let cheap = matches!(frame, Browser::Ack { .. } | Browser::Pong | Browser::Close { .. });
        if self.second.1 > INBOUND && !cheap {
            // The first one too many is answered; answering all of them would be the flood's echo.
            let first = self.second.1 == INBOUND + 1;
            return first.then(|| self.fault(None, Say::new("LIMIT_RATE").with("max", INBOUND.to_string()))).flatten();
        }
        match frame {
            Browser::Auth { .. } | Browser::SignIn { .. } => return Some(Close::Protocol),
            Browser::Open { sub, .. } if self.views.contains_key(&sub) => {
                return self.fault(Some(sub), Say::new("SUB_USED"));
            }
            Browser::Open { sub, .. } if self.views.len() >= VIEWS => {
                return self.fault(Some(sub), Say::new("LIMIT_VIEWS").with("max", VIEWS.to_string()));
            }
            Browser::Open { sub, view } => self.open(sub, view, None, beginning()),
            Browser::Alter { sub, view } => {
                let Some(open) = self.views.get_mut(&sub) else {
                    return self.fault(Some(sub), Say::new("SUB_UNKNOWN"));
                };
                if views::needs(&open.view) != views::needs(&view) {
                    (open.sight, open.asking) = (None, None);
                }
                match &mut open.shown {
                    Some(Shown::Table(table)) if matches!(view, View::Table(_)) => table.renew(),
                    shown => *shown = Some(Shown::new(&view)),
                }
                (open.view, open.answer, open.version, open.next, open.look) = (view, true, None, now, None);
            }
            Browser::Close { sub } => _ = self.views.remove(&sub),
            Browser::Ack { sub, seq } => {
                if let Some(open) = self.views.get_mut(&sub) {
                    let known = open.unacked.len();
                    open.unacked.retain(|(sent, _)| *sent != seq);
                    if open.unacked.len() == known {
                        return self.fault(Some(sub), Say::new("ACK_UNKNOWN").with("seq", seq.to_string()));
                    }
                }
            }
            Browser::Hold { sub, on } => {
                if let Some(open) = self.views.get_mut(&sub) {
                    open.version = None;
                    if let Some(shown) = &mut open.shown {
                        shown.hold(on);
                    }
                }
            }
            Browser::Yaml { ask, .. } if self.yamls >= YAMLS => {
                let text = Err(Say::new("E-RATE").with("s", "1"));
                return self.say(&Permitted::nothing().map(|()| Server::Yaml { ask, text }));
            }
            Browser::Yaml { ask, kind, namespace, name } => {
                let guest = Arc::clone(&self.guest);
                self.yamls += 1;
                self.asks.spawn(async move {
                    let late = || Err(Say::new("E-TIMEOUT").with("s", ANSWER.as_secs().to_string()));
                    let text = timeout(ANSWER, guest.yaml(kind, &namespace, &name)).await;
                    Answer::Yaml(ask, text.unwrap_or_else(|_| late()))
                });
            }
            Browser::Pong => {}
            Browser::SignOut => self.guest.end(),
        }
        None
    }

    /// Asks what a view may show.
    fn ask(&mut self, sub: Sub) {
        let Some(open) = self.views.get_mut(&sub) else { return };
        self.asked += 1;
        let number = self.asked;
        open.asking = Some(number);
        let (needs, spaces) = views::needs(&open.view);
        let (authority, guest) = (Arc::clone(&self.hub.shared.parts.authority), Arc::clone(&self.guest));
        self.asks.spawn(async move {
            let sight = timeout(ANSWER, Sight::ask(&*authority, guest.identity(), &needs, spaces)).await;
            Answer::Sight(sub, number, Box::new(sight.unwrap_or_else(|_| Sight::late(ANSWER))))
        });
    }

    /// Takes what the API server said; `None`: the question itself failed.
    fn answered(&mut self, answer: Option<Answer>) -> Option<Close> {
        let Some(answer) = answer else {
            // Which one is not known: all are asked again.
            self.views.values_mut().for_each(|open| open.asking = None);
            return None;
        };
        match answer {
            Answer::Yaml(ask, text) => {
                self.yamls = self.yamls.saturating_sub(1);
                // Read with the person's own credential: the API server's answer to them is the permit.
                self.say(&Permitted::nothing().map(|()| Server::Yaml { ask, text }))
            }
            Answer::Sight(sub, number, fresh) => {
                let open = self.views.get_mut(&sub).filter(|open| open.asking == Some(number))?;
                open.asking = None;
                if open.sight.as_ref().is_none_or(|(_, known)| *known != *fresh) {
                    open.version = None;
                }
                open.sight = Some((Instant::now(), *fresh));
                None
            }
        }
    }

    fn open(&mut self, sub: Sub, view: View, kept: Option<Shown>, seq: u32) {
        let shown = Some(kept.unwrap_or_else(|| Shown::new(&view)));
        let (unacked, next) = (VecDeque::new(), Instant::now());
        let (answer, version, sight, asking, state, look) = (true, None, None, None, None, None);
        let open = Open { view, shown, seq, unacked, next, answer, version, sight, asking, state, look };
        self.views.insert(sub, open);
    }

    /// Sends what is due: at most one frame a view.
    async fn send(&mut self) -> Option<Close> {
        let shared = Arc::clone(&self.hub.shared);
        let subs: Vec<Sub> = self.views.keys().copied().collect();
        for sub in subs {
            let now = Instant::now();
            while self.sent.front().is_some_and(|at| now - *at > Duration::from_secs(1)) {
                self.sent.pop_front();
            }
            let paced = self.sent.len() >= FRAMES;
            let Some(open) = self.views.get_mut(&sub) else { continue };
            if open.sight.as_ref().is_none_or(|(asked, _)| now - *asked > PERMIT) {
                // Nothing leaves on an old permit; the other views go on meanwhile.
                if open.asking.is_none() {
                    self.ask(sub);
                }
                continue;
            }
            let Some((_, sight)) = &open.sight else { continue };
            let (needs, _) = views::needs(&open.view);
            let first = needs.first().map(|need| sight.scope(need));
            let refused = views::strict(&open.view) && first.as_ref().is_some_and(crate::session::Scope::is_empty);
            let state = match &sight.undecided {
                Some(reason) => ViewState::Failed(Say::new("E-UNDECIDED").with("reason", reason)),
                None if refused => ViewState::Denied(lacking(&open.view)),
                None => views::state(&shared, &open.view),
            };
            let blocked = refused || sight.undecided.is_some();
            if !blocked
                && open.look.is_none()
                && first.as_ref().is_some_and(|scope| !scope.is_empty())
                && let Some(focus) = &shared.parts.focus
                && let Some(node) = views::node(&shared, &open.view)
            {
                open.look = Some(focus(&node));
            }
            let mut frames = Vec::new();
            if refused && open.shown.as_ref().is_some_and(Shown::anything) {
                frames.push(Server::Revoked { sub, say: lacking(&open.view) });
                open.shown = Some(Shown::new(&open.view));
            }
            if open.state.as_ref() != Some(&state) {
                open.state = Some(state.clone());
                frames.push(Server::State { sub, state });
            }
            let version = views::version(&shared, &open.view);
            let due = open.shown.as_ref().and_then(Shown::due).is_some_and(|due| super::now() >= due);
            let moved = open.version != Some(version) || due;
            let ready = !blocked && moved && now >= open.next && open.unacked.len() < CREDIT;
            let mut frame = None;
            if ready
                && (open.answer || !paced)
                && let Some(mut shown) = open.shown.take()
            {
                let (view, sight, base) = (open.view.clone(), sight.clone(), open.seq);
                let seq = base.wrapping_add(1);
                let Ok(_desk) = shared.desks.acquire().await else { return Some(Close::Gone) };
                let world = Arc::clone(&shared);
                let work = tokio::task::spawn_blocking(move || {
                    let frame = shown.frame(&world, &view, &sight, (sub, seq, base), super::now());
                    (shown, frame)
                });
                let Ok((shown, fresh)) = work.await else { return Some(Close::Gone) };
                open.shown = Some(shown);
                match fresh {
                    Some(fresh) => {
                        open.seq = seq;
                        open.unacked.push_back((seq, now));
                        open.next = now + pace(&open.view);
                        open.answer = false;
                        self.sent.push_back(now);
                        frame = Some(fresh);
                    }
                    // Asked again until there is nothing left to say: usage comes after the rows.
                    None => {
                        open.version = Some(version);
                        if pace(&open.view) > PACE {
                            open.next = now + pace(&open.view);
                        }
                    }
                }
            }
            for frame in frames {
                if let Some(close) = self.say(&Permitted::nothing().map(|()| frame)) {
                    return Some(close);
                }
            }
            if let Some(frame) = frame
                && let Some(close) = self.say(&frame)
            {
                return Some(close);
            }
        }
        None
    }

    /// When the next frame is due, if nothing else happens.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let shared = &self.hub.shared;
        let waits = self.views.values().filter_map(|open| {
            let moved = open.version != Some(views::version(shared, &open.view));
            let free =
                open.unacked.len() < CREDIT && !matches!(open.state, Some(ViewState::Denied(_) | ViewState::Failed(_)));
            (moved && free && open.asking.is_none())
                .then(|| open.next.max(if self.sent.len() >= FRAMES { now + PACE / 2 } else { now }))
        });
        waits.min().unwrap_or(now + Duration::from_secs(1))
    }

    fn notice(&self, say: Say) {
        // The connection ends right after: a browser that no longer reads is told by the close code.
        _ = self.say(&Permitted::nothing().map(|()| Server::Notice(say)));
    }

    fn fault(&self, sub: Option<Sub>, say: Say) -> Option<Close> {
        self.say(&Permitted::nothing().map(|()| Server::Fault { sub, say }))
    }

    /// Hands a frame to the transport. One that has so many frames waiting is too slow.
    fn say(&self, frame: &Permitted<Server>) -> Option<Close> {
        let bytes = frame.as_ref().map(|frame| Bytes::from(wire::encode(frame))).release();
        match self.out.try_send(bytes) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(_)) => Some(Close::TooSlow),
            Err(mpsc::error::TrySendError::Closed(_)) => Some(Close::Gone),
        }
    }
}

fn pace(view: &View) -> Duration {
    match view {
        View::Overview { .. } | View::Namespaces => SLOW,
        View::Table(_) | View::Chart(_) | View::Object { .. } | View::Map { .. } => PACE,
    }
}

fn lacking(view: &View) -> Say {
    let (verb, resource) = match view {
        View::Table(ask) => ("list", ask.kind.resource()),
        View::Map { .. } => ("list", "services"),
        View::Chart(_) | View::Object { .. } | View::Overview { .. } | View::Namespaces => ("get", "metrics"),
    };
    denied(verb, resource).with("kind", resource)
}

/// Where a view's frame numbers begin: at random, see [`Hub::keep`].
fn beginning() -> u32 {
    getrandom::u32().unwrap_or_default() >> 2
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
