//! What a watch makes of what the API server says: pages, changes, bookmarks, expired versions, odd objects.

mod watching;

use backend::cluster::Sync;
use backend::cluster::kinds::Kind as _;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::mpsc;
use watching::{Reply, Running, asked, event, list, names, object, start, until};

#[tokio::test]
async fn pages_and_changes_arrive_and_bookmarks_move_the_version() {
    let first = object("a", "1", 5, "Active");
    let running = start(vec![
        list("to/ken", 10, &[first]),
        list("", 10, &[object("b", "2", 6, "Active")]),
        Reply::Lines(vec![
            event("MODIFIED", &object("a", "1", 11, "Terminating")),
            event("DELETED", &object("b", "2", 12, "Active")),
            event("BOOKMARK", r#"{"metadata":{"resourceVersion":"77"}}"#),
        ]),
    ])
    .await;
    until(&running, |cache| names(cache) == ["a:Terminating"] && cache.sync() == Sync::Live).await;
    while asked(&running).len() < 4 {
        tokio::task::yield_now().await;
    }
    let asked = asked(&running);
    assert_eq!(asked[0], "/api/v1/namespaces?limit=500");
    assert_eq!(asked[1], "/api/v1/namespaces?limit=500&continue=to%2Fken");
    assert!(asked[2].contains("watch=1&allowWatchBookmarks=true") && asked[2].contains("resourceVersion=10"));
    assert!(asked[3].ends_with("resourceVersion=77"), "{asked:?}");
    assert!(running.counters.requests.load(Relaxed) >= 4);
}

#[tokio::test]
async fn an_expired_version_lists_again_and_no_reader_sees_half() {
    let (feed, fed) = mpsc::channel(1); // one line at a time is all the test sends
    let running = start(vec![
        list("", 1, &[object("a", "1", 1, "Active"), object("b", "2", 1, "Active")]),
        Reply::Fed(fed),
        list("more", 9, &[object("a", "1", 8, "Active")]),
        list("", 9, &[object("b", "3", 8, "Active"), object("c", "4", 9, "Active")]),
    ])
    .await;
    until(&running, |cache| cache.sync() == Sync::Live).await;
    let ids = |running: &Running| -> Vec<u64> {
        running.objects.namespaces.snapshot().iter().map(|object| object.meta().id).collect()
    };
    let before = ids(&running);
    feed.send(event("ERROR", r#"{"kind":"Status","status":"Failure","code":410,"message":"too old"}"#)).await.unwrap();
    until(&running, |cache| {
        let seen = names(cache);
        assert!(seen == ["a:Active", "b:Active"] || seen == ["a:Active", "b:Active", "c:Active"], "half: {seen:?}");
        seen.len() == 3
    })
    .await;
    let after = ids(&running);
    assert_eq!(after[0], before[0], "the same uid keeps its number");
    assert!(!before.contains(&after[1]), "another uid of the same name gets another number");
}

#[tokio::test]
async fn a_malformed_object_costs_only_itself() {
    let bad = r#"{"metadata":{"name":"bad","uid":"9","resourceVersion":"3"},"status":{"phase":{}}}"#;
    let running = start(vec![
        list("", 1, &[object("a", "1", 1, "Active"), bad.to_owned(), "{}".to_owned()]),
        Reply::Silence(vec![event("ADDED", bad), "\n".into(), event("ADDED", &object("c", "3", 4, "Active"))]),
    ])
    .await;
    until(&running, |cache| names(cache) == [":", "a:Active", "c:Active"]).await;
    assert_eq!(running.counters.malformed.load(Relaxed), 2);
}

#[tokio::test]
async fn a_page_that_expired_and_a_watch_that_expired_begin_again() {
    const GONE: &str = r#"{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}"#;
    let running = start(vec![
        list("next", 1, &[object("a", "1", 1, "Active")]),
        Reply::Json(410, &[], GONE.into()),
        list("", 5, &[object("b", "2", 5, "Active")]),
        Reply::Json(410, &[], GONE.into()),
        list("", 9, &[object("b", "2", 5, "Active"), object("c", "3", 9, "Active")]),
    ])
    .await;
    until(&running, |cache| {
        let seen = names(cache);
        assert!(!seen.iter().any(|name| name == "a:Active"), "half of a list was shown");
        seen == ["b:Active", "c:Active"] && cache.sync() == Sync::Live
    })
    .await;
    let asked = asked(&running);
    assert_eq!(asked[1], "/api/v1/namespaces?limit=500&continue=next");
    assert_eq!(
        (asked[2].as_str(), asked[4].as_str()),
        ("/api/v1/namespaces?limit=500", "/api/v1/namespaces?limit=500")
    );
}
