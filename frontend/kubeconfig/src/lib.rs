//! A kubeconfig, read in the browser. Only the chosen context's token or certificate leaves it; there is no path from
//! here to a file, a command or an address.
#![warn(missing_docs)]

mod yaml;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use wire::Say;
use wire::session::Credential;

use crate::yaml::{Error, Node};

/// Larger files are no kubeconfigs.
pub const MOST: usize = 1 << 20;

/// What a context signs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// A bearer token.
    Token,
    /// A client certificate with its key.
    Certificate,
}

/// A context as the picker shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Its name in the file.
    pub name: String,
    /// Whether the file names it as the current one.
    pub current: bool,
    /// Its API server; empty when the file names none.
    pub server: String,
    /// Its user's name in the file.
    pub user: String,
    /// Where it works.
    pub namespace: Option<String>,
    /// What it signs in with.
    pub method: Method,
    /// What to sign in with, or why it can not be used.
    pub credential: Result<Credential, Say>,
}

#[derive(Default)]
struct File {
    kind: String,
    current_context: String,
    contexts: Vec<Named<ContextBody>>,
    clusters: Vec<Named<Cluster>>,
    users: Vec<Named<User>>,
}

struct Named<T> {
    name: String,
    body: Option<T>,
}

#[derive(Default)]
struct ContextBody {
    cluster: String,
    user: String,
    namespace: Option<String>,
}

struct Cluster {
    server: String,
}

struct User {
    token: Option<String>,
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_key: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    username: Option<String>,
    exec: Option<Exec>,
    auth_provider: Option<Provider>,
}

struct Exec {
    command: String,
}

#[derive(Default)]
struct Provider {
    access_token: Option<String>,
    id_token: Option<String>,
}

impl File {
    fn read(text: &str) -> Result<Self, Error> {
        let root = yaml::read(text)?;
        if root == Node::Null {
            return Ok(Self::default());
        }
        let root = root.is_map("the file")?;
        Ok(Self {
            kind: root.text("kind")?.unwrap_or_default(),
            current_context: root.text("current-context")?.unwrap_or_default(),
            contexts: named(root, "contexts", "context", ContextBody::read)?,
            clusters: named(root, "clusters", "cluster", Cluster::read)?,
            users: named(root, "users", "user", User::read)?,
        })
    }
}

fn named<T>(
    root: &Node<'_>,
    list: &'static str,
    body: &'static str,
    read: fn(&Node<'_>) -> Result<T, Error>,
) -> Result<Vec<Named<T>>, Error> {
    let items = root.list(list)?.iter().map(|item| {
        let item = item.is_map(body)?;
        Ok(Named { name: item.text("name")?.unwrap_or_default(), body: item.map(body)?.map(read).transpose()? })
    });
    items.collect()
}

impl ContextBody {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        let text = |key| Ok(node.text(key)?.unwrap_or_default());
        Ok(Self { cluster: text("cluster")?, user: text("user")?, namespace: node.text("namespace")? })
    }
}

impl Cluster {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        Ok(Self { server: node.text("server")?.unwrap_or_default() })
    }
}

impl User {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        Ok(Self {
            token: node.text("token")?,
            token_file: node.text("tokenFile")?,
            client_certificate: node.text("client-certificate")?,
            client_key: node.text("client-key")?,
            client_certificate_data: node.text("client-certificate-data")?,
            client_key_data: node.text("client-key-data")?,
            username: node.text("username")?,
            exec: node.map("exec")?.map(Exec::read).transpose()?,
            auth_provider: node.map("auth-provider")?.map(Provider::read).transpose()?,
        })
    }
}

impl Exec {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        Ok(Self { command: node.text("command")?.unwrap_or_default() })
    }
}

impl Provider {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        let Some(config) = node.map("config")? else { return Ok(Self::default()) };
        Ok(Self { access_token: config.text("access-token")?, id_token: config.text("id-token")? })
    }
}

/// The contexts of a file, the current one first.
///
/// # Errors
/// Why it is no kubeconfig, or that it has no context.
pub fn contexts(text: &str) -> Result<Vec<Context>, Say> {
    let refuse = |reason: String| Say::new("LOGIN_NOTKUBECONFIG").with("reason", reason);
    if text.len() > MOST {
        return Err(refuse("it is larger than 1 MiB".to_owned()));
    }
    if text.trim_start().starts_with("-----BEGIN") {
        return Err(Say::new("LOGIN_ISKEY"));
    }
    let file = File::read(text).map_err(|error| refuse(error.to_string()))?;
    match file.kind.as_str() {
        "Config" | "" if !file.contexts.is_empty() || file.kind == "Config" => {}
        "Secret" => return Err(Say::new("LOGIN_ISSECRET")),
        "" => return Err(refuse("it has neither a kind nor contexts".to_owned())),
        other => return Err(refuse(format!("its kind is {other}"))),
    }
    if file.contexts.is_empty() {
        return Err(Say::new("LOGIN_NOCONTEXT").with("list", "it has none"));
    }
    let mut contexts: Vec<Context> = file.contexts.iter().map(|named| context(&file, named)).collect();
    contexts.sort_by_key(|context| !context.current);
    Ok(contexts)
}

/// Why none of these can be used: the only one's reason, or a list of all; nothing when one can.
pub fn unusable(contexts: &[Context], sentence: impl Fn(&Say) -> String) -> Option<Say> {
    let mut reasons = Vec::new();
    for context in contexts {
        reasons.push((&context.name, context.credential.as_ref().err()?));
    }
    match reasons.as_slice() {
        [] => None,
        [(_, say)] => Some((*say).clone()),
        all => {
            let list: Vec<String> = all.iter().map(|(name, say)| format!("{name}: {}", sentence(say))).collect();
            Some(Say::new("LOGIN_NOCONTEXT").with("list", list.join(" ").trim_end_matches(['.', '。'])))
        }
    }
}

fn context(file: &File, named: &Named<ContextBody>) -> Context {
    let empty = ContextBody::default();
    let body = named.body.as_ref().unwrap_or(&empty);
    let cluster = file.clusters.iter().find(|known| known.name == body.cluster).and_then(|known| known.body.as_ref());
    let credential = match file.users.iter().find(|known| known.name == body.user) {
        None => Err(Say::new("LOGIN_NOUSER").with("ctx", &*named.name).with("user", &*body.user)),
        Some(user) => {
            user.body.as_ref().map_or_else(|| Err(no_credential(&body.user)), |body| credential(&user.name, body))
        }
    };
    Context {
        name: named.name.clone(),
        current: named.name == file.current_context,
        server: cluster.map(|cluster| cluster.server.clone()).unwrap_or_default(),
        user: body.user.clone(),
        namespace: body.namespace.clone().filter(|namespace| !namespace.is_empty()),
        method: if matches!(credential, Ok(Credential::Certificate { .. })) {
            Method::Certificate
        } else {
            Method::Token
        },
        credential,
    }
}

fn no_credential(user: &str) -> Say {
    Say::new("LOGIN_NOCRED").with("user", user)
}

fn credential(name: &str, user: &User) -> Result<Credential, Say> {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
    let about = |code: &str| Say::new(code).with("user", name);
    if let Some(token) = text(&user.token) {
        return Ok(Credential::Token(token.trim().to_owned()));
    }
    if let (Some(certificate), Some(key)) = (text(&user.client_certificate_data), text(&user.client_key_data)) {
        let pem = |data: &str| {
            let data: String = data.split_whitespace().collect();
            STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        };
        return match (pem(&certificate), pem(&key)) {
            (Some(certificate), Some(key)) => Ok(Credential::Certificate { certificate, key }),
            _ => Err(Say::new("LOGIN_CERTBAD").with("reason", "it is not base64 of PEM")),
        };
    }
    if let Some(provider) = &user.auth_provider {
        let token = text(&provider.access_token).or_else(|| text(&provider.id_token));
        return token.map(Credential::Token).ok_or_else(|| about("LOGIN_REFRESHONLY"));
    }
    if let Some(exec) = &user.exec {
        return Err(about("LOGIN_EXEC").with("command", &*exec.command).with("hint", hint(&exec.command)));
    }
    if let Some(path) =
        text(&user.token_file).or_else(|| text(&user.client_certificate)).or_else(|| text(&user.client_key))
    {
        return Err(about("LOGIN_PATHS").with("path", path));
    }
    Err(if user.username.is_some() { about("LOGIN_BASIC") } else { no_credential(name) })
}

/// The token of a ServiceAccount's Secret, as YAML or JSON.
#[must_use]
pub fn of_secret(text: &str) -> Option<String> {
    let root = yaml::read(text.trim()).ok()?;
    let plain = root.map("stringData").ok()?.and_then(|data| data.text("token").ok()?);
    let encoded = || root.map("data").ok()?.and_then(|data| data.text("token").ok()?);
    let decoded = || String::from_utf8(STANDARD.decode(encoded()?.trim()).ok()?).ok();
    let token = plain.or_else(decoded)?;
    (!token.trim().is_empty()).then_some(token)
}

/// How to get a token from the plugins people meet.
fn hint(command: &str) -> &'static str {
    match command.rsplit(['/', '\\']).next().unwrap_or_default() {
        "aws" | "aws-iam-authenticator" => "aws eks get-token --cluster-name <name> --query status.token --output text",
        "gke-gcloud-auth-plugin" | "gcloud" => "gcloud auth print-access-token",
        "kubelogin" => "kubelogin get-token",
        _ => "kubectl -n <namespace> create token <serviceaccount>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn user_is(user: &str, expected: &str) {
        let text = format!(
            "kind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u, namespace: n}}}}]\n\
             clusters: [{{name: k, cluster: {{server: https://a}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        );
        let contexts = contexts(&text).unwrap();
        let got = match &contexts[0].credential {
            Ok(Credential::Token(token)) => token.clone(),
            Ok(Credential::Certificate { certificate, key }) => format!("{certificate}+{key}"),
            Err(say) => say.code.clone(),
        };
        assert_eq!(got, expected, "{user}");
        assert_eq!((contexts[0].server.as_str(), contexts[0].namespace.as_deref()), ("https://a", Some("n")));
    }

    #[test]
    fn each_kind_of_user_has_its_answer() {
        user_is("{token: t}", "t");
        user_is("{client-certificate-data: YQ==, client-key-data: Yg==}", "a+b");
        user_is("{token: t, client-certificate-data: YQ==, client-key-data: Yg==}", "t");
        user_is("{exec: {command: aws}}", "LOGIN_EXEC");
        user_is("{auth-provider: {name: oidc, config: {id-token: i}}}", "i");
        user_is("{auth-provider: {name: oidc, config: {refresh-token: r}}}", "LOGIN_REFRESHONLY");
        user_is("{tokenFile: /t}", "LOGIN_PATHS");
        user_is("{client-certificate: /c, client-key: /k}", "LOGIN_PATHS");
        user_is("{username: a, password: b}", "LOGIN_BASIC");
        user_is("{}", "LOGIN_NOCRED");
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(contexts(text).unwrap_err().code, expected, "{text}");
    }

    #[test]
    fn what_is_no_kubeconfig_is_named() {
        refused("kind: Pod", "LOGIN_NOTKUBECONFIG");
        refused("just words", "LOGIN_NOTKUBECONFIG");
        refused("", "LOGIN_NOTKUBECONFIG");
        refused("kind: Config\nkind: Config\ncontexts: [{name: c}]", "LOGIN_NOTKUBECONFIG");
        refused("kind: Config\ncontexts: {name: c}", "LOGIN_NOTKUBECONFIG");
        refused("kind: Config\ncontexts: null\nusers: null", "LOGIN_NOCONTEXT");
        refused("kind: Secret", "LOGIN_ISSECRET");
        refused("-----BEGIN RSA PRIVATE KEY-----", "LOGIN_ISKEY");
        refused("kind: Config", "LOGIN_NOCONTEXT");
        refused(&"x".repeat(MOST + 1), "LOGIN_NOTKUBECONFIG");
    }

    #[test]
    fn a_file_without_a_usable_context_says_why() {
        let exec = "{name: u, user: {exec: {command: aws}}}";
        let one = format!("contexts: [{{name: c, context: {{user: u}}}}]\nusers: [{exec}]");
        let code = |text: &str| unusable(&contexts(text).unwrap(), |say| say.code.clone());
        assert_eq!(code(&one).unwrap().code, "LOGIN_EXEC");
        let two = format!(
            "contexts: [{{name: c, context: {{user: u}}}}, {{name: d, context: {{user: v}}}}]\nusers: [{exec}]"
        );
        assert_eq!(code(&two).unwrap().arg("list"), "c: LOGIN_EXEC d: LOGIN_NOUSER");
        let good = "contexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {token: t}}]";
        assert_eq!(code(good), None);
    }

    #[test]
    fn a_refusal_does_not_quote_the_file() {
        let say = contexts("users: [{name: u, user: {token: [secret]}}]").unwrap_err();
        assert_eq!(say.arg("reason"), "token is not text");
    }

    #[test]
    fn json_is_read_and_a_missing_user_is_named() {
        let json = r#"{"kind":"Config","contexts":[{"name":"c","context":{"user":"nobody"}}]}"#;
        assert_eq!(
            contexts(json).unwrap()[0].credential,
            Err(Say::new("LOGIN_NOUSER").with("ctx", "c").with("user", "nobody"))
        );
    }

    #[test]
    fn a_secrets_token_is_taken_from_it() {
        let of = |text: &str| of_secret(text);
        assert_eq!(of("apiVersion: v1\nkind: Secret\ndata: {token: YWJj}").as_deref(), Some("abc"));
        assert_eq!(of(r#"{"kind":"Secret","stringData":{"token":"abc"}}"#).as_deref(), Some("abc"));
        assert_eq!(of("kind: Secret\ndata: {password: YWJj}"), None);
        assert_eq!(of("kind: Secret\ndata: {token: '%'}"), None);
    }
}
