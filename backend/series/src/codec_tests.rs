use super::{BLOCK, decode, encode, take_varint, unzigzag, varint, varint_length, zigzag};
use proptest::prelude::*;

#[track_caller]
fn check(values: &[i64], most: usize) {
    let mut bytes = Vec::new();
    encode(values, &mut bytes);
    assert!(bytes.len() <= most, "{} bytes for {} values, at most {most} wanted", bytes.len(), values.len());
    bytes.push(0xa5);
    let mut out = Vec::new();
    assert_eq!(decode(&bytes, values.len(), &mut out), Some([0xa5].as_slice()), "what follows a column is given back");
    assert_eq!(out, values);
}

#[test]
fn an_empty_column_is_empty() {
    check(&[], 0);
}

#[test]
fn one_value_is_a_varint() {
    check(&[7], 1);
}

#[test]
fn a_constant_costs_its_value_and_one_run() {
    check(&[5; 10_000], 6);
}

#[test]
fn a_steady_counter_is_a_run_too() {
    check(&(0..1000).map(|step| step * 15_000).collect::<Vec<_>>(), 8);
}

#[test]
fn the_ends_of_the_range_wrap() {
    check(&[i64::MIN, i64::MAX, 0, i64::MIN, -1, i64::MAX, i64::MAX], 120);
}

#[test]
fn an_outlier_costs_itself_and_not_its_block() {
    let mut values: Vec<i64> = (0..BLOCK as i64).map(|step| step * 100 + step % 3).collect();
    values[20] = i64::MAX / 3;
    check(&values, 60);
}

#[test]
fn jitter_of_two_milliseconds_costs_five_bits() {
    check(&(0..120).map(|step| step * 15_000 + step * 7 % 5 - 2).collect::<Vec<_>>(), 78);
}

#[test]
fn a_run_ends_a_block_early() {
    check(&[&[1, 9, 4, 7, 3][..], &[3; 200], &[8, 1, 0]].concat(), 30);
}

proptest! {
    #[test]
    fn decode_of_encode_is_identity(values in proptest::collection::vec(any::<i64>(), 0..300)) {
        check(&values, usize::MAX);
    }

    #[test]
    fn decode_of_encode_is_identity_for_likely_columns(
        first in any::<i64>(),
        steps in proptest::collection::vec((-40i64..40, 1usize..40, 0u32..60), 0..20),
    ) {
        let mut values = vec![first];
        for (step, times, scale) in steps {
            for _ in 0..times {
                values.push(values[values.len() - 1].wrapping_add(step.wrapping_shl(scale)));
            }
        }
        check(&values, usize::MAX);
    }

    #[test]
    fn foreign_bytes_are_refused_or_read_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..500) {
        let mut out = Vec::new();
        if decode(&bytes, count, &mut out).is_some() {
            prop_assert_eq!(out.len(), count);
        }
    }

    #[test]
    fn varints_and_zigzag_come_back(value in any::<i64>()) {
        let mut bytes = Vec::new();
        varint(zigzag(value), &mut bytes);
        prop_assert_eq!(bytes.len(), varint_length(zigzag(value)));
        prop_assert_eq!(take_varint(&mut bytes.as_slice()).map(unzigzag), Some(value));
    }
}
