//! Where sockets do not get through, the same frames go over a streamed GET and POSTs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

mod live;

use bytes::{Buf, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use live::{Place, table};
use std::time::Duration;
use wire::{Browser, Server, Sub};

struct Link {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    body: Option<Incoming>,
    heard: BytesMut,
}

impl Link {
    fn new(place: &Place) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base: format!("http://{}", place.address), body: None, heard: BytesMut::new() }
    }

    /// As a browser asks its own server: with the cookie, without an origin.
    async fn listen(&mut self, name: &str, proof: &str) -> u16 {
        let request = http::Request::get(format!("{}/stream?c={name}", self.base));
        let request = request.header("cookie", "taffrail=x").header("x-taffrail-proof", proof);
        let response = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            self.body = Some(response.into_body());
        }
        status
    }

    async fn post(&self, name: &str, proof: &str, frames: &[Browser]) -> u16 {
        let mut body = Vec::new();
        for frame in frames {
            let bytes = wire::encode(frame);
            body.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
            body.extend_from_slice(&bytes);
        }
        let request = http::Request::post(format!("{}/send?c={name}", self.base)).header("x-taffrail-proof", proof);
        self.client.request(request.body(Full::from(body)).unwrap()).await.unwrap().status().as_u16()
    }

    /// The next frame that is no state and no heartbeat, or the close code.
    async fn news(&mut self) -> Result<Server, u16> {
        loop {
            if let Some(length) = self.heard.get(..4).map(|mut length| length.get_u32_le() as usize) {
                if length == 0 && self.heard.len() >= 6 {
                    return Err((&self.heard[4..6]).get_u16_le());
                }
                if length > 0 && self.heard.len() >= 4 + length {
                    self.heard.advance(4);
                    match wire::decode(&self.heard.split_to(length)).unwrap() {
                        Server::State { .. } | Server::Ping { .. } => continue,
                        frame => return Ok(frame),
                    }
                }
            }
            let next = self.body.as_mut().unwrap().frame();
            match tokio::time::timeout(Duration::from_secs(10), next).await.expect("a frame in time") {
                Some(Ok(frame)) => self.heard.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(_)) | None => return Err(0),
            }
        }
    }
}

fn auth() -> Browser {
    Browser::Auth { proof: "proof".into(), resume: Vec::new() }
}

#[tokio::test]
async fn a_stream_carries_what_a_socket_carries() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut link = Link::new(&place);
    assert_eq!(link.listen("a1", "proof").await, 200);
    let open = Browser::Open { sub: Sub(1), view: table() };
    assert_eq!(link.post("a1", "proof", &[auth(), open]).await, 204);
    assert!(matches!(link.news().await, Ok(Server::Welcome { .. })));
    let Ok(Server::Page { seq, rows, .. }) = link.news().await else { panic!("no page") };
    assert_eq!(rows.len(), 1);
    place.put(2, "bank");
    assert_eq!(link.post("a1", "proof", &[Browser::Ack { sub: Sub(1), seq }]).await, 204);
    assert!(matches!(link.news().await, Ok(Server::Diff { base, .. }) if base == seq));
    assert_eq!(link.post("a1", "proof", &[Browser::SignOut]).await, 204);
    assert!(matches!(link.news().await, Ok(Server::Notice(_))));
    assert_eq!(link.news().await.unwrap_err(), 4410);
}

#[tokio::test]
async fn nobody_speaks_into_a_stream_without_its_name_and_the_proof() {
    let place = Place::new().await;
    let mut link = Link::new(&place);
    assert_eq!(link.listen("", "proof").await, 400);
    assert_eq!(link.listen("a%20b", "proof").await, 400);
    assert_eq!(link.listen("a1", "wrong").await, 403);
    assert_eq!(link.listen("a1", "proof").await, 200);
    assert_eq!(Link::new(&place).listen("a1", "proof").await, 409);
    assert_eq!(link.post("a1", "wrong", &[auth()]).await, 403);
    assert_eq!(link.post("a2", "proof", &[auth()]).await, 404);
    assert_eq!(link.post("a1", "proof", &[]).await, 400);
    assert_eq!(link.post("a1", "proof", &[Browser::Pong]).await, 204);
    assert_eq!(link.news().await.unwrap_err(), 4401);
}
