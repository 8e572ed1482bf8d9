//! Items as JSON, byte for byte as Kubernetes writes them.

use super::item::{Item, Usage};
use super::quantity;
use crate::cluster::kinds::Meta;
use crate::kubelet::Served;
use std::io::Write as _;
use wire::Millis;

/// Text of a moment. Items of a list were sampled in few different seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    second: i64,
    text: String,
}

// === impl Clock ===

impl Clock {
    fn text(&mut self, at: Millis) -> &str {
        let second = at.div_euclid(1000);
        if self.second != second || self.text.is_empty() {
            *self = Self { second, text: time(at) };
        }
        &self.text
    }
}

/// RFC 3339, UTC, whole seconds, fraction cut.
#[must_use]
pub fn time(at: Millis) -> String {
    let seconds = at.div_euclid(1000);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "1970-01-01T00:00:00Z".into(), |time| time.to_string())
}

/// A JSON string, escaped as Go does (`<`, `>`, `&` as well).
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0..=0x1f | 0xe2);
    if text.as_bytes().iter().all(plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                    put(out, format_args!("\\u{:04x}", u32::from(c)));
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// Appends formatted text. Writing to memory can't fail.
pub(super) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// `"metadata":{…}`; `created` is the answer's time, as text.
pub(super) fn metadata(out: &mut Vec<u8>, meta: &Meta, created: &str) {
    out.extend_from_slice(b"\"metadata\":{\"name\":");
    quote(&meta.name, out);
    if !meta.namespace.is_empty() {
        out.extend_from_slice(b",\"namespace\":");
        quote(&meta.namespace, out);
    }
    put(out, format_args!(",\"creationTimestamp\":\"{created}\""));
    for (n, (key, value)) in meta.labels.iter().enumerate() {
        out.extend_from_slice(if n == 0 { b",\"labels\":{" } else { b"," });
        quote(key, out);
        out.push(b':');
        quote(value, out);
    }
    out.extend_from_slice(if meta.labels.is_empty() { b"}" } else { b"}}" });
}

/// All members of an item.
pub(super) fn members(out: &mut Vec<u8>, item: &Item<'_>, created: &str, clock: &mut Clock) {
    metadata(out, item.meta, created);
    put(out, format_args!(",\"timestamp\":\"{}\",\"window\":\"", clock.text(item.at)));
    quantity::duration(item.window, out);
    out.extend_from_slice(b"\",");
    match item.usage {
        Usage::Node(served) => usage(out, &served),
        Usage::Pod(containers) => {
            out.extend_from_slice(b"\"containers\":[");
            for (n, (name, served)) in containers.iter().enumerate() {
                out.extend_from_slice(if n == 0 { b"{\"name\":" } else { b",{\"name\":" });
                quote(name, out);
                out.push(b',');
                usage(out, served);
                out.push(b'}');
            }
            out.push(b']');
        }
    }
}

fn usage(out: &mut Vec<u8>, served: &Served) {
    out.extend_from_slice(b"\"usage\":{\"cpu\":\"");
    quantity::cpu(served.cpu, out);
    out.extend_from_slice(b"\",\"memory\":\"");
    quantity::memory(served.memory, out);
    if let Some(swap) = served.swap {
        out.extend_from_slice(b"\",\"swap\":\"");
        quantity::memory(swap, out);
    }
    out.extend_from_slice(b"\"}");
}
