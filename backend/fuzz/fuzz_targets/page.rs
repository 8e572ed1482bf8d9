//! The page parser on any bytes. Corpus: `backend/tests/fixtures/kubelet/`.
#![no_main]

#[allow(dead_code, reason = "each target uses its own check")]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|text: &[u8]| checks::page(text));
