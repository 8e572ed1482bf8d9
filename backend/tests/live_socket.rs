//! The live link keeps its promises to a browser over a real socket: order, credits, limits, resumption, rights.

mod live;

use futures::{SinkExt, StreamExt};
use live::{Place, hear, news, page, say, table};
use tokio_tungstenite::tungstenite::Message;
use wire::browser::Resume;
use wire::table::Op;
use wire::{Browser, Kind, Server, Sub, ViewState};

#[tokio::test]
async fn a_change_arrives_as_a_difference_and_a_broken_connection_goes_on_with_one() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    let (seq, rows) = page(&mut socket, Sub(1)).await;
    assert_eq!(rows, 1);
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
    place.put(2, "bank");
    let Ok(Server::Diff { base, seq, ops, total, .. }) = news(&mut socket).await else { panic!("no difference") };
    assert_eq!(total, 2);
    assert!(matches!(ops.as_slice(), [Op::Insert(0, row)] if row.name == "bank"), "{ops:?}");
    assert_eq!(base + 1, seq);
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    place.put(3, "zoo");
    place.put(4, "yard");
    let resume = vec![Resume { sub: Sub(1), view: table(), seq }];
    let mut socket = place.enter(resume).await;
    match news(&mut socket).await {
        Ok(Server::Diff { base, ops, .. }) => {
            assert_eq!(base, seq);
            assert_eq!(ops.len(), 2, "{ops:?}");
        }
        other => panic!("not a difference: {other:?}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_connection_with_a_code() {
    let place = Place::new().await;
    for (message, code) in [
        (Message::Binary(vec![250, 1, 2].into()), 4400),
        (Message::Text("hello".into()), 4400),
        (Message::Binary(vec![0; 70_000].into()), 4413),
        (Message::Binary(wire::encode(&Browser::SignOut).into()), 4410),
    ] {
        let mut socket = place.enter(Vec::new()).await;
        socket.send(message).await.unwrap();
        let end = loop {
            match hear(&mut socket).await {
                Ok(Server::Notice(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(code) => break code,
            }
        };
        assert_eq!(end, code);
    }
}

#[tokio::test]
async fn a_first_frame_that_proves_nothing_is_refused() {
    let place = Place::new().await;
    let mut socket = place.connect().await;
    say(&mut socket, &Browser::Auth { proof: "wrong".into(), resume: Vec::new() }).await;
    assert!(matches!(hear(&mut socket).await, Ok(Server::Refused(_))));
    assert_eq!(hear(&mut socket).await, Err(4401));
    let mut socket = place.connect().await;
    say(&mut socket, &Browser::Pong).await;
    assert_eq!(hear(&mut socket).await, Err(4401));
}

#[tokio::test]
async fn over_a_limit_is_a_fault_and_the_connection_lives() {
    let place = Place::new().await;
    let mut socket = place.enter(Vec::new()).await;
    say(&mut socket, &Browser::Alter { sub: Sub(9), view: table() }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "SUB_UNKNOWN"));
    let (seq, _) = page(&mut socket, Sub(0)).await;
    say(&mut socket, &Browser::Ack { sub: Sub(0), seq: seq + 7 }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "ACK_UNKNOWN"));
    for sub in 1..16 {
        page(&mut socket, Sub(sub)).await;
    }
    say(&mut socket, &Browser::Open { sub: Sub(16), view: table() }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "LIMIT_VIEWS"));
    for _ in 0..200 {
        say(&mut socket, &Browser::Hold { sub: Sub(99), on: true }).await;
    }
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "LIMIT_RATE"));
}

#[tokio::test]
async fn a_browser_that_acknowledges_nothing_gets_two_frames_and_holds_nobody() {
    let place = Place::new().await;
    place.put(9, "z"); // into an empty table a page is shorter than a difference
    let (mut stuck, mut quick) = (place.enter(Vec::new()).await, place.enter(Vec::new()).await);
    page(&mut stuck, Sub(1)).await;
    let (seq, _) = page(&mut quick, Sub(1)).await;
    say(&mut quick, &Browser::Ack { sub: Sub(1), seq }).await;
    for (id, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        place.put(id, name);
        let Ok(Server::Diff { seq, .. }) = news(&mut quick).await else { panic!("held back") };
        say(&mut quick, &Browser::Ack { sub: Sub(1), seq }).await;
    }
    assert!(matches!(news(&mut stuck).await, Ok(Server::Diff { .. })));
    // The answer to a question overtakes what there is no credit for.
    let ask = Browser::Yaml { ask: 5, kind: Kind::Namespace, namespace: String::new(), name: "a".into() };
    say(&mut stuck, &ask).await;
    assert!(matches!(news(&mut stuck).await, Ok(Server::Yaml { ask: 5, text: Ok(_) })));
}

#[tokio::test]
async fn rows_go_when_the_right_goes() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    page(&mut socket, Sub(1)).await;
    place.house.closed.lock().unwrap().push("*");
    place.house.revoked.send_modify(|version| *version += 1);
    assert!(matches!(news(&mut socket).await, Ok(Server::Revoked { sub: Sub(1), .. })));
    assert!(matches!(hear(&mut socket).await, Ok(Server::State { state: ViewState::Denied(_), .. })));
}

#[tokio::test]
async fn a_slow_api_server_holds_up_its_view_and_not_the_connection() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    let yaml =
        |ask, name: &str| Browser::Yaml { ask, kind: Kind::Namespace, namespace: String::new(), name: name.into() };
    say(&mut socket, &yaml(1, "never")).await;
    place.house.answering.send_replace(false);
    say(&mut socket, &Browser::Open { sub: Sub(1), view: table() }).await;
    say(&mut socket, &yaml(2, "shop")).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Yaml { ask: 2, text: Ok(_) })));
    place.house.answering.send_replace(true);
    assert!(matches!(news(&mut socket).await, Ok(Server::Page { sub: Sub(1), .. })));
    for ask in 3..6 {
        say(&mut socket, &yaml(ask, "never")).await;
    }
    say(&mut socket, &yaml(6, "shop")).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Yaml { ask: 6, text: Err(say) }) if say.code == "E-RATE"));
}
