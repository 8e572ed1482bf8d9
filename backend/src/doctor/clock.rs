//! The API server: whether it answers, who we are to it, and whether its clock is ours.

use super::report::Report;
use super::text;
use crate::account::Account;
use http::header::DATE;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tokens and certificates do not mind this much, seconds.
const SKEW: i64 = 5;
/// Certificates that were just made are not valid yet from here on, seconds.
const SKEW_BAD: i64 = 60;

/// The name that the API server has for us; `None` when it does not answer.
pub(super) async fn api_server(account: &Account, report: &mut Report) -> Option<String> {
    let server = account.config.cluster_url.to_string();
    let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(kube::client::Body::from(who.to_string().into_bytes()))
        .ok()?;
    let response = match account.client.send(request).await {
        Ok(response) => response,
        Err(error) => {
            let remedy = "see --kubeconfig, the network to it and its certificate";
            report.bad("APIServer", format!("the API server {server} does not answer: {error}"), remedy);
            return None;
        }
    };
    let (status, date) = (response.status(), response.headers().get(DATE).cloned());
    let body = response.into_body().collect_bytes().await.unwrap_or_default();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() {
        let remedy = "give a kubeconfig whose token or certificate is valid";
        report.bad(
            "APIServer",
            format!("the API server {server} answers {status}: {}", text(&answer, "/message")),
            remedy,
        );
        return None;
    }
    let who = text(&answer, "/status/userInfo/username").to_owned();
    report.good("APIServer", format!("the API server {server} answers; we are {who}"));
    if let Some(theirs) = date.and_then(|date| date.to_str().ok().and_then(seconds)) {
        skew("the API server", theirs, report);
    }
    Some(who)
}

/// Says by how much a clock differs from ours.
pub(super) fn skew(whose: &str, theirs: i64, report: &mut Report) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let apart = theirs - i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let side = if apart < 0 { "behind" } else { "ahead of" };
    let said = format!("the clock of {whose} is {} s {side} ours", apart.abs());
    match apart.abs() {
        SKEW_BAD.. => report.bad(
            "ClockSkew",
            said,
            "synchronize the clocks (chrony, ntp): tokens, certificates and windows depend on them",
        ),
        SKEW.. => report.warn("ClockSkew", said, "synchronize the clocks (chrony, ntp)"),
        _ => report.good("ClockSkew", format!("the clock of {whose} is ours")),
    }
}

/// An HTTP date, Unix seconds: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds(date: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(parsed.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn a_date_of_http_is_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn clocks_apart_by_minutes_are_broken() {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        for (apart, verdict) in [(0, Verdict::Good), (-20, Verdict::Warn), (240, Verdict::Bad)] {
            let mut report = Report::default();
            skew("x", now + apart, &mut report);
            assert_eq!(report.findings[0].verdict, verdict, "{apart}");
        }
    }
}
