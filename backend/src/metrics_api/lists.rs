//! Bodies of lists: small ones whole, large ones made while they are sent, in pieces of [`PIECE`].
//!
//! A list of 150,000 pods costs one pointer a pod and a few pieces, however slowly it is read. It is not one moment's
//! picture: what a kubelet reports while the list is made is in it or not, as with any list of things sampled at different
//! times. Protobuf says its length first and is made whole, about 250 bytes a pod.

use super::meters::Meters;
use crate::cluster::kinds::{Node, Pod};
use crate::encoding::{Columns, Item, List, Media};
use crate::kubelet::{Latest, Served, ServedPod};
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tracing::debug;
use wire::Millis;

/// Bytes of one piece, and of one turn on the runtime: others wait no longer than it takes to write them.
const PIECE: usize = 64 << 10;
/// Objects that are looked up under one lock.
const LOOK: usize = 128;
/// A longer body is compressed for who accepts that.
pub(super) const LONG: usize = 128 << 10;
/// Pieces made ahead of who reads them.
const AHEAD: usize = 2;

/// The objects of a list, whether they are served or not.
pub(super) enum Rows {
    Nodes(Vec<Arc<Node>>),
    Pods(Vec<Arc<Pod>>),
}

/// What makes a list.
pub(super) struct Source {
    pub(super) rows: Rows,
    pub(super) latest: Latest,
    /// `--serve-swap`.
    pub(super) serve_swap: bool,
    /// Told how old what is written is at `now`.
    pub(super) meters: Meters,
    pub(super) now: Millis,
}

/// A list being written.
struct Writing {
    source: Source,
    list: List,
    at: usize,
}

/// A body, and whether it is a [`LONG`] one.
pub(super) struct Made {
    pub(super) body: Body,
    pub(super) long: bool,
}

// === impl Rows ===

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::Nodes(nodes) => nodes.len(),
            Self::Pods(pods) => pods.len(),
        }
    }
}

// === impl Source ===

impl Source {
    /// Looks at all of it, for the columns of a table.
    pub(super) async fn columns(&self) -> Columns {
        let (mut columns, mut at) = (Columns::default(), 0);
        while at < self.rows.len() && !(columns.any && columns.swap) {
            self.each(at, |item| {
                columns.any = true;
                columns.swap |= item.has_swap();
            });
            at += LOOK;
            tokio::task::yield_now().await;
        }
        columns
    }

    /// Calls with the served ones of the next [`LOOK`] objects.
    fn each(&self, from: usize, mut with: impl FnMut(&Item<'_>)) {
        match &self.rows {
            Rows::Nodes(nodes) => {
                for node in nodes.iter().skip(from).take(LOOK) {
                    if let Ok(served) = self.latest.node(&node.meta.name) {
                        with(&Item::node(&node.meta, swapped(served, self.serve_swap)));
                    }
                }
            }
            Rows::Pods(pods) => {
                let pods = pods.get(from..).unwrap_or_default();
                let pods = pods.get(..LOOK).unwrap_or(pods);
                for (pod, served) in pods.iter().zip(self.latest.pods(pods)) {
                    if let Some(served) = served {
                        with(&Item::pod(&pod.meta, &swapped_pod(served, self.serve_swap)));
                    }
                }
            }
        }
    }

    /// The body of the list. What is left to write when this returns holds `place` and has `limit`.
    pub(super) async fn write(self, mut list: List, place: Option<OwnedSemaphorePermit>, limit: Duration) -> Made {
        if list.media() == Media::Protobuf {
            return self.whole(list).await;
        }
        let mut text = list.head(0);
        let mut writing = Writing { source: self, list, at: 0 };
        while text.len() <= LONG {
            match writing.piece() {
                Some(piece) => text.extend(piece),
                None => {
                    let long = text.len() > LONG;
                    return Made { body: Body::from(text), long };
                }
            }
        }
        let (pieces, written) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let sent = timeout(limit, writing.send(text, &pieces)).await;
            if sent.is_err() {
                debug!("a list was not read to its end in time");
            }
            drop((pieces, place));
        });
        let body = futures::stream::unfold(Some(written), |written| async move {
            let mut written = written?;
            match written.recv().await {
                Some(Some(piece)) => Some((Ok(piece), Some(written))),
                Some(None) => None,
                // Whoever reads must not take what there is for a whole list.
                None => Some((Err(io::Error::other("the list was cut short")), None)),
            }
        });
        Made { body: Body::from_stream(body.fuse()), long: true }
    }

    async fn whole(self, list: List) -> Made {
        let mut writing = Writing { source: self, list, at: 0 };
        let (mut pieces, mut length) = (Vec::new(), 0);
        while let Some(piece) = writing.piece() {
            length += piece.len();
            pieces.push(Bytes::from(piece));
            tokio::task::yield_now().await;
        }
        let head = writing.list.head(length);
        if pieces.len() <= 1 {
            let body: Vec<u8> = head.into_iter().chain(pieces.into_iter().flatten()).collect();
            return Made { long: body.len() > LONG, body: Body::from(body) };
        }
        pieces.insert(0, Bytes::from(head));
        let body = Body::from_stream(futures::stream::iter(pieces.into_iter().map(Ok::<_, io::Error>)).fuse());
        Made { body, long: length > LONG }
    }
}

// === impl Writing ===

impl Writing {
    /// The next bytes of the list, its tail last; `None` when all was written.
    fn piece(&mut self) -> Option<Vec<u8>> {
        let Self { source, list, at } = self;
        let mut out = Vec::with_capacity(PIECE + PIECE / 4);
        let mut sampled = Vec::with_capacity(LOOK);
        while *at < source.rows.len() {
            sampled.clear();
            source.each(*at, |item| {
                sampled.push(item.at);
                list.item(item, &mut out);
            });
            source.meters.answered(source.now, &sampled);
            *at += LOOK;
            if out.len() >= PIECE {
                return Some(out);
            }
        }
        if *at == usize::MAX {
            return None;
        }
        *at = usize::MAX;
        out.extend(list.tail());
        Some(out)
    }

    /// Ends with `None`, or early when nobody reads any more.
    async fn send(&mut self, first: Vec<u8>, pieces: &mpsc::Sender<Option<Bytes>>) {
        let mut next = Some(first);
        while let Some(piece) = next {
            if pieces.send(Some(Bytes::from(piece))).await.is_err() {
                return;
            }
            next = self.piece();
        }
        // Whether anybody still reads makes no difference at the end.
        let _ = pieces.send(None).await;
    }
}

pub(super) fn swapped(served: Served, serve_swap: bool) -> Served {
    Served { swap: served.swap.filter(|_| serve_swap), ..served }
}

pub(super) fn swapped_pod(mut served: ServedPod, serve_swap: bool) -> ServedPod {
    for (_, container) in &mut served.containers {
        *container = swapped(*container, serve_swap);
    }
    served
}
