use super::{Keep, Kind, MINUTE, Sample, Start, Track};
use crate::{Grid, Metric, Span};
use proptest::prelude::*;

const S: i64 = 1000;
/// A minute's beginning.
const T: i64 = 1_795_204_020_000;

fn sample(at: i64, cpu: u64, memory: u64) -> Sample {
    Sample { at, cpu: Some(cpu), memory: Some(memory) }
}

fn track(samples: &[(i64, u64, Start)]) -> Track {
    let mut track = Track::new(Kind::Counter);
    for (at, cpu, start) in samples {
        track.append(sample(T + at * S, *cpu, 10), *start, &Keep::default());
    }
    track
}

fn spans(track: &Track, metric: Metric) -> Vec<Span> {
    let mut spans = Vec::new();
    track.spans(metric, (T - 86_400 * S, T + 86_400 * S), (15 * S, 30 * S), |span| spans.push(span));
    spans
}

#[track_caller]
fn check(track: &Track, metric: Metric, expected: &[(i64, i64, f64)]) {
    let found: Vec<_> = spans(track, metric).iter().map(|s| ((s.from - T) / S, (s.to - T) / S, s.value)).collect();
    assert_eq!(found, expected);
}

use Start::{Follows, Gap, Reset};

#[test]
fn a_rate_divides_by_the_time_between_samples() {
    let track = track(&[(0, 0, Follows), (10, 1_000_000, Follows), (30, 2_000_000, Follows)]);
    check(&track, Metric::Cpu, &[(0, 10, 100_000.0), (10, 30, 50_000.0)]);
}

#[test]
fn the_same_sample_again_is_nothing_new() {
    let track = track(&[(0, 0, Follows), (15, 15, Follows), (15, 15, Follows), (14, 14, Follows), (30, 30, Follows)]);
    check(&track, Metric::Cpu, &[(0, 15, 1.0), (15, 30, 1.0)]);
}

#[test]
fn a_fallen_counter_begins_a_new_run() {
    let track = track(&[(0, 100, Follows), (15, 115, Follows), (30, 3, Follows), (45, 18, Follows)]);
    check(&track, Metric::Cpu, &[(0, 15, 1.0), (30, 45, 1.0)]);
    check(&track, Metric::Memory, &[(-15, 0, 10.0), (0, 15, 10.0), (15, 30, 10.0), (30, 45, 10.0)]);
}

#[test]
fn a_known_restart_begins_a_new_run_though_the_counter_rose() {
    check(&track(&[(0, 1, Follows), (15, 500, Reset), (30, 515, Follows)]), Metric::Cpu, &[(15, 30, 1.0)]);
}

#[test]
fn a_missed_scrape_is_a_gap_and_its_rate_is_known_all_the_same() {
    let track = track(&[(0, 0, Follows), (29, 29, Gap), (44, 44, Follows)]);
    check(&track, Metric::Cpu, &[(29, 44, 1.0)]);
    assert_eq!(track.rate(), Some((1, T + 44 * S, 15_000)));
}

#[test]
fn samples_too_far_apart_are_a_gap() {
    check(&track(&[(0, 0, Follows), (31, 31, Follows), (46, 46, Follows)]), Metric::Cpu, &[(31, 46, 1.0)]);
}

#[test]
fn a_clock_set_back_starts_over() {
    let track = track(&[(7200, 9, Follows), (0, 10, Follows), (15, 25, Follows)]);
    check(&track, Metric::Cpu, &[(0, 15, 1.0)]);
}

#[test]
fn what_comes_after_the_end_is_another_run() {
    let mut track = track(&[(0, 0, Follows), (15, 15, Follows)]);
    track.end();
    assert_eq!(track.rate(), None);
    track.append(sample(T + 30 * S, 30, 1), Follows, &Keep::default());
    check(&track, Metric::Cpu, &[(0, 15, 1.0)]);
}

#[test]
fn an_unknown_value_is_not_zero() {
    let mut track = Track::new(Kind::Counter);
    for (step, cpu) in [Some(0), None, Some(30), Some(45)].into_iter().enumerate() {
        track.append(Sample { at: T + step as i64 * 15 * S, cpu, memory: Some(4) }, Follows, &Keep::default());
    }
    check(&track, Metric::Cpu, &[(30, 45, 1.0)]);
}

#[test]
fn minutes_outlive_samples_and_join_them_without_overlap() {
    let samples: Vec<_> = (0..4 * 240).map(|step| (step * 15, step as u64 * 15, Follows)).collect();
    let spans = spans(&track(&samples), Metric::Cpu);
    assert_eq!(spans.last().map(|span| span.to), Some(T + 959 * 15 * S));
    assert!(spans.first().is_some_and(|span| span.to - span.from == MINUTE), "the oldest are minutes");
    assert!(spans.windows(2).all(|pair| pair[0].to <= pair[1].from), "no overlap");
    let known: i64 = spans.iter().map(|span| span.to - span.from).sum();
    assert!(known > 959 * 15 * S - 2 * MINUTE, "no hole where the tiers meet: {known}");
    assert!(spans.iter().all(|span| (span.value - 1.0).abs() < 0.01));
}

#[test]
fn rows_are_freed_by_age() {
    let keep = Keep { fine: 60 * MINUTE, coarse: 120 * MINUTE };
    let mut track = Track::new(Kind::Counter);
    for step in 0..5760 {
        track.append(sample(T + step * 15 * S, step as u64, 1), Follows, &keep);
    }
    assert!(track.samples() < (240 + 120) * 2 + (120 + 120) * 6, "{}", track.samples());
}

proptest! {
    #[test]
    fn rates_are_never_negative_and_never_more_than_was_counted(
        samples in proptest::collection::vec((-200i64..40_000, 0u64..1u64 << 40, 0u8..8), 1..400),
    ) {
        let mut track = Track::new(Kind::Counter);
        let mut at = T;
        let mut most = 0u64;
        for (step, cpu, start) in samples {
            at += step;
            most = most.max(cpu);
            let start = match start { 0 => Reset, 1 => Gap, _ => Follows };
            track.append(sample(at, cpu, cpu % 1000), start, &Keep::default());
        }
        track.spans(Metric::Cpu, (i64::MIN / 2, i64::MAX / 2), (15 * S, 30 * S), |span| {
            assert!(span.value >= 0.0 && span.value * ((span.to - span.from) as f64) / 1000.0 <= most as f64 + 1.0, "{span:?}");
        });
        if let Some((_, _, window)) = track.rate() {
            prop_assert!(window > 0);
        }
    }

    #[test]
    fn a_later_grid_of_the_same_range_has_the_same_steps(from in 0i64..1 << 41, range in 0i64..90_000_000, later in 0i64..100_000, points in 2u16..2000) {
        let (one, two) = (Grid::new(from, from + range, points), Grid::new(from + later, from + later + range, points));
        prop_assert_eq!(one.step(), two.step());
        prop_assert_eq!((two.from() - one.from()) % one.step(), 0);
        prop_assert!(one.from() <= from && one.to() > from + range, "covered");
        prop_assert!((one.to() - one.from()) / one.step() <= i64::from(points));
    }
}

#[test]
fn a_step_is_the_average_over_the_time_that_is_known() {
    let mut grid = Grid::new(0, 9_000, 10);
    assert_eq!((grid.from(), grid.step()), (0, 2_000));
    grid.add(Span { from: 1_000, to: 3_000, value: 4.0 });
    grid.add(Span { from: 3_000, to: 4_000, value: 8.0 });
    let values = grid.take(0.5);
    assert_eq!(values[..2], [2.0, 3.0]);
    assert!(values[2..].iter().all(|value| value.is_nan()));
}
