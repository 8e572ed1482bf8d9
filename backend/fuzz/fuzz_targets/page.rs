//! The page parser: samples and problems are at most lines, and a remembered page reads the same.
//! Corpus: `backend/tests/fixtures/kubelet/`.
#![no_main]

use backend::kubelet::{Names, parse};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|text: &[u8]| {
    let node = Arc::from("node");
    let mut names = Names::default();
    let one = parse::page(text, &node, 0, true, &mut names);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(one.samples as usize + one.problems.len() <= lines);
    assert_eq!(one.page, parse::page(text, &node, 0, true, &mut names).page);
});
