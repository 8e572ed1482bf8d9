//! From one whole frame to the next: a step, where there is one that is shorter than the frame.

use crate::topology::change;
use wire::Server;
use wire::chart::Chart;

/// The frame numbered `seq` that brings a browser from `before`, which it has as `base`, to `fresh`.
pub(super) fn step(before: Option<&Server>, fresh: Server, (seq, base): (u32, u32)) -> Server {
    match (before, fresh) {
        (Some(Server::Map { map: old, .. }), Server::Map { sub, map, .. }) => {
            let diff = (old.missing == map.missing).then(|| change::diff(old, &map));
            let whole = Server::Map { sub, seq, map };
            let short = diff.map(|diff| Server::MapDiff { sub, seq, base, diff });
            let short = short.filter(|short| wire::encode(short).len() < wire::encode(&whole).len());
            short.unwrap_or(whole)
        }
        (Some(Server::Chart { chart: old, .. }), Server::Chart { sub, chart, .. }) => match tail(old, &chart) {
            Some(values) => {
                let Chart { from, newest, problem, .. } = chart;
                Server::ChartTail { sub, seq, base, from, values, newest, problem }
            }
            None => Server::Chart { sub, seq, chart },
        },
        (_, Server::Map { sub, map, .. }) => Server::Map { sub, seq, map },
        (_, Server::Chart { sub, chart, .. }) => Server::Chart { sub, seq, chart },
        (_, Server::Object { sub, object, .. }) => Server::Object { sub, seq, object },
        (_, Server::Overview { sub, overview, .. }) => Server::Overview { sub, seq, overview },
        (_, Server::Coverage { sub, coverage, .. }) => Server::Coverage { sub, seq, coverage },
        (_, Server::Namespaces { sub, namespaces, .. }) => Server::Namespaces { sub, seq, namespaces },
        (_, other) => other,
    }
}

/// The values behind the end of `old`, when everything else of it stands: a browser drops as many at the front.
fn tail(old: &Chart, new: &Chart) -> Option<Vec<Vec<f32>>> {
    let labels = |chart: &Chart| -> Vec<(String, usize)> {
        chart.lines.iter().map(|line| (line.label.clone(), line.values.len())).collect()
    };
    let moved = new.from - old.from;
    let step = i64::from(new.step.max(1));
    if old.step != new.step || moved % step != 0 || old.rules != new.rules || old.marks != new.marks {
        return None;
    }
    if labels(old) != labels(new) {
        return None;
    }
    let shift = usize::try_from(moved / step).ok()?;
    let ends = old.lines.iter().zip(&new.lines).map(|(old, new)| {
        let kept = new.values.len().checked_sub(shift)?;
        let (stays, end) = new.values.split_at_checked(kept)?;
        let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        old.values.get(shift..)?.iter().zip(stays).all(same).then(|| end.to_vec())
    });
    ends.collect()
}

#[cfg(test)]
mod steps_tests {
    use super::*;
    use wire::Sub;
    use wire::chart::{Line, Rule};
    use wire::map::{Box, Lane, Layer, Map, Proxy, Tally};
    use wire::{Key, Level, Say};

    const SUB: Sub = Sub(1);

    fn chart(from: i64, values: &[f32]) -> Chart {
        let lines = vec![Line { label: "web".into(), values: values.to_vec() }];
        let rules = vec![Rule { word: "limit".into(), label: "web".into(), value: 1.0 }];
        Chart { from, step: 10, lines, rules, marks: Vec::new(), newest: Some((from, 10)), problem: None }
    }

    #[track_caller]
    fn check(old: &Chart, new: &Chart, expected: Option<&[f32]>) {
        let before = Server::Chart { sub: SUB, seq: 0, chart: old.clone() };
        match (step(Some(&before), Server::Chart { sub: SUB, seq: 0, chart: new.clone() }, (8, 7)), expected) {
            (Server::ChartTail { base: 7, seq: 8, from, values, .. }, Some(tail)) => {
                assert_eq!((from, values), (new.from, vec![tail.to_vec()]));
            }
            (Server::Chart { seq: 8, .. }, None) => {}
            (other, _) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chart_that_only_went_on_is_its_end_and_any_other_is_whole() {
        let old = chart(100, &[1.0, f32::NAN, 3.0, 4.0]);
        check(&old, &chart(110, &[f32::NAN, 3.0, 4.0, 5.0]), Some(&[5.0]));
        check(&old, &chart(130, &[4.0, 5.0, 6.0, 7.0]), Some(&[5.0, 6.0, 7.0]));
        check(&old, &chart(140, &[5.0, 6.0, 7.0, 8.0]), Some(&[5.0, 6.0, 7.0, 8.0]));
        check(&old, &chart(100, &[1.0, f32::NAN, 3.0, 4.0]), Some(&[]));
        check(&old, &chart(110, &[f32::NAN, 3.0, 4.5, 5.0]), None);
        check(&old, &chart(105, &[f32::NAN, 3.0, 4.0, 5.0]), None);
        check(&old, &chart(90, &[0.0, 1.0, f32::NAN, 3.0]), None);
        check(&old, &chart(110, &[f32::NAN, 3.0, 4.0]), None);
        check(&old, &Chart { step: 20, ..old.clone() }, None);
        check(&old, &Chart { rules: Vec::new(), ..old.clone() }, None);
        check(&old, &Chart { lines: Vec::new(), ..old.clone() }, None);
    }

    fn drawn(titles: &[&str]) -> Map {
        let boxes = titles.iter().zip(0_u32..).map(|(title, row)| Box {
            key: Key(row.into()),
            layer: Layer::Service,
            row,
            title: (*title).into(),
            subtitle: String::new(),
            level: Level::Good,
            dots: Vec::new(),
            more: 0,
            at: None,
            say: None,
            lone: false,
        });
        let lanes = vec![Lane { namespace: "shop".into(), row: 0, rows: 9 }];
        let (tally, proxy) = (Tally::default(), Proxy::default());
        Map { lanes, boxes: boxes.collect(), edges: Vec::new(), tally, proxy, missing: Vec::new() }
    }

    #[test]
    fn a_map_that_keeps_most_of_itself_is_its_difference() {
        let (old, new) = (drawn(&["a", "b", "c", "d", "e"]), drawn(&["a", "b", "x", "d", "e"]));
        let before = Server::Map { sub: SUB, seq: 0, map: old.clone() };
        let to = |map: &Map| step(Some(&before), Server::Map { sub: SUB, seq: 0, map: map.clone() }, (8, 7));
        let Server::MapDiff { base: 7, seq: 8, diff, .. } = to(&new) else { panic!("not a difference") };
        let mut shown = old;
        change::apply(&mut shown, &diff);
        assert_eq!(shown, new);
        let crowd = Server::Map { sub: SUB, seq: 0, map: drawn(&["a"; 60]) };
        let alone = step(Some(&crowd), Server::Map { sub: SUB, seq: 0, map: drawn(&["a"]) }, (8, 7));
        assert!(matches!(alone, Server::Map { seq: 8, .. }), "a long list of what is gone");
        assert!(matches!(to(&Map { missing: vec![Say::new("E-OFF")], ..new }), Server::Map { .. }));
    }
}
