//! Reads the access reviews that kubectl sends as protobuf, whatever the server would like.
//!
//! Only these: `SelfSubjectAccessReview` and `SelfSubjectRulesReview`. Everything else comes as JSON.

use serde_json::{Value, json};

/// The review as JSON, or `None` when the body is not protobuf or is cut.
pub(crate) fn review(plural: &str, body: &[u8]) -> Option<Value> {
    let unknown = body.strip_prefix(b"k8s\0")?;
    let object = field(unknown, 2)?;
    let spec = field(object, 2).unwrap_or_default();
    let spec = match plural {
        "selfsubjectrulesreviews" => json!({"namespace": text(spec, 1)}),
        "selfsubjectaccessreviews" => match (field(spec, 1), field(spec, 2)) {
            (Some(resource), _) => json!({"resourceAttributes": {
                "namespace": text(resource, 1), "verb": text(resource, 2), "group": text(resource, 3), "version": text(resource, 4),
                "resource": text(resource, 5), "subresource": text(resource, 6), "name": text(resource, 7),
            }}),
            (None, Some(path)) => json!({"nonResourceAttributes": {"path": text(path, 1), "verb": text(path, 2)}}),
            (None, None) => json!({}),
        },
        _ => return None,
    };
    let kind = if plural == "selfsubjectrulesreviews" { "SelfSubjectRulesReview" } else { "SelfSubjectAccessReview" };
    Some(json!({"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec}))
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8_lossy(field(message, number).unwrap_or_default()).into_owned()
}

/// The first length-delimited field of this number.
fn field(mut message: &[u8], number: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => drop(varint(&mut message)?),
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(length)?;
                if tag >> 3 == number {
                    return Some(value);
                }
                message = rest;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
