//! The checks of the fuzz targets on a bounded set of inputs, the same in every run: recorded pages with pieces
//! changed, cut, doubled and swapped, which reaches deeper than random bytes, and random bytes.
//!
//! It stands in for libFuzzer, which needs a nightly compiler: no coverage guides it, but a check that does not compile
//! or does not hold is found by every `cargo test`.

#![expect(clippy::indexing_slicing, reason = "helpers of tests; clippy.toml lets off only the tests themselves")]

#[path = "../fuzz/checks.rs"]
mod checks;

const PAGES: [&[u8]; 5] = [
    include_bytes!("fixtures/kubelet/metrics-resource-1.txt"),
    include_bytes!("fixtures/kubelet/metrics-resource-2.txt"),
    include_bytes!("fixtures/kubelet/metrics-resource-3.txt"),
    include_bytes!("fixtures/kubelet/metrics-resource-openmetrics.txt"),
    include_bytes!("fixtures/kubelet/metrics-probes.txt"),
];
/// Pieces that mean something to a parser, or once meant trouble to one.
const PIECES: [&[u8]; 14] = [
    b"\n",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b",",
    b"=",
    b" ",
    b"NaN",
    b"+Inf",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"\xff\0",
];

/// A small generator of our own: the same inputs in every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        (0..self.below(longest)).map(|_| self.below(256) as u8).collect()
    }

    fn changed(&mut self, text: &mut Vec<u8>) {
        let (one, other) = (self.below(text.len() + 1), self.below(text.len() + 1));
        let (from, to) = (one.min(other), one.max(other).min(one.min(other) + 64));
        match self.below(5) {
            0 => text.truncate(one),
            1 => drop(text.splice(from..to, PIECES[self.below(PIECES.len())].iter().copied())),
            2 => {
                let piece = text[from..to].to_vec();
                text.splice(from..from, piece);
            }
            3 => text[from..to].reverse(),
            _ => text[from..to].fill(self.below(256) as u8),
        }
    }
}

#[test]
fn changed_pages_keep_the_parsers_promises() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..1000 {
        let mut text = PAGES[round % PAGES.len()].to_vec();
        for _ in 0..=noise.below(6) {
            noise.changed(&mut text);
        }
        checks::page(&text);
    }
}

#[test]
fn any_bytes_keep_the_parsers_promises() {
    let mut noise = Noise(7);
    (0..1000).for_each(|_| checks::page(&noise.bytes(300)));
}

#[test]
fn any_bytes_keep_the_codecs_promises() {
    let mut noise = Noise(11);
    for _ in 0..1000 {
        let bytes = noise.bytes(1200);
        checks::codec(&bytes);
        // Numbers that lie near each other are what columns hold.
        let near: Vec<u8> = bytes.iter().flat_map(|byte| (i64::from(*byte) << (byte % 40)).to_le_bytes()).collect();
        checks::codec(&near);
    }
}

#[test]
fn any_header_keeps_the_promises_of_negotiation() {
    const HEADERS: [&str; 5] = [
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
        "application/vnd.kubernetes.protobuf, */*;q=0.5",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "app in (a, b),tier notin (c),!d,e!=f,g>1",
        "{\"kind\":\"Status\",\"details\":{\"causes\":[]},\"message\":\"a \\\"b\\\"\"}",
    ];
    let mut noise = Noise(23);
    for round in 0..3000 {
        let mut text = HEADERS[round % HEADERS.len()].as_bytes().to_vec();
        for _ in 0..=noise.below(6) {
            noise.changed(&mut text);
        }
        checks::request(&String::from_utf8_lossy(&text));
        checks::request(&String::from_utf8_lossy(&noise.bytes(200)));
    }
}
