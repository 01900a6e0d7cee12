//! An ACME authority for tests: RFC 8555 over real TLS, with a real fetch of the challenge. It checks nonces,
//! URLs and key authorizations, and trusts signatures, which are the client library's business.
#![expect(clippy::result_large_err, reason = "an answer is an answer, and one a test is no burden")]

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::clock::{Clock, Timestamp};
use crate::net::http::testing;
use crate::net::tls::{Certificate, Inside, ServerTls, self_signed};

/// A running authority.
pub(super) struct FakeAuthority {
    /// Its directory's URL.
    pub(super) directory: String,
    /// PEM of the root of its own TLS certificate.
    pub(super) tls_root: String,
    /// PEM of the root of what it issues.
    pub(super) issuing_root: String,
    state: Arc<Shared>,
}

struct Shared {
    base: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Where it finds the server that it challenges, in the place of port 80.
    challenged: SocketAddr,
    state: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    nonces: HashSet<String>,
    /// Thumbprints of account keys.
    accounts: Vec<String>,
    orders: Vec<Order>,
    issued_at: Option<Timestamp>,
    unseen: Vec<String>,
}

struct Order {
    account: usize,
    names: Vec<String>,
    proofs: HashMap<usize, Result<(), String>>,
    certificate: Option<String>,
}

impl FakeAuthority {
    /// Starts it; it will look for challenges at `challenged`, whatever the name resolves to.
    pub(super) async fn start(challenged: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let base = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signs");
        let issuing_root = issuer.pem();
        let state = Arc::new(Shared { base: base.clone(), issuer, challenged, state: Mutex::default() });
        let (chain, key) = self_signed(&[], Clock::system().now()).expect("makes one");
        let own = Certificate::from_pem(chain.as_bytes(), key.expose().as_bytes()).expect("parses");
        let acceptor = TlsAcceptor::from(ServerTls::new(own).config(Inside::Http).expect("settings"));
        let router = router().with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(Listener { listener, acceptor }, router).await });
        // The chain's last certificate is its root.
        let root = chain.rfind("-----BEGIN").expect("PEM");
        Self { directory: base + "/directory", tls_root: chain[root..].to_owned(), issuing_root, state }
    }

    /// From when on the next certificate is valid; 90 days.
    pub(super) fn issue_at(&self, from: Timestamp) {
        self.state.book().issued_at = Some(from);
    }

    /// How many accounts it has.
    pub(super) fn accounts(&self) -> usize {
        self.state.book().accounts.len()
    }

    /// How many orders it took.
    pub(super) fn orders(&self) -> usize {
        self.state.book().orders.len()
    }

    /// The names whose challenges it did not find.
    pub(super) fn unseen(&self) -> Vec<String> {
        self.state.book().unseen.clone()
    }
}

struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/directory", get(directory))
        .route("/nonce", get(nonce))
        .route("/account", post(new_account))
        .route("/order", post(new_order))
        .route("/order/{order}", post(show_order))
        .route("/authorization/{order}/{name}", post(show_authorization))
        .route("/challenge/{order}/{name}", post(challenge))
        .route("/finalize/{order}", post(finalize))
        .route("/certificate/{order}", post(certificate))
}

/// What a signed request says (RFC 7515, RFC 8555 §6.2).
struct Request {
    account: Option<usize>,
    key: Value,
    payload: Value,
}

type Answer = Result<Response, Response>;

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.state.lock().expect("no test panics with the book open")
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// RFC 8555 §6.5: every answer brings the next nonce.
    fn fresh_nonce(&self) -> (HeaderName, HeaderValue) {
        let nonce = crate::names::MessageId::random().to_string();
        let value = HeaderValue::from_str(&nonce).expect("base32");
        self.book().nonces.insert(nonce);
        (HeaderName::from_static("replay-nonce"), value)
    }

    fn answer(&self, status: StatusCode, body: &Value) -> Response {
        let mut response = (status, body.to_string()).into_response();
        response.headers_mut().extend([self.fresh_nonce()].map(|(name, value)| (Some(name), value)));
        response
    }

    fn problem(&self, kind: &str, detail: &str) -> Response {
        let body = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail });
        self.answer(StatusCode::BAD_REQUEST, &body)
    }

    fn open(&self, path: &str, body: &Bytes) -> Result<Request, Response> {
        let malformed = || self.problem("malformed", "not a signed request");
        let outer: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
        let part = |name: &str| BASE64URL.decode(outer[name].as_str()?).ok();
        let head: Value =
            part("protected").and_then(|text| serde_json::from_slice(&text).ok()).ok_or_else(malformed)?;
        if head["url"] != self.url(path) || part("signature").is_none_or(|signature| signature.is_empty()) {
            return Err(malformed());
        }
        if !self.book().nonces.remove(head["nonce"].as_str().unwrap_or_default()) {
            return Err(self.problem("badNonce", "unknown nonce"));
        }
        let kid = head["kid"].as_str().and_then(|kid| kid.rsplit('/').next()?.parse().ok());
        let payload = part("payload").and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Request { account: kid, key: head["jwk"].clone(), payload })
    }

    fn order_body(&self, number: usize) -> Value {
        let book = self.book();
        let order = &book.orders[number];
        let proven =
            order.names.iter().enumerate().filter(|(index, _)| order.proofs.get(index) == Some(&Ok(())));
        let status = match () {
            () if order.certificate.is_some() => "valid",
            () if order.proofs.values().any(Result::is_err) => "invalid",
            () if proven.count() == order.names.len() => "ready",
            () => "pending",
        };
        let identifiers: Vec<Value> =
            order.names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
        let authorizations: Vec<String> =
            (0..order.names.len()).map(|name| self.url(&format!("authorization/{number}/{name}"))).collect();
        json!({
            "status": status,
            "identifiers": identifiers,
            "authorizations": authorizations,
            "finalize": self.url(&format!("finalize/{number}")),
            "certificate": self.url(&format!("certificate/{number}")),
        })
    }

    fn challenge_body(&self, order: usize, name: usize) -> Value {
        let book = self.book();
        let proof = book.orders[order].proofs.get(&name);
        let mut body = json!({
            "type": "http-01",
            "url": self.url(&format!("challenge/{order}/{name}")),
            "token": token(order, name),
            "status": match proof { None => "pending", Some(Ok(())) => "valid", Some(Err(_)) => "invalid" },
        });
        if let Some(Err(why)) = proof {
            body["error"] = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": why });
        }
        body
    }

    /// RFC 8555 §8.3: fetches the token and compares it with the key authorization (§8.1).
    async fn prove(&self, order: usize, name: usize) -> Result<(), String> {
        let (host, thumbprint) = {
            let book = self.book();
            (book.orders[order].names[name].clone(), book.accounts[book.orders[order].account].clone())
        };
        let token = token(order, name);
        let path = format!("/.well-known/acme-challenge/{token}");
        let answer = testing::get(self.challenged, &host, &path).await.map_err(|error| error.to_string())?;
        let wanted = format!("\r\n\r\n{token}.{thumbprint}");
        (answer.starts_with("HTTP/1.1 200") && answer.ends_with(&wanted)).then_some(()).ok_or_else(|| {
            self.book().unseen.push(host);
            "the answer was another one".to_owned()
        })
    }

    fn sign(&self, number: usize, request: &[u8]) -> Option<String> {
        let mut request = CertificateSigningRequestParams::from_der(&request.to_vec().into()).ok()?;
        let from = self.book().issued_at.unwrap_or_else(|| Clock::system().now()).unix();
        let date = |unix| {
            let zoned = jiff::Timestamp::from_second(unix).expect("a date").to_zoned(jiff::tz::TimeZone::UTC);
            rcgen::date_time_ymd(
                zoned.year().into(),
                zoned.month().unsigned_abs(),
                zoned.day().unsigned_abs(),
            )
        };
        request.params.not_before = date(from);
        request.params.not_after = date(from + 90 * 86_400);
        let asked = &request.params.subject_alt_names;
        let names = self.book().orders[number].names.clone();
        let wanted: Vec<_> = CertificateParams::new(names).ok()?.subject_alt_names;
        (*asked == wanted).then(|| request.signed_by(&self.issuer).ok())?.map(|signed| signed.pem())
    }
}

async fn directory(State(shared): State<Arc<Shared>>) -> Response {
    let url = |path| shared.url(path);
    let body = json!({ "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order") });
    shared.answer(StatusCode::OK, &body)
}

async fn nonce(State(shared): State<Arc<Shared>>) -> Response {
    HeaderMap::from_iter([shared.fresh_nonce()]).into_response()
}

async fn new_account(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let request = shared.open("account", &body)?;
    if request.payload["termsOfServiceAgreed"] != json!(true) {
        return Err(shared.problem("userActionRequired", "the terms"));
    }
    // RFC 7638 §3: the members in the order of the alphabet, without blanks.
    let member = |name: &str| request.key[name].as_str().unwrap_or_default().to_owned();
    let canonical = format!(
        r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#,
        member("crv"),
        member("kty"),
        member("x"),
        member("y")
    );
    let number = {
        let mut book = shared.book();
        book.accounts.push(BASE64URL.encode(Sha256::digest(canonical)));
        book.accounts.len() - 1
    };
    Ok(located(&shared, &format!("account/{number}"), &json!({ "status": "valid" })))
}

async fn new_order(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let request = shared.open("order", &body)?;
    let account = request.account.filter(|&number| number < shared.book().accounts.len());
    let account = account.ok_or_else(|| shared.problem("accountDoesNotExist", "no account"))?;
    let identifiers = request.payload["identifiers"].as_array().cloned().unwrap_or_default();
    let names = identifiers.iter().filter_map(|name| name["value"].as_str().map(str::to_owned)).collect();
    let number = {
        let mut book = shared.book();
        book.orders.push(Order { account, names, proofs: HashMap::new(), certificate: None });
        book.orders.len() - 1
    };
    let body = shared.order_body(number);
    Ok(located(&shared, &format!("order/{number}"), &body))
}

async fn show_order(State(shared): State<Arc<Shared>>, Path(number): Path<usize>, body: Bytes) -> Answer {
    shared.open(&format!("order/{number}"), &body)?;
    let body = shared.order_body(number);
    Ok(shared.answer(StatusCode::OK, &body))
}

async fn show_authorization(
    State(shared): State<Arc<Shared>>,
    Path((order, name)): Path<(usize, usize)>,
    body: Bytes,
) -> Answer {
    shared.open(&format!("authorization/{order}/{name}"), &body)?;
    let challenge = shared.challenge_body(order, name);
    let host = shared.book().orders[order].names[name].clone();
    let body = json!({
        "identifier": { "type": "dns", "value": host },
        "status": challenge["status"],
        "challenges": [challenge],
    });
    Ok(shared.answer(StatusCode::OK, &body))
}

async fn challenge(
    State(shared): State<Arc<Shared>>,
    Path((order, name)): Path<(usize, usize)>,
    body: Bytes,
) -> Answer {
    shared.open(&format!("challenge/{order}/{name}"), &body)?;
    // RFC 8555 §7.5.1: it looks in its own time and answers at once.
    let looking = Arc::clone(&shared);
    tokio::spawn(async move {
        let proof = looking.prove(order, name).await;
        looking.book().orders[order].proofs.insert(name, proof);
    });
    let body = shared.challenge_body(order, name);
    Ok(shared.answer(StatusCode::OK, &body))
}

async fn finalize(State(shared): State<Arc<Shared>>, Path(number): Path<usize>, body: Bytes) -> Answer {
    let request = shared.open(&format!("finalize/{number}"), &body)?;
    if shared.order_body(number)["status"] != "ready" {
        return Err(shared.problem("orderNotReady", "prove the names first"));
    }
    let csr =
        request.payload["csr"].as_str().and_then(|text| BASE64URL.decode(text).ok()).unwrap_or_default();
    let signed = shared.sign(number, &csr).ok_or_else(|| shared.problem("badCSR", "not this request"))?;
    shared.book().orders[number].certificate = Some(signed);
    let body = shared.order_body(number);
    Ok(shared.answer(StatusCode::OK, &body))
}

async fn certificate(State(shared): State<Arc<Shared>>, Path(number): Path<usize>, body: Bytes) -> Answer {
    shared.open(&format!("certificate/{number}"), &body)?;
    let chain = shared.book().orders[number].certificate.clone().unwrap_or_default();
    Ok((HeaderMap::from_iter([shared.fresh_nonce()]), chain).into_response())
}

fn located(shared: &Shared, path: &str, body: &Value) -> Response {
    let mut response = shared.answer(StatusCode::CREATED, body);
    let place = HeaderValue::from_str(&shared.url(path)).expect("a URL");
    response.headers_mut().insert(header::LOCATION, place);
    response
}

fn token(order: usize, name: usize) -> String {
    format!("token-{order}-{name}")
}
