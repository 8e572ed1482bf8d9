//! Protobuf as Kubernetes frames it: four bytes, `runtime.Unknown`, the message. Field numbers of `metrics-api.md` 7.4.

use super::item::{Item, Usage};
use super::quantity;
use crate::cluster::kinds::Meta;
use crate::kubelet::Served;
use wire::Millis;

const MAGIC: [u8; 4] = *b"k8s\0";
/// Wire types: a number, and bytes with their length.
const VARINT: u8 = 0;
const BYTES: u8 = 2;

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub struct Message {
    bytes: Vec<u8>,
}

// === impl Message ===

impl Message {
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A number; zero as well: who wants it unset doesn't call.
    #[must_use]
    pub fn number(mut self, field: u8, value: u64) -> Self {
        key(&mut self.bytes, field, VARINT);
        varint(&mut self.bytes, value);
        self
    }

    /// Text; empty text is left out.
    #[must_use]
    pub fn text(mut self, field: u8, text: &str) -> Self {
        if !text.is_empty() {
            bytes(&mut self.bytes, field, text.as_bytes());
        }
        self
    }

    /// A message within; an empty one as well.
    #[must_use]
    pub fn message(mut self, field: u8, inner: &Self) -> Self {
        bytes(&mut self.bytes, field, &inner.bytes);
        self
    }
}

/// What stands before a message of `length` bytes.
#[must_use]
pub fn envelope(api_version: &str, kind: &str, length: usize) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let types = Message::default().text(1, api_version).text(2, kind);
    bytes(&mut out, 1, &types.bytes);
    key(&mut out, 2, BYTES);
    varint(&mut out, length as u64);
    out
}

/// Appends an item to a list: field 2.
pub(super) fn listed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    nested(out, 2, write);
}

/// The fields of `NodeMetrics` or `PodMetrics`.
pub(super) fn item(out: &mut Vec<u8>, item: &Item<'_>, now: Millis) {
    nested(out, 1, |out| metadata(out, item.meta, now));
    nested(out, 2, |out| seconds(out, item.at));
    nested(out, 3, |out| {
        key(out, 1, VARINT);
        varint(out, item.window);
    });
    match item.usage {
        Usage::Node(served) => usage(out, 4, &served),
        Usage::Pod(containers) => {
            for (name, served) in containers {
                nested(out, 4, |out| {
                    bytes(out, 1, name.as_bytes());
                    usage(out, 2, served);
                });
            }
        }
    }
}

/// `ObjectMeta`.
pub(super) fn metadata(out: &mut Vec<u8>, meta: &Meta, now: Millis) {
    bytes(out, 1, meta.name.as_bytes());
    if !meta.namespace.is_empty() {
        bytes(out, 3, meta.namespace.as_bytes());
    }
    nested(out, 8, |out| seconds(out, now));
    for (name, value) in meta.labels.iter() {
        nested(out, 11, |out| {
            bytes(out, 1, name.as_bytes());
            bytes(out, 2, value.as_bytes());
        });
    }
}

fn usage(out: &mut Vec<u8>, field: u8, served: &Served) {
    let entry = |out: &mut Vec<u8>, name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        nested(out, field, |out| {
            bytes(out, 1, name.as_bytes());
            nested(out, 2, |out| nested(out, 1, write));
        });
    };
    entry(out, "cpu", &|out| quantity::cpu(served.cpu, out));
    entry(out, "memory", &|out| quantity::memory(served.memory, out));
    if let Some(swap) = served.swap {
        entry(out, "swap", &|out| quantity::memory(swap, out));
    }
}

fn seconds(out: &mut Vec<u8>, at: Millis) {
    key(out, 1, VARINT);
    varint(out, at.div_euclid(1000).cast_unsigned());
    key(out, 2, VARINT);
    varint(out, 0);
}

fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    key(out, field, BYTES);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message whose length is known when it is written: nearly all are shorter than 128 bytes, whose length is one byte.
fn nested(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, BYTES);
    let place = out.len();
    out.push(0);
    write(out);
    let length = out.len() - place - 1;
    match u8::try_from(length) {
        Ok(short @ 0..128) => {
            if let Some(first) = out.get_mut(place) {
                *first = short;
            }
        }
        _ => {
            let mut long = Vec::with_capacity(10);
            varint(&mut long, length as u64);
            out.splice(place..=place, long);
        }
    }
}

fn key(out: &mut Vec<u8>, field: u8, kind: u8) {
    varint(out, u64::from(field) << 3 | u64::from(kind));
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "seven bits are left")]
    out.push(value as u8);
}

/// `PartialObjectMetadata`.
pub(super) fn partial(out: &mut Vec<u8>, meta: &Meta, now: Millis) {
    nested(out, 1, |out| metadata(out, meta, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_has_a_long_length() {
        let mut out = Vec::new();
        nested(&mut out, 1, |out| out.extend_from_slice(&[7; 300]));
        assert_eq!(out.len(), 303);
        assert!(out.starts_with(&[0x0a, 0xac, 0x02, 7]));
        let mut again = Vec::new();
        bytes(&mut again, 1, &[7; 300]);
        assert_eq!(out, again);
    }

    #[test]
    fn a_status_is_what_kubernetes_writes() {
        let details = Message::default().text(1, "n2").text(2, "metrics.k8s.io").text(3, "nodemetrics");
        let status = Message::default()
            .text(2, "Failure")
            .text(3, "nodemetrics.metrics.k8s.io \"n2\" not found")
            .text(4, "NotFound")
            .message(5, &details)
            .number(6, 404);
        let mut whole = envelope("v1", "Status", status.bytes().len());
        whole.extend_from_slice(status.bytes());
        let hex: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "6b3873000a0c0a027631120653746174757312",
                "64",
                "12074661696c757265",
                "1a296e6f64656d6574726963732e6d6574726963732e6b38732e696f20226e3222206e6f7420666f756e64",
                "22084e6f74466f756e64",
                "2a210a026e32120e6d6574726963732e6b38732e696f1a0b6e6f64656d657472696373",
                "309403"
            )
        );
    }
}
