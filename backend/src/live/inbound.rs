//! What comes in on a connection: the browser's frames, and the API server's answers to what they asked.

use super::connection::{Close, Connection, VIEWS};
use super::open::beginning;
use super::permits::Sight;
use super::views::{self, Shown};
use crate::session::Permitted;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use wire::{Browser, Say, Server, Sub, View};

/// Frames from the browser in a second.
const INBOUND: u32 = 64;
/// For the API server's answer to a question.
const ANSWER: Duration = Duration::from_secs(15);
/// Questions for YAML in flight.
const YAMLS: usize = 4;

/// What came back.
pub(super) enum Answer {
    Sight(Sub, u64, Box<Sight>),
    Yaml(u32, Result<String, Say>),
}

impl Connection {
    /// Takes one frame of the browser.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Option<Close> {
        let now = Instant::now();
        self.heard = now;
        if now - self.second.0 >= Duration::from_secs(1) {
            self.second = (now, 0);
        }
        self.second.1 += 1;
        let Ok(frame) = wire::decode::<Browser>(bytes) else { return Some(Close::Protocol) };
        let cheap = matches!(frame, Browser::Ack { .. } | Browser::Pong | Browser::Close { .. });
        if !cheap {
            self.guest.used();
        }
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
    pub(super) fn ask(&mut self, sub: Sub) {
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
    pub(super) fn answered(&mut self, answer: Option<Answer>) -> Option<Close> {
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
}
