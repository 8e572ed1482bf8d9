use super::{Parsed, page};
use crate::kubelet::Names;
use proptest::prelude::*;
use std::sync::Arc;

const ASKED: i64 = 1_795_204_012_600;
const FIXTURE: [&str; 3] = [
    include_str!("../../tests/fixtures/kubelet/metrics-resource-1.txt"),
    include_str!("../../tests/fixtures/kubelet/metrics-resource-2.txt"),
    include_str!("../../tests/fixtures/kubelet/metrics-resource-3.txt"),
];

fn read(text: &[u8], names: &mut Names) -> Parsed {
    page(text, &Arc::from("node-a"), ASKED, true, names)
}

/// One container a line: namespace/pod/container, time, CPU, memory, swap, start.
fn shown(parsed: &Parsed) -> String {
    let mut out = String::new();
    if let Some(node) = &parsed.page.node_point {
        out += &format!("node {} {} {} {:?}\n", node.at, node.cpu, node.memory, node.swap);
    }
    for pod in &parsed.page.pods {
        for c in &pod.containers {
            let (at, cpu, memory) = (c.at, c.cpu, c.memory);
            out += &format!(
                "{}/{}/{} {at} {cpu:?} {memory:?} {:?} {:?}\n",
                pod.namespace, pod.name, c.name, c.swap, c.started
            );
        }
    }
    for problem in &parsed.problems {
        out += &format!("{}: {}\n", problem.line, problem.what);
    }
    out
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(shown(&read(text.as_bytes(), &mut Names::default())).trim_end(), expected);
}

/// The CPU of one container with this value, or the problem.
#[track_caller]
fn value(digits: &str, expected: Result<u64, &'static str>) {
    let text = format!("container_cpu_usage_seconds_total{{container=\"c\",namespace=\"n\",pod=\"p\"}} {digits} 5\n");
    let parsed = read(text.as_bytes(), &mut Names::default());
    let found = match parsed.problems.first() {
        Some(problem) => Err(problem.what),
        None => Ok(parsed.page.pods[0].containers[0].cpu.unwrap_or(0)),
    };
    assert_eq!(found, expected, "{digits}");
}

#[test]
fn the_recorded_page_reads_to_the_nanosecond() {
    check(
        FIXTURE[0],
        "node 1795204010676 3058864009559 2383671296 Some(0)\n\
         default/burn-786bfffb47-jwbwg/cpu 1795204012595 Some(3319105439) Some(720896) Some(0) Some(1795203973675286800)\n\
         default/burn-786bfffb47-jwbwg/idle 1795204012597 Some(9356772) Some(221184) Some(0) Some(1795203973802595900)\n\
         default/burn-786bfffb47-mr27b/cpu 1795204012596 Some(3368166017) Some(401408) Some(0) Some(1795203973694949200)\n\
         default/burn-786bfffb47-mr27b/idle 1795204012597 Some(8460880) Some(225280) Some(0) Some(1795203973810295000)",
    );
}

#[test]
fn other_pages_of_a_kubelet_have_nothing_to_complain_about() {
    for text in [
        include_str!("../../tests/fixtures/kubelet/metrics-kubelet.txt"),
        include_str!("../../tests/fixtures/kubelet/metrics-probes.txt"),
        include_str!("../../tests/fixtures/kubelet/metrics-resource-openmetrics.txt"),
    ] {
        assert_eq!(read(text.as_bytes(), &mut Names::default()).problems, []);
    }
}

#[test]
fn names_are_the_same_allocation_on_the_next_page() {
    let mut names = Names::default();
    let one = read(FIXTURE[0].as_bytes(), &mut names);
    let two = read(FIXTURE[1].as_bytes(), &mut names);
    for (one, two) in one.page.pods.iter().zip(&two.page.pods) {
        assert!(Arc::ptr_eq(&one.name, &two.name) && Arc::ptr_eq(&one.containers[0].name, &two.containers[0].name));
    }
}

#[test]
fn names_of_pods_that_left_are_dropped() {
    let mut names = Names::default();
    for round in 0..100 {
        let text: String = (0..50)
            .map(|pod| {
                format!(
                    "container_memory_working_set_bytes{{container=\"c\",namespace=\"n\",pod=\"p{round}-{pod}\"}} 1\n"
                )
            })
            .collect();
        assert_eq!(read(text.as_bytes(), &mut names).page.pods.len(), 50);
    }
    assert!(names.len() <= 50 * 3 + 64, "{}", names.len());
}

#[test]
fn a_value_is_read_from_its_digits() {
    value("3.319105439", Ok(3_319_105_439));
    value("0.1234567895", Ok(123_456_790));
    value("1e3", Ok(1_000_000_000_000));
    value("2.5E-9", Ok(3));
    value("+.5", Ok(500_000_000));
    value("4.", Ok(4_000_000_000));
    value("-0", Ok(0));
    value("1e-400", Ok(0));
    value("0.00000000000000000000000000001", Ok(0));
    value("18446744073.709551615", Ok(18_446_744_073_709_551_610));
}

#[test]
fn what_is_no_finite_number_above_zero_is_a_problem() {
    value("NaN", Err("value is NaN"));
    value("+Inf", Err("value is infinite"));
    value("-Inf", Err("value is infinite"));
    value("-1", Err("value is negative"));
    value("0x10", Err("value is not a number"));
    value("1_0", Err("value is not a number"));
    value("1e", Err("value is not a number"));
    value("1e99", Err("value is too large"));
    value(".", Err("value is not a number"));
    value("1.2.3", Err("value is not a number"));
}

#[test]
fn a_zero_is_unknown_and_a_start_before_2001_is_an_age() {
    check(
        "container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\",pod=\"p\"} 0 7\n\
         container_start_time_seconds{container=\"c\",namespace=\"n\",pod=\"p\"} 86400\n",
        "n/p/c 7 None None None None",
    );
}

#[test]
fn labels_come_in_any_order_with_others_and_escapes() {
    check(
        "container_cpu_usage_seconds_total { pod = \"p\\\"}\\\\\\n\" , x=\"}\",namespace=\"n\",container=\"c\", } 1\t7\r\n\
         container_memory_working_set_bytes{container=\"c\",namespace=\"n\",pod=\"p\\\"}\\\\\\n\"} 4096 8",
        "n/p\"}\\\n/c 7 Some(1000000000) Some(4096) None None",
    );
}

#[test]
fn a_bad_line_costs_only_itself() {
    check(
        "container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\",pod=\"p\n\
         container_cpu_usage_seconds_total{container=\"\",namespace=\"n\",pod=\"p\"} 1\n\
         container_cpu_usage_seconds_total 1\n\
         container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\",pod=\"p\"} 1 -5\n\
         container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\",pod=\"p\"} 1 5 6\n\
         <html>\n\
         node_memory_working_set_bytes 5 6 # {trace=\"x\"} 1\n\
         node_cpu_usage_seconds_total 5\n\
         # EOF",
        "node 1795204012600 5000000000 5 None\n\
         1: label value is not closed\n\
         2: series has no namespace, pod or container\n\
         3: series has no namespace, pod or container\n\
         4: timestamp is not a whole number of milliseconds\n\
         5: something follows the sample\n\
         6: line does not begin with a metric name",
    );
}

#[test]
fn the_last_of_a_repeated_series_wins() {
    check(
        "node_cpu_usage_seconds_total 1 1\nnode_memory_working_set_bytes 2 2\nnode_cpu_usage_seconds_total 3 3",
        "node 3 3000000000 2 None",
    );
}

#[test]
fn a_node_without_both_values_has_no_point() {
    check("node_cpu_usage_seconds_total 1 1\nnode_memory_working_set_bytes 0 1", "");
}

#[test]
fn a_longer_name_is_another_family() {
    check("node_cpu_usage_seconds_total_x 1 1\nnode_cpu_usage_seconds 1 1", "");
}

#[test]
fn both_names_of_the_scrape_error_are_known() {
    for (text, expected) in [("scrape_error 1", true), ("resource_scrape_error 1\n", true), ("scrape_error 0", false)] {
        assert_eq!(read(text.as_bytes(), &mut Names::default()).scrape_error, expected, "{text}");
    }
}

#[test]
fn the_last_of_a_repeated_scrape_error_counts() {
    for (text, expected) in [
        ("resource_scrape_error 1\nresource_scrape_error 0", false),
        ("scrape_error 0\nscrape_error 1", true),
        ("scrape_error 1\nresource_scrape_error 0", true),
    ] {
        assert_eq!(read(text.as_bytes(), &mut Names::default()).scrape_error, expected, "{text}");
    }
}

#[test]
fn swap_alone_is_no_container() {
    let labels = |name: &str| format!("{{container=\"{name}\",namespace=\"n\",pod=\"p\"}}");
    let (a, b) = (labels("a"), labels("b"));
    check(
        &format!(
            "container_swap_usage_bytes{a} 7 5\ncontainer_swap_usage_bytes{b} 0 5\ncontainer_cpu_usage_seconds_total{a} 1 5\ncontainer_memory_working_set_bytes{a} 2 5"
        ),
        "n/p/a 5 Some(1000000000) Some(2) Some(7) None",
    );
}

#[test]
fn a_point_has_the_time_of_its_cpu_sample() {
    let labels = "{container=\"c\",namespace=\"n\",pod=\"p\"}";
    let memory = format!("container_memory_working_set_bytes{labels} 2 5");
    // Without a time of its own it is the request's, though the memory has one.
    let text = format!("container_cpu_usage_seconds_total{labels} 1\n{memory}");
    let page = read(text.as_bytes(), &mut Names::default()).page;
    assert_eq!(page.pods[0].containers[0].at, page.asked);
    check(&memory, "n/p/c 5 None Some(2) None None");
}

#[test]
fn a_start_before_all_time_is_none_and_names_its_container() {
    let text = "container_start_time_seconds{container=\"c\",namespace=\"n\",pod=\"p\"} -5";
    let parsed = read(text.as_bytes(), &mut Names::default());
    assert_eq!((parsed.problems.len(), parsed.page.pods.len()), (0, 1));
}

#[test]
fn blanks_before_labels_are_allowed_in_any_family() {
    check("pod_cpu_usage_seconds_total {namespace=\"n\",pod=\"p\"} 1 5", "");
}

#[test]
fn other_spellings_of_labels_are_the_same_container() {
    let usual = "{container=\"c\",namespace=\"n\",pod=\"p\"}";
    let others =
        ["{pod=\"p\",namespace=\"n\",container=\"c\"}", "{container=\"c\",namespace=\"n\",pod=\"p\",id=\"x\"}"];
    let mut names = Names::default();
    for other in others {
        let text =
            format!("container_cpu_usage_seconds_total{usual} 1 5\ncontainer_memory_working_set_bytes{other} 2 5");
        for _ in 0..3 {
            let page = read(text.as_bytes(), &mut names).page;
            assert_eq!((page.pods.len(), page.pods[0].containers.len()), (1, 1), "{other}");
        }
    }
    assert_eq!(names.len(), 1);
}

#[test]
fn a_page_of_something_else_is_hopeless_and_an_empty_one_is_not() {
    for (text, expected) in
        [("<html>", true), ("404 page not found", true), ("{\"a\":1}", true), ("", false), ("# EOF\n", false)]
    {
        assert_eq!(read(text.as_bytes(), &mut Names::default()).hopeless(), expected, "{text}");
    }
}

#[test]
fn a_line_and_its_labels_are_bounded() {
    let long = format!("node_cpu_usage_seconds_total{{a=\"{}\"}} 1", "x".repeat(65_536));
    check(&long, "1: line is too long");
    let many: String = (0..65).map(|label| format!("l{label}=\"\",")).collect();
    check(&format!("node_cpu_usage_seconds_total{{{many}}} 1"), "1: too many labels");
}

#[test]
fn labels_that_are_not_utf8_are_shown_as_well_as_they_can_be() {
    let text = b"container_memory_working_set_bytes{container=\"c\",namespace=\"n\",pod=\"\xff\"} 1 1";
    assert_eq!(shown(&read(text, &mut Names::default())), "n/\u{fffd}/c 1 None Some(1) None None\n");
}

fn account(text: &[u8]) {
    let mut names = Names::default();
    let one = read(text, &mut names);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(one.samples as usize + one.problems.len() <= lines);
    let two = read(text, &mut names);
    assert_eq!(one.page, two.page, "what is remembered changes nothing");
    assert_eq!(one.problems, two.problems);
}

proptest! {
    #[test]
    fn samples_and_problems_are_at_most_lines(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        account(&text);
    }

    #[test]
    fn a_damaged_page_is_accounted_for(at in 0usize..6000, with in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'}'), Just(b'\n'), Just(b'\\'), any::<u8>()], 0..6), cut in 0usize..40) {
        let mut text = FIXTURE[0].as_bytes().to_vec();
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, with);
        account(&text);
    }

    #[test]
    fn a_printed_counter_comes_back(nanoseconds in 0u64..1 << 60) {
        value(&format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000), Ok(nanoseconds));
    }
}
