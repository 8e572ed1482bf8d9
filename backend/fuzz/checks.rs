//! What must hold for any bytes. The fuzz targets and the ordinary test `backend/tests/fuzz.rs` run the same checks.

use backend::encoding::{Indent, accept};
use backend::kubelet::selector::LabelSelector;
use backend::kubelet::{Names, parse};
use series::codec::{decode, encode};
use std::sync::Arc;

/// The page parser: samples and problems are at most lines, and a remembered page reads the same.
pub(crate) fn page(text: &[u8]) {
    let node = Arc::from("node");
    let mut names = Names::default();
    let one = parse::page(text, &node, 0, true, &mut names);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(one.samples as usize + one.problems.len() <= lines, "more samples and problems than lines");
    assert_eq!(one.page, parse::page(text, &node, 0, true, &mut names).page, "a remembered page reads differently");
}

/// The column codec: foreign bytes never panic, and what is encoded comes back.
pub(crate) fn codec(bytes: &[u8]) {
    let mut values = Vec::new();
    let _ = decode(bytes, bytes.len() * 3, &mut values);
    let values: Vec<i64> = bytes.as_chunks::<8>().0.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect();
    let mut column = Vec::new();
    encode(&values, &mut column);
    let mut back = Vec::new();
    assert_eq!(decode(&column, values.len(), &mut back), Some([].as_slice()), "an encoded column is not read whole");
    assert_eq!(values, back, "a column came back different");
}

/// What a client sends in a header or a query: read without a panic, and what is chosen is one of what there is.
pub(crate) fn request(text: &str) {
    if accept::choose(text).is_some() {
        assert!(accept::known(text), "chosen, but nothing of it is known");
    }
    let _ = (accept::plain(text), accept::groups(text));
    if let Ok(selector) = LabelSelector::parse(text) {
        let _ = selector.matches(&[(Arc::from("a"), Arc::from("b"))]);
    }
    let mut lines = Vec::new();
    Indent::default().push(text.as_bytes(), &mut lines);
    assert!(lines.len() <= 2 * (text.len() + 1).pow(2), "indentation grows beyond what brackets explain");
}
