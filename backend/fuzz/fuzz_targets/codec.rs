//! The column codec on any bytes.
#![no_main]

#[allow(dead_code, reason = "each target uses its own check")]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::codec(bytes));
