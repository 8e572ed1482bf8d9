//! Browsers that mean no good, for the bench of isolation: they ask for what costs most, read nothing, change their mind
//! as often as they may, and talk nonsense. Runs until its standard input closes.
//!
//! `hostile HOST:PORT COOKIE PROOF [COOKIE PROOF]…`: plain HTTP, and what `POST session` answered; a browser for each pair.

use anyhow::Context as _;
use futures::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::time::interval;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use wire::table::{ColumnId, TableAsk, WINDOW_MAX};
use wire::{Browser, Kind, Server, Sub, View};

/// Below the limit of frames a second, so that nobody is let off by being thrown out.
const ASK: Duration = Duration::from_millis(50);
/// Before a browser that was thrown out comes again.
const AGAIN: Duration = Duration::from_millis(500);

/// What a browser does, by its number.
#[derive(Clone, Copy, Debug)]
enum Malice {
    /// Filters and sorts everything anew all the time, and takes the answers.
    Sorts,
    /// Opens all it may and never reads.
    Deaf,
    /// Opens and closes views.
    Fickle,
    /// Sends what is no frame.
    Babbles,
    /// Has everything drawn: the first page, the map, the coverage.
    Draws,
}

const ALL: [Malice; 5] = [Malice::Sorts, Malice::Deaf, Malice::Fickle, Malice::Babbles, Malice::Draws];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("usage: hostile HOST:PORT COOKIE PROOF [COOKIE PROOF]…")?;
    let pairs: Vec<String> = arguments.collect();
    let mut browsers = tokio::task::JoinSet::new();
    for (pair, malice) in pairs.chunks_exact(2).zip(ALL.into_iter().cycle()) {
        let [cookie, proof] = pair else { continue };
        let (address, cookie, proof) = (address.clone(), cookie.clone(), proof.clone());
        browsers.spawn(async move {
            loop {
                // To be thrown out is what is to be expected.
                if let Err(error) = browse(&address, &cookie, &proof, malice).await {
                    eprintln!("{malice:?}: {error:#}");
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
    println!("{} browsers", browsers.len());
    let end = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    end.await??;
    Ok(())
}

async fn browse(address: &str, cookie: &str, proof: &str, malice: Malice) -> anyhow::Result<()> {
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse()?);
    request.headers_mut().insert("cookie", cookie.parse()?);
    request.headers_mut().insert("origin", format!("http://{address}").parse()?);
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    let (mut out, mut frames) = socket.split();
    let say = |frame: &Browser| Message::Binary(wire::encode(frame).into());
    out.send(say(&Browser::Auth { proof: proof.to_owned(), resume: Vec::new() })).await?;
    let (mut turn, mut due) = (0_u32, interval(ASK));
    loop {
        tokio::select! {
            _ = due.tick() => {
                turn += 1;
                for frame in asks(malice, turn) {
                    out.send(frame).await?;
                }
            }
            message = frames.next(), if !matches!(malice, Malice::Deaf) => match message.context("the link ended")?? {
                Message::Binary(bytes) => match wire::decode(&bytes).ok().context("not a frame")? {
                    Server::Ping { .. } => out.send(say(&Browser::Pong)).await?,
                    Server::Page { sub, seq, .. } | Server::Diff { sub, seq, .. } | Server::Cells { sub, seq, .. } => {
                        out.send(say(&Browser::Ack { sub, seq })).await?;
                    }
                    _ => {}
                },
                Message::Close(why) => anyhow::bail!("closed: {why:?}"),
                _ => {}
            },
        }
    }
}

/// What is sent at a turn.
fn asks(malice: Malice, turn: u32) -> Vec<Message> {
    let say = |frame: &Browser| Message::Binary(wire::encode(frame).into());
    let table = |turn: u32| {
        View::Table(TableAsk {
            kind: Kind::Pod,
            namespaces: Vec::new(),
            filter: format!("!nobody-{turn} restarts<{}", 1000 + turn),
            sort: vec![(ColumnId((turn % 6) as u8), turn.is_multiple_of(2))],
            start: (turn * 977) % 100_000,
            count: WINDOW_MAX,
        })
    };
    match malice {
        Malice::Sorts if turn == 1 => vec![say(&Browser::Open { sub: Sub(1), view: table(turn) })],
        Malice::Sorts => vec![say(&Browser::Alter { sub: Sub(1), view: table(turn) })],
        Malice::Deaf if turn <= 16 => vec![say(&Browser::Open { sub: Sub(turn), view: table(turn) })],
        Malice::Deaf => Vec::new(),
        Malice::Fickle => {
            let open = say(&Browser::Open { sub: Sub(turn), view: table(turn) });
            vec![open, say(&Browser::Close { sub: Sub(turn) })]
        }
        Malice::Babbles => vec![Message::Binary(vec![0xff; 60_000].into())],
        Malice::Draws => {
            let view = match turn % 3 {
                0 => View::Overview { namespaces: Vec::new() },
                1 => View::Map { namespaces: Vec::new() },
                _ => View::Coverage,
            };
            let frame =
                if turn == 1 { Browser::Open { sub: Sub(1), view } } else { Browser::Alter { sub: Sub(1), view } };
            vec![say(&frame)]
        }
    }
}
