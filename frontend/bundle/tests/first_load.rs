//! The budget of the first load, on what the build left in `frontend/dist`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

use std::collections::BTreeSet;
use std::path::Path;

/// Bytes on the wire, all told (design, section 6).
const BUDGET: u64 = 300_000;

/// The assets that a text names.
fn named(text: &str, before: &str) -> BTreeSet<String> {
    let names = text.split(before).skip(1);
    names.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect()).collect()
}

#[test]
fn the_first_load_is_within_its_budget() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    let page = std::fs::read_to_string(dist.join("index.html")).expect("frontend/dist is built: run `make build`");
    let mut files = named(&page, "\"a/");
    for style in files.clone().iter().filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "css")) {
        files.extend(named(&std::fs::read_to_string(dist.join("a").join(style)).unwrap(), "url("));
    }
    // What a browser fetches: the copy in brotli where there is one.
    let size = |name: &String| {
        let file = dist.join("a").join(name);
        let packed = dist.join("a").join(format!("{name}.br"));
        std::fs::metadata(if packed.exists() { packed } else { file }).unwrap().len()
    };
    let mut parts: Vec<(String, u64)> = files.iter().map(|name| (name.clone(), size(name))).collect();
    parts.push(("index.html".to_owned(), page.len() as u64));
    for kind in [".wasm", ".js", ".css", ".woff2"] {
        assert!(parts.iter().any(|(name, _)| name.ends_with(kind)), "the page fetches no {kind}: {parts:?}");
    }
    let total: u64 = parts.iter().map(|(_, size)| size).sum();
    // What few need is not among it: the starter fetches it when it is needed.
    let all: Vec<String> = std::fs::read_dir(dist.join("a"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let starter = files.iter().find(|name| name.starts_with("start.")).expect("the page names a starter");
    let starter = std::fs::read_to_string(dist.join("a").join(starter)).unwrap();
    for kind in ["js", "wasm"] {
        let later = all.iter().find(|name| name.starts_with("kubeconfig.") && name.ends_with(&format!(".{kind}")));
        let later = later.expect("the reader of kubeconfigs is a module of its own");
        assert!(
            starter.contains(later.as_str()) && !page.contains("kubeconfig"),
            "{later} is loaded by the starter alone"
        );
    }
    println!("first load: {total} bytes of {BUDGET}: {parts:?}");
    assert!(total <= BUDGET, "first load: {total} bytes, {} above its budget: {parts:?}", total - BUDGET);
}
