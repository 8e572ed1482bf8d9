//! The bytes of every frame. A test that fails here means an older peer would misread a newer one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::browser::Resume;
use wire::chart::{Chart, ChartAsk, Metric, Target};
use wire::coverage::{Coverage, CoveredNode, Fresh, Gap};
use wire::map::{Map, MapDiff, Proxy};
use wire::overview::{Gauge, Namespaces, Overview};
use wire::server::ViewState;
use wire::session::{Credential, Refusal};
use wire::table::{Cell, ColumnId, Op, Row, TableAsk, Usage};
use wire::{Browser, Key, Kind, Level, Say, Server, Sub, View, decode, encode};

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(frame: &T, bytes: &[u8]) {
    assert_eq!(encode(frame), bytes, "{frame:?}");
    assert_eq!(decode::<T>(bytes).as_ref(), Ok(frame));
}

const SUB: Sub = Sub(7);

#[test]
fn what_the_browser_says_has_these_bytes() {
    check(&Browser::Auth { proof: "p".into(), resume: vec![] }, &[0, 1, b'p', 0]);
    let resume = Resume { sub: SUB, view: View::Namespaces, seq: 300 };
    check(&Browser::Auth { proof: String::new(), resume: vec![resume] }, &[0, 0, 1, 7, 5, 0xac, 2]);
    check(&Browser::SignIn { credential: Credential::Token("t".into()) }, &[1, 0, 1, b't']);
    let sort = vec![(ColumnId(3), true)];
    let ask = TableAsk { kind: Kind::Pod, namespaces: vec![], filter: "a".into(), sort, start: 0, count: 60 };
    check(&Browser::Open { sub: SUB, view: View::Table(ask) }, &[2, 7, 0, 2, 0, 1, b'a', 1, 3, 1, 0, 60]);
    let chart = ChartAsk { target: Target::Node("n".into()), metric: Metric::Memory, range_s: 900, points: 100 };
    check(&Browser::Alter { sub: SUB, view: View::Chart(chart) }, &[3, 7, 1, 2, 1, b'n', 1, 0x84, 7, 100]);
    let object = View::Object { kind: Kind::Node, namespace: String::new(), name: "n".into() };
    check(&Browser::Open { sub: SUB, view: object }, &[2, 7, 2, 0, 0, 1, b'n']);
    check(&Browser::Open { sub: SUB, view: View::Map { namespaces: vec![] } }, &[2, 7, 3, 0]);
    check(&Browser::Open { sub: SUB, view: View::Overview { namespaces: vec![] } }, &[2, 7, 4, 0]);
    check(&Browser::Open { sub: SUB, view: View::Coverage }, &[2, 7, 6]);
    check(&Browser::Close { sub: SUB }, &[4, 7]);
    check(&Browser::Ack { sub: SUB, seq: 128 }, &[5, 7, 0x80, 1]);
    check(&Browser::Hold { sub: SUB, on: true }, &[6, 7, 1]);
    let yaml = Browser::Yaml { ask: 1, kind: Kind::Event, namespace: "a".into(), name: "b".into() };
    check(&yaml, &[7, 1, 7, 1, b'a', 1, b'b']);
    check(&Browser::Pong, &[8]);
    check(&Browser::SignOut, &[9]);
}

#[test]
fn what_the_server_says_has_these_bytes() {
    let say = || Say::new("X");
    let (cluster, kubernetes) = ("c".into(), "v".into());
    let welcome = Server::Welcome { version: 1, now: 1, cluster, kubernetes, expires: 2, resolution: 3 };
    check(&welcome, &[0, 1, 2, 1, b'c', 1, b'v', 4, 3]);
    check(&Server::Granted { claim: "k".into() }, &[1, 1, b'k']);
    check(&Server::Refused(Refusal { say: say() }), &[2, 1, b'X', 0]);
    let row =
        || Row { key: Key(1), namespace: "a".into(), name: "b".into(), level: Level::Good, cells: vec![Cell::Int(-1)] };
    let (columns, rows, tally, notes) = (vec![], vec![row()], vec![], vec![]);
    let page = Server::Page { sub: SUB, seq: 1, start: 0, matched: 1, total: 2, columns, rows, tally, as_of: 5, notes };
    check(&page, &[3, 7, 1, 0, 1, 2, 0, 1, 1, 1, b'a', 1, b'b', 1, 1, 2, 1, 0, 10, 0]);
    let set = Op::Set(Key(4), Level::Bad, vec![(ColumnId(2), Cell::Time(3))]);
    let ops = vec![Op::Insert(0, row()), Op::Remove(Key(2)), Op::Move(Key(3), 9), set];
    let diff = Server::Diff { sub: SUB, seq: 2, base: 1, ops, matched: 1, total: 2, tally: vec![], as_of: 5 };
    let ops = [0, 0, 1, 1, b'a', 1, b'b', 1, 1, 2, 1, 1, 2, 2, 3, 9, 3, 4, 4, 1, 2, 3, 6];
    check(&diff, &[&[4, 7, 2, 1, 4][..], &ops, &[1, 2, 0, 10]].concat());
    let usage = Usage { used: 0.5, request: 1.0, limit: 2.0, spark: vec![] };
    let cells = Server::Cells { sub: SUB, seq: 3, column: ColumnId(100), values: vec![(Key(1000), usage)] };
    check(&cells, &[5, 7, 3, 100, 1, 0xe8, 7, 0, 0, 0, 0x3f, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0]);
    let (lines, rules, marks, newest, problem) = (vec![], vec![], vec![], Some((1, 2)), Some(say()));
    let chart = Chart { from: 1, step: 2, lines, rules, marks, newest, problem };
    check(&Server::Chart { sub: SUB, seq: 1, chart }, &[6, 7, 1, 2, 2, 0, 0, 0, 1, 2, 2, 1, 1, b'X', 0]);
    let (values, newest, problem) = (vec![vec![1.0]], None, None);
    let tail = Server::ChartTail { sub: SUB, seq: 2, base: 1, from: 3, values, newest, problem };
    check(&tail, &[7, 7, 2, 1, 6, 1, 1, 0, 0, 0x80, 0x3f, 0, 0]);
    check(&Server::Object { sub: SUB, seq: 1, object: None }, &[8, 7, 1, 0]);
    let (tally, proxy) = (wire::map::Tally::default(), Proxy::default());
    let map = Map { lanes: vec![], boxes: vec![], edges: vec![], tally, proxy, missing: vec![] };
    check(&Server::Map { sub: SUB, seq: 1, map }, &[9, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (set, remove, edges, cut) = (vec![], vec![Key(1)], vec![], vec![(Key(1), Key(2))]);
    let diff = MapDiff { lanes: None, set, remove, edges, cut, tally, proxy: Proxy::default() };
    check(
        &Server::MapDiff { sub: SUB, seq: 2, base: 1, diff },
        &[10, 7, 2, 1, 0, 0, 1, 1, 0, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0],
    );
    let gauge = Gauge { used: 0.0, requested: 0.0, allocatable: 0.0, capacity: 0.0 };
    let overview = Overview {
        attention: vec![],
        attention_total: 1,
        nodes: None,
        nodes_total: 2,
        pods: vec![],
        pods_total: 3,
        cpu: gauge,
        memory: gauge,
        restarts: 4,
        scope: (7, true),
    };
    let bytes = [&[11, 7, 1, 0, 1, 0, 2, 0, 3][..], &[0; 64], &[4, 7, 1]].concat();
    check(&Server::Overview { sub: SUB, seq: 1, overview }, &bytes);
    let namespaces = Namespaces {
        names: vec!["a".into()],
        all: true,
        checking: 0,
        counts: vec![("pod".into(), 1, 2)],
        kubelets: Some((5, 6)),
        own: (0.0, 0.0),
    };
    let bytes = [12, 7, 1, 1, 1, b'a', 1, 0, 1, 3, b'p', b'o', b'd', 1, 2, 1, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0];
    check(&Server::Namespaces { sub: SUB, seq: 1, namespaces }, &bytes);
    check(&Server::State { sub: SUB, state: ViewState::Loading(9) }, &[13, 7, 0, 9]);
    check(&Server::State { sub: SUB, state: ViewState::Stale(1, say()) }, &[13, 7, 2, 2, 1, b'X', 0]);
    check(&Server::Yaml { ask: 1, text: Ok("y".into()) }, &[14, 1, 0, 1, b'y']);
    check(&Server::Fault { sub: None, say: say() }, &[15, 0, 1, b'X', 0]);
    check(&Server::Revoked { sub: SUB, say: say() }, &[16, 7, 1, b'X', 0]);
    check(&Server::Notice(say()), &[17, 1, b'X', 0]);
    check(&Server::Ping { now: -1 }, &[18, 1]);
    let node = CoveredNode {
        name: "n".into(),
        level: Level::Warn,
        heard: 1,
        took: 2,
        failures: 3,
        age: 1.0,
        window: 2.0,
        left_out: 4,
        problem: Some(say()),
        bytes: 5,
    };
    let at = wire::Ref { kind: "p".into(), namespace: "a".into(), name: "b".into() };
    let coverage = Coverage {
        nodes: vec![node],
        nodes_total: 5,
        nodes_served: 6,
        pods_total: 7,
        pods_served: 8,
        fresh: Some(Fresh { median: 0.0, worst: 0.0, window: 0.0 }),
        reasons: vec![("r".into(), 9)],
        missing: vec![Gap { at, say: say() }],
    };
    let node = [1, 1, b'n', 3, 2, 2, 3, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 4, 1, 1, b'X', 0, 5];
    let fresh = [5, 6, 7, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let gaps = [1, 1, b'r', 9, 1, 1, b'p', 1, b'a', 1, b'b', 1, b'X', 0];
    let bytes = [&[19, 7, 1][..], &node, &fresh, &gaps].concat();
    check(&Server::Coverage { sub: SUB, seq: 1, coverage }, &bytes);
}

#[test]
fn bytes_that_are_not_exactly_one_frame_are_refused() {
    assert!(decode::<Browser>(&[]).is_err());
    assert!(decode::<Browser>(&[8, 0]).is_err());
    assert!(decode::<Browser>(&[250]).is_err());
}
