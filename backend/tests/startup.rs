//! What cannot start says so in a sentence that names the object, the cause and the remedy, and with a code: 64 for bad
//! usage, 1 for everything else. Runs the binary itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

use std::path::Path;
use std::time::Duration;

struct Ended {
    code: Option<i32>,
    said: String,
}

async fn taffrail(arguments: &[&str]) -> Ended {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_taffrail"));
    command.env_clear().args(arguments).kill_on_drop(true);
    // What does start by mistake is a failed test, not one that hangs.
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("it ends by itself");
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    Ended { code: output.status.code(), said: String::from_utf8(said).unwrap() }
}

impl Ended {
    /// The one line that says why, and everything it must name.
    #[track_caller]
    fn check(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        let errors: Vec<&str> = self.said.lines().filter(|line| line.contains("ERROR")).collect();
        let [line] = errors.as_slice() else { panic!("not one sentence: {}", self.said) };
        for word in words {
            assert!(line.contains(word), "{line} does not say {word:?}");
        }
        assert!(!self.said.contains("panicked"), "{}", self.said);
    }
}

/// A listener that will be bound: what is looked at comes after the ports.
fn listening() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("--ui-http-port={}", free.local_addr().unwrap().port())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    let off = ["--secure-port=0", "--ui-port=0"];
    for (flag, others) in [("--secure-port", &off[1..]), ("--ui-port", &off[..1]), ("--ui-http-port", &off[..])] {
        let this = format!("{flag}={port}");
        let arguments = [&["serve", "--bind-address=127.0.0.1", this.as_str()], others].concat();
        let words = [flag, &address.to_string(), "in use", "give another port"];
        taffrail(&arguments).await.check(1, &words);
    }
    let listen = format!("--listen={address}");
    taffrail(&["demo", "--nodes=1", "--pods-per-node=3", &listen])
        .await
        .check(1, &["--listen", &address.to_string(), "in use", "give another port"]);
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    // Of the block for documentation: nobody has it.
    let ended = taffrail(&["serve", "--bind-address=192.0.2.1", "--ui-port=0"]).await;
    ended.check(1, &["--secure-port", "192.0.2.1:10443", "assign requested address", "--bind-address"]);
}

#[tokio::test]
async fn a_serving_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let pair = || rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (one, other) = (pair(), pair());
    let certificate = file("tls.crt", &one.cert.pem());
    let key = file("tls.key", &one.signing_key.serialize_pem());
    let foreign = file("other.key", &other.signing_key.serialize_pem());
    let prose = file("prose.pem", "no PEM at all\n");
    let missing = folder.path().join("missing.pem");
    for (certificate, key, words) in [
        (&missing, &key, [text(&missing), "No such file"]),
        (&certificate, &missing, [text(&missing), "No such file"]),
        (&folder.path().to_path_buf(), &key, [text(folder.path()), "Is a directory"]),
        (&prose, &key, [text(&prose), "no certificate"]),
        (&certificate, &foreign, ["certificate and key do not fit", text(&foreign)]),
    ] {
        let (certificate, key) =
            (format!("--tls-cert-file={}", text(certificate)), format!("--tls-private-key-file={}", text(key)));
        let ended = taffrail(&["serve", "--secure-port=0", "--ui-port=0", &listening(), &certificate, &key]).await;
        ended.check(1, &[&["--tls-cert-file", "by our own authority"], &words[..]].concat());
    }
    let alone = taffrail(&["serve", "--tls-cert-file=x"]).await;
    assert_eq!(alone.code, Some(64));
    assert!(alone.said.contains("--tls-private-key-file"), "{}", alone.said);
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "clusters: [\n  - name: {").unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "apiVersion: v1\nkind: Config\n").unwrap();
    let missing = folder.path().join("missing");
    for path in [&broken, &empty, &missing] {
        let kubeconfig = format!("--kubeconfig={}", text(path));
        let ended = taffrail(&["serve", "--ui-port=0", "--secure-port=0", &listening(), &kubeconfig]).await;
        ended.check(1, &["--kubeconfig", text(path)]);
    }
    let nothing = taffrail(&["serve", "--ui-port=0", "--secure-port=0", &listening()]).await;
    nothing.check(1, &["not in a pod", "--kubeconfig", "taffrail demo"]);
}

#[tokio::test]
async fn an_unknown_flag_is_bad_usage_and_the_nearest_is_proposed() {
    for (arguments, words) in [
        (&["serve", "--metric-resolutoin=15s"][..], ["--metric-resolutoin", "--metric-resolution"]),
        (&["serve", "--metric-resolution=15"][..], ["--metric-resolution", "15s"]),
        (&["serve", "--ui-port=70000"][..], ["--ui-port", "65535"]),
        (&["--no-such-flag"][..], ["--no-such-flag", "--help"]),
        (&["sevre"][..], ["sevre", "serve"]),
    ] {
        let ended = taffrail(arguments).await;
        assert_eq!(ended.code, Some(64), "{}", ended.said);
        for word in words {
            assert!(ended.said.contains(word), "{} does not say {word:?}", ended.said);
        }
    }
    let soon = taffrail(&["serve", "--metric-resolution=1s", "--kubelet-request-timeout=900ms"]).await;
    soon.check(64, &["--metric-resolution", "below 10s", "use 10s or more"]);
}

#[tokio::test]
async fn help_and_version_are_no_failures() {
    for flag in ["--help", "--version"] {
        let ended = taffrail(&[flag]).await;
        assert_eq!(ended.code, Some(0));
        assert!(ended.said.contains("taffrail"), "{}", ended.said);
    }
}

#[tokio::test]
async fn an_old_list_of_arguments_is_taken_and_what_has_no_effect_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--secure-port={}", taken.local_addr().unwrap().port());
    let ended = taffrail(&[
        "--bind-address=127.0.0.1",
        &port,
        "--cert-dir=/tmp",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
        "--kubelet-insecure-tls=True",
        "--audit-log-path",
        "/dev/null",
        "--profiling=false",
        "--requestheader-allowed-names=front-proxy-client",
        "-v=2",
        "--logging-format=json",
    ])
    .await;
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    for word in
        ["--audit-log-path is accepted and has no effect", "--profiling is accepted", "in use", "\"level\":\"WARN\""]
    {
        assert!(ended.said.contains(word), "{} does not say {word:?}", ended.said);
    }
    let unknown = taffrail(&["--kubelet-prt=1"]).await;
    assert_eq!(unknown.code, Some(64));
    assert!(unknown.said.contains("--kubelet-port"), "{}", unknown.said);
    let version = taffrail(&["--version"]).await;
    assert_eq!(version.code, Some(0));
    assert!(version.said.contains(env!("CARGO_PKG_VERSION")));
    let source = taffrail(&["--source=influxdb:http://x"]).await;
    source.check(64, &["--source", "leave it out"]);
}

/// As Go's flags: the last one counts, of switches as well; what is below zero is refused with the rest.
#[tokio::test]
async fn flags_that_are_given_twice_and_numbers_below_zero_are_read_as_go_reads_them() {
    let arguments = [
        "--kubelet-port=1",
        "--kubelet-port=2",
        "--kubelet-insecure-tls",
        "--kubelet-insecure-tls",
        "--metric-resolution=60s",
        "--metric-resolution=5s",
        "--kubelet-request-timeout=-1s",
        "--kubelet-certificate-authority",
        "",
    ];
    let ended = taffrail(&arguments).await;
    assert_eq!(ended.code, Some(64), "{}", ended.said);
    let errors: Vec<&str> = ended.said.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 2, "{}", ended.said);
    for flag in ["--metric-resolution is below 10s", "--kubelet-request-timeout must be above 0"] {
        assert!(errors.iter().any(|line| line.contains(flag)), "{flag}: {}", ended.said);
    }
}
