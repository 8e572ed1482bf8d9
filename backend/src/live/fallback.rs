//! The live link for access paths that break WebSockets: the same frames over a streamed GET and small POSTs.
//!
//! `GET stream?c=…` answers with frames, each after its length (four bytes, little-endian); a length of zero is followed
//! by the close code (two bytes) and ends the stream. `POST send?c=…` takes one or more frames in the same shape, all
//! or none. `c` is the browser's random name for the connection. The first frame sent is `Auth`, as on the socket.
//!
//! Both carry the session's proof in a header. It stands for the origin of the GET: a browser names none when a page
//! reads from its own server, and no foreign page can know the proof.

use super::connection::{Close, Connection, OUTBOUND};
use super::door::Guest;
use super::hub::Hub;
use crate::http::tls::Peer;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName, StatusCode};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::session::Refusal;
use wire::{Browser, Say, Server};

/// Frames that wait while one is being answered.
const INBOUND: usize = 32;
/// For the first frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// For room among the frames that wait.
const ROOM: Duration = Duration::from_secs(5);
/// Bytes of a connection's name.
const NAME: usize = 64;
/// Keeps proxies from gathering the stream.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
const PROOF: &str = "x-taffrail-proof";

/// Where the frames of POSTs go, by session and name.
type Streams = Arc<Mutex<HashMap<(u64, String), mpsc::Sender<Bytes>>>>;

#[derive(Clone)]
struct Fallback {
    hub: Hub,
    streams: Streams,
}

#[derive(serde::Deserialize)]
struct Named {
    c: String,
}

/// A stream's entry, taken out when the browser goes: its connection ends with it.
struct Listed {
    streams: Streams,
    key: (u64, String),
}

/// What the body of a stream is made of.
struct Outward {
    frames: mpsc::Receiver<Bytes>,
    /// `None` once its end was said.
    connection: Option<JoinHandle<Close>>,
    _listed: Listed,
    _seat: OwnedSemaphorePermit,
}

/// `stream` and `send`.
pub(super) fn routes(hub: Hub) -> Router {
    let fallback = Fallback { hub, streams: Streams::default() };
    Router::new().route("/stream", get(stream)).route("/send", post(send)).with_state(fallback)
}

async fn stream(
    State(fallback): State<Fallback>,
    Query(Named { c }): Query<Named>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let guest = match fallback.guest(&c, &headers, &peer) {
        Ok(guest) => guest,
        Err((status, code)) => return (status, code).into_response(),
    };
    let Ok(seat) = Arc::clone(&fallback.hub.shared.seats).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "LIMIT_SOCKETS").into_response();
    };
    let (inward, inbound) = mpsc::channel(INBOUND);
    let key = (guest.id(), c);
    match fallback.streams.lock().entry(key.clone()) {
        Entry::Occupied(_) => return (StatusCode::CONFLICT, "STREAM_USED").into_response(),
        Entry::Vacant(entry) => _ = entry.insert(inward),
    }
    let listed = Listed { streams: Arc::clone(&fallback.streams), key };
    let (out, frames) = mpsc::channel(OUTBOUND);
    let connection = Some(tokio::spawn(serve(fallback.hub, guest, inbound, out)));
    let outward = Outward { frames, connection, _listed: listed, _seat: seat };
    let body = Body::from_stream(futures::stream::unfold(outward, |mut outward| async move {
        let bytes = outward.next().await?;
        Some((Ok::<_, Infallible>(bytes), outward))
    }));
    let headers =
        [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "no-store, no-transform"), (UNBUFFERED, "no")];
    (headers, body).into_response()
}

async fn send(
    State(fallback): State<Fallback>,
    Query(Named { c }): Query<Named>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let guest = match fallback.guest(&c, &headers, &peer) {
        Ok(guest) => guest,
        Err((status, code)) => return (status, code).into_response(),
    };
    let Some(frames) = split(body) else { return (StatusCode::BAD_REQUEST, "FRAMES").into_response() };
    if frames.len() > INBOUND {
        return (StatusCode::PAYLOAD_TOO_LARGE, "FRAMES").into_response();
    }
    let stream = fallback.streams.lock().get(&(guest.id(), c)).cloned();
    let Some(stream) = stream else { return (StatusCode::NOT_FOUND, "STREAM_UNKNOWN").into_response() };
    match timeout(ROOM, stream.reserve_many(frames.len())).await {
        Ok(Ok(room)) => {
            for (place, frame) in room.zip(frames) {
                place.send(frame);
            }
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(Err(_)) => (StatusCode::GONE, "STREAM_ENDED").into_response(),
        Err(_) => (StatusCode::TOO_MANY_REQUESTS, "LIMIT_RATE").into_response(),
    }
}

/// As the socket: the first frame proves who it is, then the connection runs.
async fn serve(hub: Hub, guest: Arc<dyn Guest>, mut inbound: mpsc::Receiver<Bytes>, out: mpsc::Sender<Bytes>) -> Close {
    let first = match timeout(PATIENCE, inbound.recv()).await {
        Ok(Some(bytes)) => wire::decode::<Browser>(&bytes).ok(),
        Ok(None) => return Close::Gone,
        Err(_) => None,
    };
    let (answer, close) = match first {
        Some(Browser::Auth { proof, resume }) if guest.proves(&proof) => match hub.place(guest.id()) {
            Some(_place) => return Connection::new(hub.clone(), guest, out).run(resume, inbound).await,
            None => (Server::Notice(super::hub::crowded()), Close::Limit),
        },
        Some(Browser::Auth { .. }) => {
            let say = Say::new("LOGIN_ENDED").with("reason", "the proof is not this session's");
            (Server::Refused(Refusal { say }), Close::NotSignedIn)
        }
        Some(_) => return Close::NotSignedIn,
        None => return Close::Protocol,
    };
    // A browser that is gone cannot be told.
    _ = out.send(wire::encode(&answer).into()).await;
    close
}

/// The frames of a body; `None` when their lengths do not add up.
fn split(mut body: Bytes) -> Option<Vec<Bytes>> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let length = usize::try_from(body.try_get_u32_le().ok()?).ok()?;
        if length == 0 || length > body.len() {
            return None;
        }
        frames.push(body.split_to(length));
    }
    (!frames.is_empty()).then_some(frames)
}

impl Fallback {
    /// Who asks, with the proof, from an allowed origin where one is named, under a name that makes sense.
    fn guest(&self, name: &str, headers: &HeaderMap, peer: &Peer) -> Result<Arc<dyn Guest>, (StatusCode, String)> {
        let door = &self.hub.shared.parts.door;
        if headers.contains_key(ORIGIN) {
            door.origin(headers, peer).map_err(|say| (StatusCode::FORBIDDEN, say.code))?;
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > NAME || !name.bytes().all(plain) {
            return Err((StatusCode::BAD_REQUEST, "STREAM_NAME".into()));
        }
        let guest = door.find(headers).ok_or_else(|| (StatusCode::UNAUTHORIZED, "LOGIN_ENDED".into()))?;
        let proof = headers.get(PROOF).and_then(|proof| proof.to_str().ok()).unwrap_or_default();
        if guest.proves(proof) { Ok(guest) } else { Err((StatusCode::FORBIDDEN, "PROOF".into())) }
    }
}

impl Outward {
    async fn next(&mut self) -> Option<Bytes> {
        let connection = self.connection.as_mut()?;
        let mut bytes = BytesMut::new();
        match self.frames.recv().await {
            Some(frame) => {
                bytes.put_u32_le(u32::try_from(frame.len()).unwrap_or(u32::MAX)); // a window is far below 4 GiB
                bytes.extend_from_slice(&frame);
            }
            None => {
                let close = connection.await.unwrap_or(Close::Gone);
                self.connection = None;
                bytes.put_u32_le(0);
                bytes.put_u16_le(close as u16);
            }
        }
        Some(bytes.freeze())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod fallback_tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], expected: Option<&[&[u8]]>) {
        let frames = split(Bytes::copy_from_slice(body));
        assert_eq!(frames, expected.map(|frames| frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect()));
    }

    #[test]
    fn a_body_is_frames_whose_lengths_add_up() {
        check(&[1, 0, 0, 0, 7], Some(&[&[7]]));
        check(&[1, 0, 0, 0, 7, 2, 0, 0, 0, 8, 9], Some(&[&[7], &[8, 9]]));
        check(&[], None);
        check(&[1, 0, 0], None);
        check(&[0, 0, 0, 0], None);
        check(&[2, 0, 0, 0, 7], None);
        check(&[255, 255, 255, 255, 7], None);
        check(&[1, 0, 0, 0, 7, 1], None);
    }
}
