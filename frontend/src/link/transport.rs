//! One connection to the server, by either way: whole frames out, whole frames in, in order.

use super::frames::{Cutter, Piece, join};
use super::way::Way;
use crate::browser::{self, Chunks};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use gloo_net::http::Request;
use gloo_net::websocket::{Message, futures::WebSocket};

/// Frames in one POST; the server takes as many.
const BATCH: usize = 32;

/// What the server says. Dropping it ends the connection.
pub(super) enum Reader {
    Socket(SplitStream<WebSocket>),
    Stream { chunks: Chunks, cutter: Cutter },
}

/// What the server is told.
pub(super) enum Writer {
    Socket(SplitSink<WebSocket, Message>),
    Stream { address: String, proof: String },
}

/// The connection takes no more frames.
#[derive(Debug)]
pub(super) struct Gone;

/// `None` when it cannot be opened. A socket that will not open says so later, by its reader's end.
pub(super) async fn open(way: Way, proof: &str) -> Option<(Reader, Writer)> {
    match way {
        Way::Socket => {
            let address = browser::url("ws").replacen("http", "ws", 1);
            let (write, read) = WebSocket::open_with_protocol(&address, wire::SUBPROTOCOL).ok()?.split();
            Some((Reader::Socket(read), Writer::Socket(write)))
        }
        Way::Stream => {
            // Known to this session alone: no two tabs of it may share one, and nobody else can guess a proof.
            let name = format!("{:x}", (browser::random() * 2_f64.powi(52)) as u64);
            let listen = browser::url(&format!("stream?c={name}"));
            let chunks = Chunks::open(&listen, &[("X-Taffrail-Proof", proof)]).await?;
            let writer = Writer::Stream { address: browser::url(&format!("send?c={name}")), proof: proof.to_owned() };
            Some((Reader::Stream { chunks, cutter: Cutter::default() }, writer))
        }
    }
}

// === impl Reader ===

impl Reader {
    /// The next frame; `None` when the connection has ended.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Socket(socket) => match socket.next().await {
                Some(Ok(Message::Bytes(bytes))) => Some(bytes),
                Some(Ok(Message::Text(_)) | Err(_)) | None => None,
            },
            Self::Stream { chunks, cutter } => loop {
                match cutter.next() {
                    Some(Piece::Frame(bytes)) => return Some(bytes),
                    Some(Piece::End(code)) => {
                        leptos::logging::log!("the server ended the stream: {code}");
                        return None;
                    }
                    None => cutter.push(&chunks.next().await?),
                }
            },
        }
    }
}

// === impl Writer ===

impl Writer {
    /// How many frames one [`Self::send`] should take at most.
    pub(super) fn batch(&self) -> usize {
        match self {
            Self::Socket(_) => 1,
            Self::Stream { .. } => BATCH,
        }
    }

    /// Returns when the connection has taken them.
    ///
    /// # Errors
    /// When it takes no more.
    pub(super) async fn send(&mut self, frames: Vec<Vec<u8>>) -> Result<(), Gone> {
        match self {
            Self::Socket(socket) => {
                for frame in frames {
                    socket.send(Message::Bytes(frame)).await.map_err(|_| Gone)?;
                }
                Ok(())
            }
            Self::Stream { address, proof } => {
                let body = js_sys::Uint8Array::from(join(&frames).as_slice());
                let request = Request::post(address)
                    .header("X-Taffrail-Proof", proof)
                    .header("Content-Type", "application/octet-stream")
                    .body(body);
                let answer = request.map_err(|_| Gone)?.send().await.map_err(|_| Gone)?;
                if answer.ok() { Ok(()) } else { Err(Gone) }
            }
        }
    }
}
