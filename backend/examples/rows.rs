//! Follows pods and nodes over the live link, and prints them as kubectl would: a line of JSON a frame, and five a
//! second so that ages are fresh. Tests compare it with kubectl.
//!
//! `rows HOST:PORT COOKIE PROOF`: plain HTTP, and what `POST session` answered.

use anyhow::{Context as _, bail};
use backend::printers;
use futures::{SinkExt as _, StreamExt as _};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use wire::table::{Column, Op, Row, TableAsk, WINDOW_MAX};
use wire::{Browser, Kind, Server, Sub, View};

#[derive(Default)]
struct Table {
    seq: u32,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// Says what does not fit: a difference that can not be applied is a fault of the server.
    fn step(&mut self, op: Op) -> anyhow::Result<()> {
        let Self { columns, rows, .. } = self;
        let of = |rows: &[Row], key| rows.iter().position(|row| row.key == key).context("no such row");
        match op {
            Op::Insert(at, row) => rows.insert(at as usize, row),
            Op::Remove(key) => drop(rows.remove(of(rows, key)?)),
            Op::Move(key, to) => {
                let row = rows.remove(of(rows, key)?);
                rows.insert(to as usize, row);
            }
            Op::Set(key, level, cells) => {
                let at = of(rows, key)?;
                let row = rows.get_mut(at).context("no such row")?;
                row.level = level;
                for (id, value) in cells {
                    let at = columns.iter().position(|column| column.id == id).context("no such column")?;
                    *row.cells.get_mut(at).context("no such cell")? = value;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: Server) -> anyhow::Result<()> {
        match frame {
            Server::Page { seq, columns, rows, matched, .. } => {
                anyhow::ensure!(rows.len() == matched as usize, "more rows than a window holds");
                *self = Self { seq, columns, rows };
            }
            Server::Diff { seq, base, ops, .. } => {
                anyhow::ensure!(base == self.seq, "continues {base}, here is {}", self.seq);
                ops.into_iter().try_for_each(|op| self.step(op))?;
                self.seq = seq;
            }
            Server::Cells { seq, .. } => self.seq = seq,
            other => bail!("not of a table: {other:?}"),
        }
        Ok(())
    }

    /// kubectl's columns, each row with its namespace first.
    fn print(&self, kind: Kind, now: wire::Millis) {
        let ours = |column: &&Column| column.id.0 < printers::CPU.0;
        let words: Vec<_> = self.columns.iter().filter(ours).map(|column| &column.word).collect();
        let text = |row: &Row| {
            let cells = row.cells.iter().take(words.len()).map(|cell| printers::text(cell, now));
            std::iter::once(row.namespace.clone()).chain(cells).collect::<Vec<_>>()
        };
        let rows: Vec<_> = self.rows.iter().map(text).collect();
        println!("{}", serde_json::json!({"kind": kind.word(), "columns": words, "rows": rows}));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let [address, cookie, proof] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| anyhow::anyhow!("usage: rows HOST:PORT COOKIE PROOF"))?;
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse()?);
    request.headers_mut().insert("cookie", cookie.parse()?);
    request.headers_mut().insert("origin", format!("http://{address}").parse()?);
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    let (mut out, mut frames) = socket.split();
    let say = |frame: &Browser| Message::Binary(wire::encode(frame).into());
    out.send(say(&Browser::Auth { proof, resume: Vec::new() })).await?;
    let mut tables = BTreeMap::new();
    for (sub, kind) in [(Sub(1), Kind::Pod), (Sub(2), Kind::Node)] {
        tables.insert(sub, (kind, Table::default()));
        let (namespaces, filter, sort) = (Vec::new(), String::new(), Vec::new());
        let view = View::Table(TableAsk { kind, namespaces, filter, sort, start: 0, count: WINDOW_MAX });
        out.send(say(&Browser::Open { sub, view })).await?;
    }
    let mut fresh = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            _ = fresh.tick() => {
                let now = jiff::Timestamp::now().as_millisecond();
                tables.values().filter(|(_, table)| !table.columns.is_empty()).for_each(|(kind, table)| table.print(*kind, now));
            }
            message = frames.next() => match message.context("the link ended")?? {
                Message::Binary(bytes) => match wire::decode(&bytes).ok().context("not a frame")? {
                    Server::Ping { .. } => out.send(say(&Browser::Pong)).await?,
                    frame @ (Server::Page { sub, seq, .. } | Server::Diff { sub, seq, .. } | Server::Cells { sub, seq, .. }) => {
                        let (kind, table) = tables.get_mut(&sub).context("no such view")?;
                        table.take(frame)?;
                        table.print(*kind, jiff::Timestamp::now().as_millisecond());
                        out.send(say(&Browser::Ack { sub, seq })).await?;
                    }
                    Server::Welcome { .. } | Server::State { .. } => {}
                    other => bail!("unexpected: {other:?}"),
                },
                Message::Close(why) => bail!("closed: {why:?}"),
                _ => {}
            },
        }
    }
}
