//! The WebSocket: handshake, first frame, close codes.

use super::arrivals::Arrival;
use super::connection::{Close, Connection, OUTBOUND};
use super::fallback;
use super::hub::{self, Hub, Parts};
use crate::http::tls::Peer;
use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use std::time::Duration;
use tokio::sync::mpsc;
use wire::session::Refusal;
use wire::{Browser, Say, Server};

/// Bytes of one message of a browser.
const MESSAGE: usize = 64 * 1024;
/// For the first frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// Frames of the browser that wait while one is being answered; then the socket is not read on.
const INBOUND: usize = 32;
/// What the socket gathers before it writes, and may hold back at most.
const WRITE: (usize, usize) = (16 * 1024, 1024 * 1024);

/// `ws`, and `stream` with `send` where sockets do not get through.
pub fn routes(parts: Parts) -> Router {
    let hub = Hub::new(parts);
    Router::new().route("/ws", get(upgrade)).with_state(hub.clone()).merge(fallback::routes(hub))
}

async fn upgrade(
    State(hub): State<Hub>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(say) = hub.shared.parts.door.origin(&headers, &peer) {
        return (StatusCode::FORBIDDEN, say.code).into_response();
    }
    let Ok(seat) = std::sync::Arc::clone(&hub.shared.seats).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "LIMIT_SOCKETS").into_response();
    };
    let Some(arrival) = hub.shared.arrivals.enter(peer.address.ip()) else {
        return (StatusCode::TOO_MANY_REQUESTS, "LIMIT_ARRIVALS").into_response();
    };
    let upgrade = upgrade.protocols([wire::SUBPROTOCOL]).max_message_size(MESSAGE).max_frame_size(MESSAGE);
    upgrade.write_buffer_size(WRITE.0).max_write_buffer_size(WRITE.1).on_upgrade(move |socket| async move {
        serve(hub, headers, peer, (socket, arrival)).await;
        drop(seat);
    })
}

async fn serve(hub: Hub, headers: HeaderMap, peer: Peer, (mut socket, arrival): (WebSocket, Arrival)) {
    let first = match tokio::time::timeout(PATIENCE, socket.recv()).await {
        Ok(Some(Ok(Message::Binary(bytes)))) => wire::decode::<Browser>(&bytes).ok(),
        Ok(Some(Err(_)) | None) => return,
        Ok(Some(Ok(_))) | Err(_) => None,
    };
    let (answer, close) = match first {
        Some(Browser::Auth { proof, resume }) => match hub.shared.parts.door.find(&headers) {
            Some(guest) if guest.proves(&proof) => match hub.place(guest.id()) {
                Some(_place) => {
                    let (out, frames) = mpsc::channel(OUTBOUND);
                    let (inward, inbound) = mpsc::channel(INBOUND);
                    drop(arrival);
                    let connection = tokio::spawn(Connection::new(hub.clone(), guest, out).run(resume, inbound));
                    return carry(socket, frames, inward, connection).await;
                }
                None => (Server::Notice(hub::crowded()), Close::Limit),
            },
            Some(_) | None => (Server::Refused(Refusal { say: Say::new("LOGIN_EXPIRED") }), Close::NotSignedIn),
        },
        Some(Browser::SignIn { credential }) => match hub.shared.parts.door.sign_in(credential, &peer).await {
            Ok(claim) => (Server::Granted { claim }, Close::Gone),
            Err(refusal) => (Server::Refused(refusal), Close::NotSignedIn),
        },
        Some(_) => return end(&mut socket, Close::NotSignedIn).await,
        None => return end(&mut socket, Close::Protocol).await,
    };
    if socket.send(Message::Binary(wire::encode(&answer).into())).await.is_ok() {
        end(&mut socket, close).await;
    }
}

/// Carries frames both ways until one side ends. A browser that stops reading holds back only its own frames.
async fn carry(
    socket: WebSocket,
    mut frames: mpsc::Receiver<Bytes>,
    inward: mpsc::Sender<Bytes>,
    connection: tokio::task::JoinHandle<Close>,
) {
    let (mut sink, mut stream) = socket.split();
    let writer = async {
        let sink = &mut sink;
        while let Some(frame) = frames.recv().await {
            if sink.send(Message::Binary(frame)).await.is_err() {
                return; // the reader sees the end as well
            }
        }
    };
    let reader = async {
        while let Some(message) = stream.next().await {
            let bytes = match message {
                Ok(Message::Binary(bytes)) => bytes,
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(Message::Text(_)) => return Some(Close::Protocol),
                Ok(Message::Close(_)) => return None,
                Err(error) => return error.to_string().contains("too long").then_some(Close::Limit),
            };
            if inward.send(bytes).await.is_err() {
                return None; // the connection ended by itself and says why
            }
        }
        None
    };
    let close = {
        let mut connection = connection;
        tokio::pin!(writer);
        let carried = async {
            tokio::select! {
                close = &mut connection => {
                    // What was said last, and no longer than that: the browser may have stopped reading.
                    _ = tokio::time::timeout(Duration::from_secs(1), &mut writer).await;
                    close.ok()
                }
                () = &mut writer => (&mut connection).await.ok(),
            }
        };
        let broken = tokio::select! {
            wrong = reader => Err(wrong),
            close = carried => Ok(close),
        };
        drop(inward);
        match broken {
            Ok(close) => close,
            Err(wrong) => {
                // What was shown is kept before the browser can come back for it.
                _ = connection.await;
                wrong
            }
        }
    };
    if let Some(close) = close {
        let frame = CloseFrame { code: close as u16, reason: "".into() };
        _ = tokio::time::timeout(Duration::from_secs(1), sink.send(Message::Close(Some(frame)))).await;
    }
}

async fn end(socket: &mut WebSocket, close: Close) {
    let frame = CloseFrame { code: close as u16, reason: "".into() };
    // A browser that is gone cannot be told.
    _ = tokio::time::timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await;
}
