//! What goes out on a connection: at most one frame a view, by credits and pace, on a fresh permit.

use super::connection::{CREDIT, Close, Connection};
use super::views::{self, Shown};
use crate::session::Permitted;
use crate::session::gate::denied;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wire::{Say, Server, Sub, View, ViewState};

/// Between two frames of a view.
const PACE: Duration = Duration::from_millis(250);
/// Between two frames of a view that is made of everything, also when the first of them said nothing new.
const SLOW: Duration = Duration::from_secs(1);
/// Between two pages of scrape coverage: every pod is looked at for one, and kubelets are asked every ten seconds or more.
const SLOWER: Duration = Duration::from_secs(5);
/// How many times as long as a frame took nothing is made anew for its view: of a cluster so large that a map takes long,
/// it comes less often, and a view costs a fifth of a core at most.
const REST: u32 = 4;
/// Frames of a connection in a second, answers to the person apart.
const FRAMES: usize = 10;
/// How old a permit may be. The gate remembers its decisions for 10 s, so asking it again costs no review; together a
/// right that was taken away without a word is gone within 11 s.
const PERMIT: Duration = Duration::from_secs(1);

impl Connection {
    /// Sends what is due: at most one frame a view.
    pub(super) async fn send(&mut self) -> Option<Close> {
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
            let nowhere = first.as_ref().is_some_and(crate::session::Scope::is_empty);
            let refused = sight.undecided.is_none() && views::strict(&open.view) && nowhere;
            let state = match &sight.undecided {
                Some(reason) => undecided(open.state.as_ref(), open.shown.as_ref(), reason),
                None if refused => ViewState::Denied(lacking(&open.view)),
                None => views::state(&shared, &open.view, sight),
            };
            open.blocked = refused || sight.undecided.is_some();
            if !open.blocked
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
            let ready = !open.blocked && moved && now >= open.next && open.unacked.len() < CREDIT;
            let mut frame = None;
            if ready
                && (open.answer || !paced)
                && let Some(mut shown) = open.shown.take()
            {
                let (view, sight, base) = (open.view.clone(), sight.clone(), open.seq);
                let seq = base.wrapping_add(1);
                let Ok(_desk) = shared.desks.acquire().await else { return Some(Close::Gone) };
                let (world, began) = (Arc::clone(&shared), Instant::now());
                let work = tokio::task::spawn_blocking(move || {
                    let frame = shown.frame(&world, &view, &sight, (sub, seq, base), super::now());
                    (shown, frame)
                });
                let Ok((shown, fresh)) = work.await else { return Some(Close::Gone) };
                open.shown = Some(shown);
                let rest = pace(&open.view).max(began.elapsed() * REST);
                match fresh {
                    Some(fresh) => {
                        open.seq = seq;
                        open.unacked.push_back((seq, now));
                        open.next = now + rest;
                        open.answer = false;
                        self.sent.push_back(now);
                        frame = Some(fresh);
                    }
                    // Asked again until there is nothing left to say: usage comes after the rows.
                    None => {
                        open.version = Some(version);
                        if rest > PACE {
                            open.next = now + rest;
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
    pub(super) fn wake(&self) -> Instant {
        let now = Instant::now();
        let shared = &self.hub.shared;
        let waits = self.views.values().filter_map(|open| {
            let moved = open.version != Some(views::version(shared, &open.view));
            let failed = matches!(open.state, Some(ViewState::Denied(_) | ViewState::Failed(_)));
            let free = open.unacked.len() < CREDIT && !open.blocked && !failed;
            (moved && free && open.asking.is_none())
                .then(|| open.next.max(if self.sent.len() >= FRAMES { now + PACE / 2 } else { now }))
        });
        waits.min().unwrap_or(now + Duration::from_secs(1))
    }
}

/// The state while the API server can't be asked who may see the view: what the person was shown before stays with them
/// and is old from now on.
fn undecided(known: Option<&ViewState>, shown: Option<&Shown>, reason: &str) -> ViewState {
    let say = Say::new("E-UNDECIDED").with("reason", reason);
    match known {
        _ if !shown.is_some_and(Shown::anything) => ViewState::Failed(say),
        Some(ViewState::Stale(since, _)) => ViewState::Stale(*since, say),
        Some(ViewState::Loading(_) | ViewState::Live | ViewState::Denied(_) | ViewState::Failed(_)) | None => {
            ViewState::Stale(super::now(), say)
        }
    }
}

fn pace(view: &View) -> Duration {
    match view {
        View::Overview { .. } | View::Namespaces => SLOW,
        View::Coverage => SLOWER,
        View::Table(_) | View::Chart(_) | View::Object { .. } | View::Map { .. } => PACE,
    }
}

fn lacking(view: &View) -> Say {
    let (verb, resource) = match view {
        View::Table(ask) => ("list", ask.kind.resource()),
        View::Map { .. } => ("list", "services"),
        View::Coverage => ("list", "nodes"),
        View::Chart(_) | View::Object { .. } | View::Overview { .. } | View::Namespaces => ("get", "metrics"),
    };
    denied(verb, resource).with("kind", resource)
}
