//! A sample's label set: `{name="value",…}` with escapes.

use super::parse::skip_blanks;
use memchr::memchr2;
use std::borrow::Cow;

/// Labels a series may have.
const LABELS_MAX: usize = 64;

/// Hands every label to `visit` and returns what follows the closing brace. `bytes` begins with the opening one.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(&'a [u8], Cow<'a, [u8]>),
) -> Result<&'a [u8], &'static str> {
    let mut rest = skip_blanks(bytes.get(1..).unwrap_or_default());
    for _ in 0..=LABELS_MAX {
        if let Some((b'}', after)) = rest.split_first() {
            return Ok(after);
        }
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if length == 0 {
            return Err(if rest.is_empty() { "labels are not closed" } else { "label has no name" });
        }
        let (name, after) = rest.split_at(length);
        let after = skip_blanks(after).strip_prefix(b"=").ok_or("label has no value")?;
        let after = skip_blanks(after).strip_prefix(b"\"").ok_or("label value is not quoted")?;
        let (value, after) = value(after)?;
        visit(name, value);
        rest = skip_blanks(after);
        rest = match rest.split_first() {
            Some((b',', after)) => skip_blanks(after),
            Some((b'}', _)) => rest,
            Some(_) => return Err("labels are not separated by a comma"),
            None => return Err("labels are not closed"),
        };
    }
    Err("too many labels")
}

/// A value up to its closing quote, unescaped; borrowed when there is nothing to unescape.
fn value(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), &'static str> {
    const OPEN: &str = "label value is not closed";
    let mut owned: Option<Vec<u8>> = None;
    let mut rest = bytes;
    loop {
        let stop = memchr2(b'"', b'\\', rest).ok_or(OPEN)?;
        let (plain, after) = rest.split_at(stop);
        if after.first() == Some(&b'"') {
            let after = after.get(1..).unwrap_or_default();
            return Ok(match owned {
                None => (Cow::Borrowed(plain), after),
                Some(mut value) => {
                    value.extend_from_slice(plain);
                    (Cow::Owned(value), after)
                }
            });
        }
        let value = owned.get_or_insert_default();
        value.extend_from_slice(plain);
        match after.get(1) {
            Some(b'n') => value.push(b'\n'),
            Some(escaped @ (b'\\' | b'"')) => value.push(*escaped),
            // As Prometheus reads it: an unknown escape stands for itself.
            Some(other) => value.extend_from_slice(&[b'\\', *other]),
            None => return Err(OPEN),
        }
        rest = after.get(2..).unwrap_or_default();
    }
}
