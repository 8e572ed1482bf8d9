//! The column codec: foreign bytes never panic, and what is encoded comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use series::codec::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let mut values = Vec::new();
    let _ = decode(bytes, bytes.len() * 3, &mut values);
    let values: Vec<i64> = bytes.chunks_exact(8).filter_map(|chunk| Some(i64::from_le_bytes(chunk.try_into().ok()?))).collect();
    let mut column = Vec::new();
    encode(&values, &mut column);
    let mut back = Vec::new();
    assert_eq!(decode(&column, values.len(), &mut back), Some([].as_slice()));
    assert_eq!(values, back);
});
