//! Each scene as SVG, against its approved picture.
#![allow(clippy::unwrap_used, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

use chart::{IntoDrawingArea, Mark, Palette, Rgb, Rule, Scene, Series, Unit, draw, layout, spark, value_at};
use plotters::prelude::SVGBackend;

const BLUE: Rgb = Rgb(110, 170, 255);

fn scene(unit: Unit, values: Vec<f32>) -> Scene {
    Scene {
        size: (320, 120),
        from: 1_700_000_000.0,
        to: 1_700_000_900.0,
        step: 60.0,
        series: vec![Series { values, color: BLUE, fill: true }],
        rules: Vec::new(),
        marks: Vec::new(),
        unit,
        palette: Palette { ink: Rgb(140, 146, 158), grid: Rgb(30, 34, 42), mark: Rgb(240, 110, 90) },
        offset_minutes: 0,
    }
}

fn picture(scene: &Scene) -> String {
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, scene.size).into_drawing_area(), scene).unwrap();
    svg
}

fn wave() -> Vec<f32> {
    (0..16_u8).map(|i| 0.1 + 0.05 * f32::from(i % 4)).collect()
}

#[test]
fn a_normal_chart() {
    insta::assert_snapshot!(picture(&scene(Unit::Cores, wave())));
}

#[test]
fn a_gap_splits_the_line() {
    let mut values = wave();
    values[6] = f32::NAN;
    values[7] = f32::NAN;
    let svg = picture(&scene(Unit::Cores, values));
    assert_eq!(svg.matches(r##"stroke="#6EAAFF""##).count(), 2, "{svg}");
    insta::assert_snapshot!(svg);
}

#[test]
fn nothing_at_all_still_has_axes() {
    insta::assert_snapshot!(picture(&scene(Unit::Bytes, Vec::new())));
}

#[test]
fn one_point_is_visible() {
    insta::assert_snapshot!(picture(&scene(Unit::Cores, vec![f32::NAN, 0.2])));
}

#[test]
fn huge_values() {
    let values = (0..16_u8).map(|i| f32::from(i) * 4e13).collect();
    insta::assert_snapshot!(picture(&scene(Unit::Bytes, values)));
}

#[test]
fn a_rule_above_the_data_is_inside_the_picture() {
    let mut scene = scene(Unit::Bytes, (0..16_u8).map(|i| 1e8 + f32::from(i) * 1e7).collect());
    scene.rules.push(Rule { value: 536_870_912.0, label: "limit".into(), color: Rgb(240, 110, 90), dash: true });
    insta::assert_snapshot!(picture(&scene));
}

#[test]
fn rules_and_marks() {
    let mut scene = scene(Unit::Cores, wave());
    scene.rules.push(Rule { value: 0.15, label: "request".into(), color: Rgb(140, 146, 158), dash: true });
    scene.rules.push(Rule { value: 0.5, label: "limit".into(), color: Rgb(240, 110, 90), dash: false });
    scene.marks.push(Mark { at: 1_700_000_300.0, label: "OOMKilled".into() });
    insta::assert_snapshot!(picture(&scene));
}

#[test]
fn a_sparkline_is_lines_alone() {
    let scene = Scene { size: (60, 16), ..scene(Unit::Cores, wave()) };
    let mut svg = String::new();
    spark(&SVGBackend::with_string(&mut svg, scene.size).into_drawing_area(), &scene).unwrap();
    insta::assert_snapshot!(svg);
}

#[test]
fn a_line_has_at_most_two_points_a_column() {
    let mut scene = scene(Unit::Cores, (0..5000_u16).map(|i| f32::from(i % 7)).collect());
    scene.step = 900.0 / 5000.0;
    let svg = picture(&scene);
    let line = svg.lines().find(|line| line.starts_with("<polyline") && line.contains("#6EAAFF")).unwrap();
    let points = line.matches(',').count();
    assert!(points <= 2 * (320 - layout::LEFT - layout::RIGHT + 1) as usize, "{points}");
}

#[test]
fn the_crosshair_reads_the_nearest_step() {
    let mut values = wave();
    values[15] = f32::NAN;
    let scene = scene(Unit::Cores, values.clone());
    let (left, width) = layout::span(&scene);
    assert_eq!(value_at(&scene, left), Some((1_700_000_000.0, vec![Some(values[0])])));
    assert_eq!(value_at(&scene, left + width), Some((1_700_000_900.0, vec![None])));
    assert_eq!(value_at(&scene, left - 1.0), None);
}
