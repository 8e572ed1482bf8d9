//! The live link keeps its promises to a browser over a real socket: order, credits, limits, resumption, rights.

#![allow(clippy::panic, reason = "a test that can't go on fails")]

mod live;

use futures::{SinkExt, StreamExt};
use live::{Place, Socket, hear, news, page, say, table};
use std::sync::atomic::Ordering;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
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
async fn without_decisions_what_was_shown_grows_old_and_what_was_not_stays_away() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    page(&mut socket, Sub(1)).await;
    place.house.away.store(true, Ordering::SeqCst);
    place.house.revoked.send_modify(|version| *version += 1);
    let old = hear(&mut socket).await;
    let Ok(Server::State { state: ViewState::Stale(since, why), .. }) = old else { panic!("{old:?}") };
    assert_eq!((why.code.as_str(), since > 0), ("E-UNDECIDED", true));
    place.put(2, "bank");
    say(&mut socket, &Browser::Open { sub: Sub(2), view: table() }).await;
    let second = hear(&mut socket).await;
    assert!(matches!(second, Ok(Server::State { sub: Sub(2), state: ViewState::Failed(_) })), "{second:?}");
    // With the next decision both are as they are.
    place.house.away.store(false, Ordering::SeqCst);
    let mut told = Vec::new();
    while told.len() < 4 {
        match hear(&mut socket).await {
            Ok(Server::State { sub, state: ViewState::Live }) => told.push((sub.0, "live")),
            Ok(Server::Diff { sub, .. }) => told.push((sub.0, "diff")),
            Ok(Server::Page { sub, .. }) => told.push((sub.0, "page")),
            other => panic!("{other:?}"),
        }
    }
    told.sort_unstable();
    assert_eq!(told, [(1, "diff"), (1, "live"), (2, "live"), (2, "page")]);
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

/// The close code a socket ends with; notices before it are heard.
async fn close(socket: &mut Socket) -> u16 {
    loop {
        match hear(socket).await {
            Ok(Server::Notice(_) | Server::State { .. } | Server::Ping { .. }) => {}
            Ok(other) => panic!("{other:?}"),
            Err(code) => return code,
        }
    }
}

#[tokio::test]
async fn frames_out_of_order_are_faults_or_the_end_and_change_nothing() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    let (first, _) = page(&mut socket, Sub(1)).await;
    say(&mut socket, &Browser::Open { sub: Sub(1), view: table() }).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "SUB_USED"));
    // Acknowledged twice, and before it was sent.
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq: first }).await;
    for seq in [first, first + 1] {
        say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
        assert!(matches!(news(&mut socket).await, Ok(Server::Fault { say, .. }) if say.code == "ACK_UNKNOWN"));
    }
    // About views that are not, or no longer, there.
    say(&mut socket, &Browser::Close { sub: Sub(7) }).await;
    say(&mut socket, &Browser::Hold { sub: Sub(7), on: true }).await;
    say(&mut socket, &Browser::Ack { sub: Sub(7), seq: 1 }).await;
    place.put(2, "bank");
    let Ok(Server::Diff { base, .. }) = news(&mut socket).await else { panic!("the view does not go on") };
    assert_eq!(base, first);
    for again in [
        Browser::Auth { proof: "proof".into(), resume: Vec::new() },
        Browser::SignIn { credential: wire::session::Credential::Token("t".into()) },
    ] {
        let mut socket = place.enter(Vec::new()).await;
        say(&mut socket, &again).await;
        assert_eq!(close(&mut socket).await, 4400);
    }
    // What was never shown cannot be gone on from: the whole page comes.
    let resume = vec![Resume { sub: Sub(1), view: table(), seq: 12_345 }];
    let mut socket = place.enter(resume).await;
    assert!(matches!(news(&mut socket).await, Ok(Server::Page { rows, .. }) if rows.len() == 2));
}

#[tokio::test]
async fn a_frame_in_pieces_is_one_frame_and_a_torn_one_is_the_end() {
    let place = Place::new().await;
    place.put(1, "shop");
    let whole = wire::encode(&Browser::Open { sub: Sub(1), view: table() });
    let (head, tail) = whole.split_at(2);
    let piece = |bytes: &[u8], code, last| Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(code), last));
    let mut socket = place.enter(Vec::new()).await;
    socket.send(piece(head, Data::Binary, false)).await.unwrap();
    socket.send(piece(tail, Data::Continue, true)).await.unwrap();
    assert!(matches!(news(&mut socket).await, Ok(Server::Page { .. })));
    for torn in [piece(tail, Data::Continue, true), piece(head, Data::Binary, true)] {
        let mut socket = place.enter(Vec::new()).await;
        socket.send(torn).await.unwrap();
        assert_ne!(close(&mut socket).await, 1000);
    }
    // Many small pieces are as long as one large frame.
    let mut socket = place.enter(Vec::new()).await;
    for at in 0..70 {
        let code = if at == 0 { Data::Binary } else { Data::Continue };
        // The server may have hung up already; that is what is looked at.
        _ = socket.send(piece(&[0; 1000], code, false)).await;
    }
    assert!(matches!(close(&mut socket).await, 4413 | 0));
}

#[tokio::test]
async fn a_browser_that_stops_reading_holds_nobody() {
    let place = Place::new().await;
    place.put(9, "z"); // into an empty table a page is shorter than a difference
    let mut stuck = Vec::new();
    for _ in 0..6 {
        let mut socket = place.enter(Vec::new()).await;
        for sub in 0..16 {
            say(&mut socket, &Browser::Open { sub: Sub(sub), view: table() }).await;
        }
        // Asks, and never reads an answer.
        for ask in 0..40 {
            let yaml = Browser::Yaml { ask, kind: Kind::Namespace, namespace: String::new(), name: "a".into() };
            say(&mut socket, &yaml).await;
        }
        stuck.push(socket);
    }
    let mut quick = place.enter(Vec::new()).await;
    let (seq, _) = page(&mut quick, Sub(1)).await;
    say(&mut quick, &Browser::Ack { sub: Sub(1), seq }).await;
    for id in 10..20 {
        place.put(id, &format!("a{id}"));
        let Ok(Server::Diff { seq, .. }) = news(&mut quick).await else { panic!("held back") };
        say(&mut quick, &Browser::Ack { sub: Sub(1), seq }).await;
    }
}

#[tokio::test]
async fn a_session_that_runs_out_or_is_ended_says_why() {
    let place = Place::new().await;
    let mut socket = place.enter(Vec::new()).await;
    place.house.expires.store(1, Ordering::SeqCst);
    assert!(
        matches!(hear(&mut socket).await, Ok(Server::Notice(say)) if say.code == "LOGIN_ENDED" && say.arg("reason").contains("expired"))
    );
    assert_eq!(hear(&mut socket).await, Err(4410));
    place.house.expires.store(wire::Millis::MAX, Ordering::SeqCst);
    let (mut one, mut two) = (place.enter(Vec::new()).await, place.enter(Vec::new()).await);
    say(&mut one, &Browser::SignOut).await;
    for socket in [&mut one, &mut two] {
        assert!(matches!(hear(socket).await, Ok(Server::Notice(say)) if say.code == "LOGIN_ENDED"));
        assert_eq!(hear(socket).await, Err(4410));
    }
}

#[tokio::test]
async fn what_a_person_does_is_use_and_what_the_page_does_is_not() {
    let place = Place::new().await;
    place.put(1, "shop");
    let used = || place.house.used.load(Ordering::SeqCst);
    let mut socket = place.enter(Vec::new()).await;
    assert_eq!(used(), 0, "to reconnect is no use");
    let (seq, _) = page(&mut socket, Sub(1)).await;
    assert_eq!(used(), 1);
    say(&mut socket, &Browser::Pong).await;
    say(&mut socket, &Browser::Ack { sub: Sub(1), seq }).await;
    say(&mut socket, &Browser::Alter { sub: Sub(1), view: table() }).await;
    assert!(news(&mut socket).await.is_ok());
    assert_eq!(used(), 2);
}

#[tokio::test]
async fn a_right_that_goes_without_a_word_goes_with_the_next_permit() {
    let place = Place::new().await;
    place.put(1, "shop");
    let mut socket = place.enter(Vec::new()).await;
    page(&mut socket, Sub(1)).await;
    place.house.closed.lock().unwrap().push("*");
    let began = std::time::Instant::now();
    assert!(matches!(news(&mut socket).await, Ok(Server::Revoked { sub: Sub(1), .. })));
    assert!(began.elapsed().as_secs() < 9, "the gate's own ten seconds come on top");
}

#[tokio::test]
async fn an_address_may_have_few_sockets_that_say_nothing() {
    let place = Place::new().await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(place.connect().await);
    }
    let refused = place.try_connect().await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    // Who has said who they are takes no such place.
    say(&mut silent[0], &Browser::Auth { proof: "proof".into(), resume: Vec::new() }).await;
    assert!(matches!(hear(&mut silent[0]).await, Ok(Server::Welcome { .. })));
    silent.push(place.connect().await);
    assert!(place.try_connect().await.is_err());
}
