//! The live link: one connection for all views of the page. Connects, acknowledges, resumes after a loss, backs off.
//! Where sockets do not get through it takes the other [`way`](way::Way), and begins with it until the tab is closed.
//!
//! A view is opened with [`watch`] and closed with its component. Frames reach its handler in the order of the server;
//! a handler that answers `false` (a difference that does not continue what it has) gets a whole frame next.

mod frames;
mod transport;
mod way;

pub(crate) use way::Way;

use crate::{browser, session};
use futures::channel::{mpsc, oneshot};
use futures::future::{self, Either};
use futures::{FutureExt, StreamExt, stream};
use leptos::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use transport::{Reader, Writer};
use way::Choice;
use wire::browser::Resume;
use wire::{Browser, Kind, Millis, Say, Server, Sub, View};

/// Frames that wait for the connection: a person makes a handful a second.
const WAITING: usize = 256;
/// The server says something every 20 s.
const SILENCE: Millis = 45_000;
/// For the first word: something on the way may swallow what it does not let through.
const PATIENCE: i32 = 10_000;
/// Where the browser keeps, for a tab's life, that sockets do not get through.
const KEPT: &str = "link";

/// How the link is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Status {
    Connecting,
    /// Since the last word at this time.
    Live(Millis),
    /// The attempt's number, and when it comes.
    Lost(u32, Millis),
}

/// What `Welcome` said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) cluster: String,
    pub(crate) kubernetes: String,
    /// The server's clock minus ours.
    pub(crate) skew: Millis,
}

type Handler = Rc<dyn Fn(&Server) -> bool>;
type Answer = Box<dyn FnOnce(Result<String, Say>)>;

struct Entry {
    view: View,
    seq: u32,
    handler: Handler,
}

#[derive(Default)]
struct Link {
    views: BTreeMap<u32, Entry>,
    asks: BTreeMap<u32, Answer>,
    next: u32,
    out: Option<Out>,
    heard: Millis,
    /// The present connection has carried a word.
    worked: bool,
}

/// The way out of the page. Dropping it ends the connection.
struct Out {
    queue: mpsc::Sender<Browser>,
    _open: oneshot::Sender<Infallible>,
}

thread_local! {
    static LINK: RefCell<Link> = RefCell::default();
    static STATUS: ArcRwSignal<Status> = ArcRwSignal::new(Status::Connecting);
    static PLACE: ArcRwSignal<Place> = ArcRwSignal::new(Place::default());
    static NOTICE: ArcRwSignal<Option<Say>> = ArcRwSignal::new(None);
    static WAY: ArcRwSignal<Way> = ArcRwSignal::new(Way::Socket);
}

pub(crate) fn status() -> ArcRwSignal<Status> {
    STATUS.with(Clone::clone)
}

pub(crate) fn place() -> ArcRwSignal<Place> {
    PLACE.with(Clone::clone)
}

pub(crate) fn notice() -> ArcRwSignal<Option<Say>> {
    NOTICE.with(Clone::clone)
}

/// How the present or the last connection was made.
pub(crate) fn way() -> ArcRwSignal<Way> {
    WAY.with(Clone::clone)
}

/// Opens the view while the calling component lives, and alters it whenever it changes.
pub(crate) fn watch(view: impl Fn() -> View + 'static, handler: impl Fn(&Server) -> bool + 'static) {
    let handler: Handler = Rc::new(handler);
    let sub = LINK.with_borrow_mut(|link| {
        link.next += 1;
        link.next
    });
    Effect::new(move |before: Option<View>| {
        let now = view();
        if before.as_ref() != Some(&now) {
            let opened = LINK.with_borrow_mut(|link| match link.views.get_mut(&sub) {
                Some(entry) => {
                    entry.view = now.clone();
                    true
                }
                None => {
                    link.views.insert(sub, Entry { view: now.clone(), seq: 0, handler: Rc::clone(&handler) });
                    false
                }
            });
            let view = now.clone();
            send(if opened { Browser::Alter { sub: Sub(sub), view } } else { Browser::Open { sub: Sub(sub), view } });
        }
        now
    });
    on_cleanup(move || {
        if LINK.with_borrow_mut(|link| link.views.remove(&sub)).is_some() {
            send(Browser::Close { sub: Sub(sub) });
        }
    });
}

/// Asks for an object's YAML.
pub(crate) fn yaml(kind: Kind, namespace: String, name: String, answer: impl FnOnce(Result<String, Say>) + 'static) {
    let ask = LINK.with_borrow_mut(|link| {
        link.next += 1;
        link.asks.insert(link.next, Box::new(answer));
        link.next
    });
    send(Browser::Yaml { ask, kind, namespace, name });
}

/// Sends when there is a connection. Without one nothing is lost: views are opened again by the next.
pub(crate) fn send(frame: Browser) {
    LINK.with_borrow_mut(|link| {
        if let Some(out) = &mut link.out
            && out.queue.try_send(frame).is_err()
        {
            // A full queue means that the connection is stuck: a new one starts from what we have.
            link.out = None;
        }
    });
}

/// Every second: 45 s of silence are a loss, and 10 s before the first word.
pub(crate) fn tick() {
    LINK.with_borrow_mut(|link| {
        let most = if link.worked { SILENCE } else { Millis::from(PATIENCE) };
        if link.out.is_some() && browser::now() - link.heard > most {
            link.out = None;
        }
    });
}

/// Keeps the link until the session ends; returns when it has.
pub(crate) async fn run(mut proof: String) {
    let mut failures = 0;
    let mut choice = Choice::new(if browser::kept(KEPT) { Way::Stream } else { Way::Socket });
    loop {
        let End::Lost { worked } = connect(choice.way(), &proof).await else { return };
        failures = if worked { 1 } else { failures + 1 };
        if worked {
            choice.worked();
        }
        let pause = back_off(failures, browser::random());
        status().set(Status::Lost(failures, browser::now() + Millis::from(pause)));
        browser::wait(pause).await;
        // The server may have restarted, and the session with it.
        match session::current().await {
            Ok(Some(session)) => {
                proof = session.proof;
                if !worked {
                    choice.missed();
                }
            }
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

/// Milliseconds before the next attempt: 0.5 s doubling to 15 s, the last half of it by chance.
fn back_off(failures: u32, chance: f64) -> i32 {
    let most = f64::from(500_u32.saturating_mul(1 << failures.min(5))).min(15_000.0);
    (most / 2.0 + most / 2.0 * chance) as i32
}

enum End {
    Refused,
    Lost { worked: bool },
}

enum Event {
    In(Vec<u8>),
    Out { last: bool },
    Over,
}

async fn connect(way: Way, proof: &str) -> End {
    let opening = pin!(transport::open(way, proof));
    let Either::Left((Some((reader, writer)), _)) = future::select(opening, pin!(browser::wait(PATIENCE))).await else {
        return End::Lost { worked: false };
    };
    let (queue, waiting) = mpsc::channel(WAITING);
    let (open, dropped) = oneshot::channel::<Infallible>();
    let resume = LINK.with_borrow_mut(|link| {
        link.out = Some(Out { queue, _open: open });
        link.heard = browser::now();
        link.worked = false;
        link.views
            .iter()
            .map(|(sub, entry)| Resume { sub: Sub(*sub), view: entry.view.clone(), seq: entry.seq })
            .collect()
    });
    let first = Browser::Auth { proof: proof.to_owned(), resume };
    let dropped = dropped.map(|_| Event::Over).into_stream();
    let outgoing = outgoing(writer, stream::iter([first]).chain(waiting));
    let mut events = pin!(stream::select(dropped, stream::select(incoming(reader), outgoing)));
    let mut worked = false;
    let end = loop {
        match events.next().await {
            None | Some(Event::Over) => break End::Lost { worked },
            Some(Event::Out { last: true }) => break End::Refused,
            Some(Event::Out { last: false }) => {}
            Some(Event::In(bytes)) => match wire::decode::<Server>(&bytes) {
                Ok(Server::Refused(refusal)) => {
                    notice().set(Some(refusal.say));
                    break End::Refused;
                }
                Ok(frame) => {
                    if !worked {
                        worked = true;
                        browser::keep(KEPT, way == Way::Stream);
                        self::way().set(way);
                    }
                    take(frame);
                }
                // A newer server's frame that this page does not know.
                Err(wire::Malformed) => leptos::logging::warn!("a frame of {} bytes was not understood", bytes.len()),
            },
        }
    };
    LINK.with_borrow_mut(|link| link.out = None);
    end
}

fn incoming(reader: Reader) -> impl stream::Stream<Item = Event> {
    let frames = stream::unfold(reader, async |mut reader| Some((Event::In(reader.next().await?), reader)));
    frames.chain(stream::iter([Event::Over]))
}

/// Sends while frames come in: a slow POST delays no row.
fn outgoing(writer: Writer, frames: impl stream::Stream<Item = Browser> + Unpin) -> impl stream::Stream<Item = Event> {
    let frames = frames.ready_chunks(writer.batch());
    stream::unfold((writer, frames), async |(mut writer, mut frames)| {
        let batch = frames.next().await?;
        let last = batch.contains(&Browser::SignOut);
        let event = match writer.send(batch.iter().map(wire::encode).collect()).await {
            Ok(()) => Event::Out { last },
            Err(transport::Gone) => Event::Over,
        };
        Some((event, (writer, frames)))
    })
}

fn take(frame: Server) {
    let now = browser::now();
    LINK.with_borrow_mut(|link| {
        link.heard = now;
        link.worked = true;
    });
    status().set(Status::Live(now));
    match frame {
        Server::Welcome { now: server, cluster, kubernetes, .. } => {
            place().set(Place { cluster, kubernetes, skew: server - now });
        }
        Server::Ping { .. } => send(Browser::Pong),
        Server::Notice(say) | Server::Fault { sub: None, say } => notice().set(Some(say)),
        Server::Yaml { ask, text } => {
            if let Some(answer) = LINK.with_borrow_mut(|link| link.asks.remove(&ask)) {
                answer(text);
            }
        }
        frame => {
            let Some((sub, seq)) = address(&frame) else { return };
            let handler = LINK.with_borrow_mut(|link| {
                let entry = link.views.get_mut(&sub.0)?;
                entry.seq = seq.unwrap_or(entry.seq);
                Some((Rc::clone(&entry.handler), entry.view.clone()))
            });
            if let Some(seq) = seq {
                send(Browser::Ack { sub, seq });
            }
            // A view that was closed meanwhile has no handler.
            if let Some((handler, view)) = handler
                && !handler(&frame)
            {
                send(Browser::Alter { sub, view });
            }
        }
    }
}

/// The view a frame is for, and its number there.
fn address(frame: &Server) -> Option<(Sub, Option<u32>)> {
    match frame {
        Server::Page { sub, seq, .. }
        | Server::Diff { sub, seq, .. }
        | Server::Cells { sub, seq, .. }
        | Server::Chart { sub, seq, .. }
        | Server::ChartTail { sub, seq, .. }
        | Server::Object { sub, seq, .. }
        | Server::Map { sub, seq, .. }
        | Server::MapDiff { sub, seq, .. }
        | Server::Coverage { sub, seq, .. }
        | Server::Overview { sub, seq, .. }
        | Server::Namespaces { sub, seq, .. } => Some((*sub, Some(*seq))),
        Server::State { sub, .. } | Server::Fault { sub: Some(sub), .. } | Server::Revoked { sub, .. } => {
            Some((*sub, None))
        }
        Server::Welcome { .. }
        | Server::Granted { .. }
        | Server::Refused(_)
        | Server::Yaml { .. }
        | Server::Fault { sub: None, .. }
        | Server::Notice(_)
        | Server::Ping { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::back_off;

    #[test]
    fn pauses_double_up_to_fifteen_seconds() {
        assert_eq!((back_off(0, 0.0), back_off(0, 1.0)), (250, 500));
        assert_eq!(back_off(1, 1.0), 1000);
        assert_eq!(back_off(40, 1.0), 15_000);
    }
}
