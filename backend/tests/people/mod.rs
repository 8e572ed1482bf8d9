//! The people plane before a small API server that knows three people.

#![allow(dead_code, reason = "each test file uses its part")]

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, body::Body};
use backend::cluster::Cache;
use backend::http::assets::Assets;
use backend::http::origin::OriginConfig;
use backend::http::tls::Peer;
use backend::http::{Config, Parts, router};
use backend::session::login::Login;
use backend::session::{Gate, Sessions, cookie, sessions};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::watch;
use tower::ServiceExt as _;

/// Must never be printed.
pub(crate) const CANARY: &str = "canary-3f1c9a7e55";
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

#[derive(Debug, Default)]
pub(crate) struct Api {
    /// Nobody is known any more.
    pub(crate) revoked: AtomicBool,
    pub(crate) reviews: AtomicU32,
}

pub(crate) struct Place {
    pub(crate) api: Arc<Api>,
    pub(crate) sessions: Sessions,
    pub(crate) router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The code of a refusal in JSON.
    pub(crate) fn code(&self) -> String {
        let body: wire::session::Refusal = serde_json::from_slice(&self.body).unwrap();
        body.say.code
    }

    pub(crate) fn session(&self) -> wire::session::Session {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The cookie as a browser would send it back.
    pub(crate) fn cookie(&self) -> String {
        self.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().into()
    }
}

impl Place {
    pub(crate) async fn open() -> Self {
        Self::with(Config::default(), false).await
    }

    pub(crate) async fn with(config: Config, certificates: bool) -> Self {
        let api = Arc::new(Api::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&api));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self::before(&format!("http://{address}"), api, config, certificates)
    }

    /// Before an API server nobody runs.
    pub(crate) fn alone() -> Self {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        drop(taken);
        Self::before(&format!("http://{address}"), Arc::default(), Config::default(), false)
    }

    fn before(url: &str, api: Arc<Api>, config: Config, certificates: bool) -> Self {
        let mut base = kube::Config::new(url.parse().unwrap());
        base.default_retry = false;
        let own = kube::Client::try_from(base.clone()).unwrap();
        let gate = Gate::new(own.clone(), Cache::default());
        let settings = sessions::Config {
            cookie: cookie::Name::new(&["test"]),
            limits: sessions::Limits { sessions: 30, per_user: 3, ..sessions::Limits::default() },
            insecure: false,
        };
        let sessions = Sessions::new(settings, Login::new(base, own, certificates), gate).unwrap();
        let assets = Assets::new([
            ("index.html".into(), r#"<head><base href="./"></head>"#.into()),
            ("a/app.1234.js".into(), "plain".into()),
            ("a/app.1234.js.br".into(), "brotli".into()),
            ("a/app.1234.js.gz".into(), "gzip".into()),
        ])
        .unwrap();
        let place = wire::session::Place {
            cluster: "test".into(),
            kubernetes: String::new(),
            taffrail: "0".into(),
            certificates,
            insecure: false,
            server: "https://k".into(),
            now: 0,
        };
        let router = router(Parts {
            sessions: sessions.clone(),
            assets,
            config,
            place,
            kubernetes: watch::channel("v1.36.2".into()).1,
            ready: watch::channel(true).1,
            extra: Router::new(),
        });
        Self { api, sessions, router }
    }

    /// One request from a loopback peer over TLS, unless `peer` says otherwise.
    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_from(&peer("127.0.0.1:9", true), method, path, headers, body).await
    }

    pub(crate) async fn ask_from(
        &self,
        peer: &Peer,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).extension(peer.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn sign_in(&self, token: &str) -> Answer {
        let body = serde_json::json!({ "token": token }).to_string();
        self.ask(Method::POST, "/session", &[("content-type", "application/json")], &body).await
    }
}

pub(crate) fn peer(address: &str, tls: bool) -> Peer {
    Peer { address: address.parse().unwrap(), tls, certificates: [].into() }
}

pub(crate) fn trusting(proxy: &str) -> Config {
    let trusted_proxies = backend::http::proxies::Proxies(vec![proxy.parse().unwrap()]);
    Config { origin: OriginConfig { trusted_proxies, ..OriginConfig::default() }, ..Config::default() }
}

/// A JWT nobody signed.
pub(crate) fn jwt(claims: &serde_json::Value) -> String {
    use base64::Engine as _;
    let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", encode(r#"{"alg":"RS256"}"#.into()), encode(claims.to_string()))
}

async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    let failed = |code: u16, message: &str| {
        let body = serde_json::json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
        (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
    };
    match request.uri().path() {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            api.reviews.fetch_add(1, Ordering::Relaxed);
            let user = match token {
                _ if api.revoked.load(Ordering::Relaxed) => return failed(401, "Unauthorized"),
                CANARY | "good" => "alice",
                "other" => "bob",
                "anon" => "system:anonymous",
                _ => return failed(401, "Unauthorized"),
            };
            let info = serde_json::json!({"username": user, "groups": ["system:authenticated", "a"]});
            (StatusCode::CREATED, Json(serde_json::json!({"status": {"userInfo": info}}))).into_response()
        }
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
            (StatusCode::CREATED, Json(serde_json::json!({"status": {"allowed": true}}))).into_response()
        }
        "/.well-known/openid-configuration" => Json(serde_json::json!({"issuer": ISSUER})).into_response(),
        "/api/v1/namespaces/ns/pods/p" if [CANARY, "good"].contains(&token) => {
            let metadata = serde_json::json!({"name": "p", "managedFields": [{}]});
            Json(serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).into_response()
        }
        "/api/v1/namespaces/ns/pods/p" => failed(401, "Unauthorized"),
        "/api/v1/namespaces/ns/pods/secret" => failed(403, "forbidden"),
        _ => failed(404, "not found"),
    }
}
