//! Signing in and out over plain requests; over the socket where the way in refuses POST.

use crate::browser;
use futures::{SinkExt, StreamExt};
use gloo_net::http::{Request, Response};
use gloo_net::websocket::{Message, futures::WebSocket};
use wire::session::{Credential, Place, Refusal, Session, SignIn};
use wire::{Browser, Say, Server};

/// The session of this browser: `None` when it is signed out.
///
/// # Errors
/// A sentence when the server cannot be asked.
pub(crate) async fn current() -> Result<Option<Session>, Say> {
    let answer = Request::get(&browser::url("session")).header("X-Taffrail", "1").send().await;
    let answer = answer.map_err(|error| down(&error))?;
    match answer.status() {
        200 => body(&answer).await.map(Some),
        401 | 403 => Ok(None),
        status => Err(Say::new("LOGIN_APIDOWN").with("reason", format!("status {status}"))),
    }
}

/// What the login page may know.
pub(crate) async fn place() -> Result<Place, Say> {
    let answer = Request::get(&browser::url("place")).header("X-Taffrail", "1").send().await;
    body(&answer.map_err(|error| down(&error))?).await
}

pub(crate) async fn sign_in(credential: Credential, namespace: Option<String>) -> Result<Session, Say> {
    let ask = SignIn { credential, secure: browser::secure(), namespace };
    let request = Request::post(&browser::url("session"))
        .header("X-Taffrail", "1")
        .header("Content-Type", "application/octet-stream")
        .body(js_sys::Uint8Array::from(wire::encode(&ask).as_slice()))
        .map_err(|error| down(&error))?;
    let answer = request.send().await.map_err(|error| down(&error))?;
    if answer.ok() {
        return kept(body(&answer).await?).await;
    }
    let bytes = answer.binary().await.map_err(|error| down(&error))?;
    match wire::decode::<Refusal>(&bytes) {
        Ok(refusal) => Err(refusal.say),
        // Not our answer: something on the way refuses POST.
        Err(wire::Malformed) if matches!(answer.status(), 403 | 405) => in_band(ask.credential).await,
        Err(wire::Malformed) => Err(Say::new("LOGIN_APIDOWN").with("reason", format!("status {}", answer.status()))),
    }
}

/// Ends the session everywhere.
pub(crate) async fn sign_out(proof: &str) {
    let request = Request::post(&browser::url("sign-out")).header("X-Taffrail", "1").header("X-Taffrail-Proof", proof);
    match request.send().await {
        Ok(answer) if answer.ok() => {}
        Ok(_) | Err(_) => crate::link::send(Browser::SignOut),
    }
}

async fn in_band(credential: Credential) -> Result<Session, Say> {
    let blocked = || Say::new("LOGIN_NOUPGRADE");
    let address = browser::url("ws").replacen("http", "ws", 1);
    let mut socket = WebSocket::open_with_protocol(&address, wire::SUBPROTOCOL).map_err(|_| blocked())?;
    let frame = wire::encode(&Browser::SignIn { credential });
    socket.send(Message::Bytes(frame)).await.map_err(|_| blocked())?;
    while let Some(Ok(Message::Bytes(bytes))) = socket.next().await {
        match wire::decode::<Server>(&bytes) {
            Ok(Server::Granted { claim }) => {
                let answer = Request::get(&browser::url("claim")).header("X-Taffrail-Claim", &claim).send().await;
                return kept(body(&answer.map_err(|error| down(&error))?).await?).await;
            }
            Ok(Server::Refused(refusal)) => return Err(refusal.say),
            Ok(_) | Err(wire::Malformed) => {}
        }
    }
    Err(blocked())
}

/// A browser that keeps no cookies signs in for nothing.
async fn kept(session: Session) -> Result<Session, Say> {
    match current().await? {
        Some(_) => Ok(session),
        None => Err(Say::new("LOGIN_COOKIE")),
    }
}

async fn body<T: serde::de::DeserializeOwned>(answer: &Response) -> Result<T, Say> {
    let bytes = answer.binary().await.map_err(|error| down(&error))?;
    wire::decode(&bytes).map_err(|wire::Malformed| {
        Say::new("LOGIN_APIDOWN").with("reason", format!("status {}, not understood", answer.status()))
    })
}

fn down(error: &gloo_net::Error) -> Say {
    Say::new("LOGIN_APIDOWN").with("reason", error.to_string())
}
