use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, Request, Response, StatusCode, header};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use wharf_host::{Body, Config, Host, Manifest, Peer, Resolver, Resolving};

use crate::support::{artifact, builder, get, read, serve, with_manifest};

/// The guest `http` behind guards; `text` describes them.
async fn guarded(text: &str) -> Host {
    let host = builder().build().unwrap();
    serve(&host, with_manifest("http/rust", text)).await;
    host
}

async fn ask(host: &Host, path: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    host.handle(request.body(String::new()).unwrap()).await
}

async fn annotations(response: Response<Body>) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = serde_json::from_str(&read(response).await.text).unwrap();
    answer["annotations"].clone()
}

/// A guard that knows one key, of the holder `a`.
fn api_key(secret: &str) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(secret.as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[guards.partner.api-key]\nkeys = {{ a = \"sha256:{digits}\" }}\n")
}

#[tokio::test]
async fn a_key_passes_under_the_name_of_its_holder() {
    let routes = "[[routes]]\npath = \"/{*rest}\"\nguards = [\"partner\"]\n";
    let host = guarded(&format!("{routes}{}", api_key("secret-a"))).await;
    for fields in [&[][..], &[("x-api-key", "")], &[("x-api-key", "secret-b")], &[("x-api-key", "secret-a ")]]
    {
        let refused = ask(&host, "/echo", fields).await;
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "ApiKey header=\"x-api-key\"");
        assert_eq!(read(refused).await.code, "unauthorized", "{fields:?}");
    }
    let passed = ask(&host, "/echo", &[("x-api-key", "secret-a")]).await;
    assert_eq!(annotations(passed).await, json!([["api-key", "a"]]));
}

struct Issuer {
    key: EncodingKey,
    jwks: String,
}

impl Issuer {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("1".to_owned());
        Self { key, jwks: serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap() }
    }

    fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("1".to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_token_passes_when_everything_about_it_is_right() {
    let issuer = Issuer::new();
    let text = r#"
        [[routes]]
        path = "/{*rest}"
        guards = ["users"]
        [guards.users.jwt]
        jwks = "keys.json"
        issuer = "https://issuer.example"
        audience = "shop"
        annotate = { user = "sub", roles = "roles" }
    "#;
    let mut artifact = with_manifest("http/rust", text);
    artifact.files.insert("keys.json".to_owned(), issuer.jwks.clone().into());
    let host = builder().build().unwrap();
    serve(&host, artifact).await;

    let good = json!({
        "sub": "7", "iss": "https://issuer.example", "aud": ["shop", "other"], "exp": now() + 60,
        "roles": ["a", "b"],
    });
    let bearer = |token: &str| format!("Bearer {token}");
    let passed = ask(&host, "/echo", &[("authorization", &bearer(&issuer.token(&good)))]).await;
    assert_eq!(annotations(passed).await, json!([["roles", "a b"], ["user", "7"]]));

    let mut bad = vec![
        "Basic eDp5".to_owned(),
        bearer(""),
        bearer("a.b.c"),
        bearer(&Issuer::new().token(&good)),
        // The same claims, unsigned, or signed with what everybody knows.
        bearer(&unsigned(&issuer.token(&good))),
        bearer(
            &jsonwebtoken::encode(
                &Header::new(Algorithm::HS256),
                &good,
                &EncodingKey::from_secret(issuer.jwks.as_bytes()),
            )
            .unwrap(),
        ),
    ];
    let late = [
        ("exp", json!(now() - 600)),
        ("exp", Value::Null),
        ("nbf", json!(now() + 600)),
        ("iss", json!("https://other.example")),
        ("aud", json!("other")),
        ("aud", Value::Null),
    ];
    for (claim, value) in late {
        let mut claims = good.clone();
        claims[claim] = value;
        if claims[claim].is_null() {
            claims.as_object_mut().unwrap().remove(claim);
        }
        bad.push(bearer(&issuer.token(&claims)));
    }
    for field in &bad {
        let refused = ask(&host, "/echo", &[("authorization", field)]).await;
        assert!(refused.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
        assert_eq!(read(refused).await.code, "unauthorized", "{field}");
    }
    let good = bearer(&issuer.token(&good));
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    assert_eq!(ask(&host, "/echo", &twice).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&host, "/echo", &[]).await.status(), StatusCode::UNAUTHORIZED);
}

/// A token with its header replaced by `{"alg":"none"}` and without its signature.
fn unsigned(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    format!("eyJhbGciOiJub25lIn0.{claims}.")
}

#[tokio::test]
async fn pages_of_other_origins_call_where_they_may() {
    let cors = r#"
        [[routes]]
        path = "/text"
        methods = ["GET"]
        guards = ["web", "partner"]
        [guards.web.cors]
        origins = ["https://app.example.com"]
        headers = ["x-api-key"]
        methods = ["GET"]
    "#;
    let host = guarded(&format!("{cors}{}", api_key("secret-a"))).await;
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri("/text")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET")
        .body(String::new());
    let answer = host.handle(preflight.unwrap()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(answer.headers()["access-control-allow-headers"], "x-api-key");

    // A page can read why it was refused.
    let refused = ask(&host, "/text", &[("origin", "https://app.example.com")]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://app.example.com");
    let other = ask(&host, "/text", &[("origin", "https://evil.example.com")]).await;
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    let other = Request::builder().method(Method::OPTIONS).uri("/text").body(String::new()).unwrap();
    assert_eq!(host.handle(other).await.status(), StatusCode::METHOD_NOT_ALLOWED, "no preflight");
}

#[tokio::test]
async fn a_rate_holds_for_each_key_apart() {
    let rate = |key: &str| {
        format!(
            "[[routes]]\npath = \"/{{*rest}}\"\nguards = [\"calm\"]\n\
             [guards.calm.rate]\nrequests = 2\nper = \"10m\"\nkey = \"{key}\"\n"
        )
    };
    let host = guarded(&rate("header:x-user")).await;
    for (user, status) in [("a", 200), ("a", 200), ("a", 429), ("b", 200), ("a", 429)] {
        let answer = ask(&host, "/text", &[("x-user", user)]).await;
        assert_eq!(answer.status(), status, "{user}");
        if status == 429 {
            let wait: u64 = answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((200..=300).contains(&wait), "one passes every five minutes, not in {wait} s");
            assert_eq!(read(answer).await.code, "rate-limit");
        }
    }

    let host = guarded(&rate("address")).await;
    let from = async |address: &str| {
        let peer = Peer { address: address.parse().unwrap(), ..Peer::default() };
        host.handle_from(Request::get("/text").body(String::new()).unwrap(), peer).await.status()
    };
    for address in ["[2001:db8::1]:1", "[2001:db8::2]:2"] {
        assert_eq!(from(address).await, StatusCode::OK);
    }
    assert_eq!(from("[2001:db8::3]:3").await, StatusCode::TOO_MANY_REQUESTS, "one network is one client");
    assert_eq!(from("[2001:db8:0:1::1]:1").await, StatusCode::OK);
    assert_eq!(from("192.0.2.1:1").await, StatusCode::OK);
}

#[tokio::test]
async fn a_route_takes_smaller_bodies_than_its_service() {
    let text = "[[routes]]\npath = \"/body/echo\"\nguards = [\"small\"]\n[guards.small]\nbody = \"8B\"\n";
    let host = guarded(text).await;
    let send = async |body: &str| {
        let request = Request::post("/body/echo").body(body.to_owned()).unwrap();
        read(host.handle(request).await).await
    };
    assert_eq!(send("12345678").await.text, "12345678");
    assert_eq!(send("123456789").await.code, "body-too-large");
}

#[tokio::test]
async fn guards_are_asked_in_their_order() {
    let text = r#"
        [[routes]]
        path = "/{*rest}"
        guards = ["partner", "calm"]
        [guards.calm.rate]
        requests = 1
        per = "10m"
        key = "annotation:api-key"
    "#;
    let host = guarded(&format!("{text}{}", api_key("secret-a"))).await;
    for _ in 0..3 {
        assert_eq!(ask(&host, "/echo", &[]).await.status(), StatusCode::UNAUTHORIZED, "not counted");
    }
    let key = [("x-api-key", "secret-a")];
    assert_eq!(ask(&host, "/echo", &key).await.status(), StatusCode::OK);
    assert_eq!(ask(&host, "/echo", &key).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn guests_of_wasi_get_annotations_as_fields_that_no_client_can_set() {
    for guest in ["wasi-http/rust-02", "wasi-http/rust-03"] {
        let text =
            format!("[[routes]]\npath = \"/{{*rest}}\"\nguards = [\"partner\"]\n{}", api_key("secret-a"));
        let host = builder().build().unwrap();
        serve(&host, with_manifest(guest, &text)).await;
        let fields = [
            ("x-api-key", "secret-a"),
            ("x-wharf-api-key", "forged"),
            ("x-wharf-role", "admin"),
            ("x_wharf_role", "admin"),
        ];
        let echo: Value = serde_json::from_str(&read(ask(&host, "/echo", &fields).await).await.text).unwrap();
        assert_eq!(echo["headers"]["x-wharf-api-key"], "a");
        assert_eq!(echo["headers"]["x-wharf-param-rest"], "echo");
        let named = echo["headers"].as_object().unwrap().keys().filter(|name| name.ends_with("role"));
        assert_eq!(named.count(), 0, "{echo}");
    }
}

#[tokio::test]
async fn a_guard_that_cannot_work_is_refused_before_it_serves() {
    let host = builder().build().unwrap();
    let route = "[[routes]]\npath = \"/{*rest}\"\nguards = [\"g\"]\n";
    let refused = async |guard: &str, files: &[(&str, &str)]| {
        let mut artifact = with_manifest("http/rust", &format!("{route}{guard}"));
        for (name, text) in files {
            artifact.files.insert((*name).to_owned(), (*text).to_owned().into());
        }
        match host.load(artifact).await {
            Ok(_) => "loaded".to_owned(),
            Err(error) => wharf_host::chain(&error),
        }
    };
    let said = refused("[guards.g]\nservice = \"auth\"", &[]).await;
    assert!(said.contains("guard `g` is service `auth`, which is not there: deploy it first"), "{said}");
    let said = refused("[guards.g.jwt]\njwks = \"keys.json\"", &[]).await;
    assert!(said.contains("the artifact has no file `keys.json`"), "{said}");
    let said = refused("[guards.g.jwt]\njwks = \"keys.json\"", &[("keys.json", "{}")]).await;
    assert!(said.contains("the keys are no JWKS"), "{said}");
    let secret = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#;
    let said = refused("[guards.g.jwt]\njwks = \"keys.json\"", &[("keys.json", secret)]).await;
    assert!(said.contains("no public key"), "{said}");
    // A service that is no guard is none, either.
    serve(&host, with_manifest("faults/rust", "[[routes]]\npath = \"/faults\"")).await;
    let said = refused("[guards.g]\nservice = \"contract-faults\"", &[]).await;
    assert!(said.contains("which exports no guard"), "{said}");
    assert_eq!(get(&host, "/faults").await.status, StatusCode::NOT_FOUND, "the guest itself answers");
    assert!(Manifest::parse("name = \"x\"\nguard = true").is_ok(), "a guard needs no routes");
}

#[tokio::test]
async fn a_route_whose_guard_is_gone_stays_shut() {
    let host = builder().build().unwrap();
    serve(&host, artifact("guard")).await;
    serve(&host, artifact("guarded")).await;
    let allowed = [("x-allow", "ada")];
    let component = async || ask(&host, "/component/7", &allowed).await;
    assert_eq!(component().await.status(), StatusCode::OK);
    assert!(host.remove("contract-guard"));
    assert_eq!(read(component().await).await.code, "guard-unavailable");
    assert_eq!(ask(&host, "/open", &[]).await.status(), StatusCode::OK, "others are not concerned");
    serve(&host, artifact("guard")).await;
    assert_eq!(component().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn keys_come_from_an_address_too_and_are_not_asked_for_by_every_bad_token() {
    let (issuer, next) = (Issuer::new(), Issuer::new());
    let server = KeyServer::start(&issuer.jwks).await;
    let mut config = Config::default();
    config.http.private = vec!["127.0.0.0/8".parse().unwrap()];
    config.http.roots = Some(server.roots.path().to_owned());
    config.http.resolver = std::sync::Arc::new(Loopback(server.address));
    let host = builder().config(config).build().unwrap();
    let text = format!(
        "[[routes]]\npath = \"/{{*rest}}\"\nguards = [\"users\"]\n\
         [guards.users.jwt]\njwks = \"https://keys.test:{}/jwks\"\n",
        server.address.port()
    );
    let mut artifact = with_manifest("http/rust", &text);
    artifact.manifest.grants.http = vec![format!("https://keys.test:{}", server.address.port())];
    serve(&host, artifact).await;

    let token =
        |issuer: &Issuer| format!("Bearer {}", issuer.token(&json!({ "sub": "7", "exp": now() + 60 })));
    let good = token(&issuer);
    for _ in 0..3 {
        assert_eq!(ask(&host, "/echo", &[("authorization", &good)]).await.status(), StatusCode::OK);
    }
    assert_eq!(server.asked(), 1, "keys are kept");
    for _ in 0..20 {
        let unknown = format!("Bearer {}", unknown_key(&next));
        assert_eq!(
            ask(&host, "/echo", &[("authorization", &unknown)]).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    assert!(server.asked() <= 2, "bad tokens made the host ask {} times", server.asked());
}

/// A token that names a key which nobody has.
fn unknown_key(issuer: &Issuer) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("nobody's".to_owned());
    jsonwebtoken::encode(&header, &json!({ "exp": now() + 60 }), &issuer.key).unwrap()
}

/// Finds every name on this machine.
#[derive(Debug)]
struct Loopback(std::net::SocketAddr);

impl Resolver for Loopback {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// Answers with a JWKS over TLS, and counts.
struct KeyServer {
    address: std::net::SocketAddr,
    roots: tempfile::NamedTempFile,
    asked: std::sync::Arc<std::sync::atomic::AtomicU32>,
}

impl KeyServer {
    async fn start(jwks: &str) -> Self {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let made = rcgen::generate_simple_self_signed(vec!["keys.test".to_owned()]).unwrap();
        let roots = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(roots.path(), made.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), std::sync::Arc::default());
        let server = Self { address, roots, asked: std::sync::Arc::clone(&asked) };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{jwks}",
            jwks.len()
        );
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let _gone = stream.write_all(answer.as_bytes()).await;
                    let _gone = stream.shutdown().await;
                }
            }
        });
        server
    }

    fn asked(&self) -> u32 {
        self.asked.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_route_that_it_asks_about() {
    let text = r#"
        [[routes]]
        path = "/echo"
        methods = ["GET"]
        guards = ["all"]
        [[routes]]
        path = "/echo"
        methods = ["PUT"]
        guards = ["one"]
        [[routes]]
        path = "/echo"
        methods = ["DELETE"]
        [guards.all.cors]
        origins = ["*"]
        [guards.one.cors]
        origins = ["https://app.example.com"]
    "#;
    let host = guarded(text).await;
    let preflight = async |method: &str| {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/echo")
            .header("origin", "https://evil.example.com")
            .header("access-control-request-method", method)
            .body(String::new());
        let answer = host.handle(request.unwrap()).await;
        (answer.status(), answer.headers().get("access-control-allow-origin").cloned())
    };
    assert_eq!(preflight("GET").await.1.unwrap(), "*");
    assert_eq!(preflight("PUT").await.1, None);
    assert_eq!(preflight("DELETE").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_path_that_guests_may_read_otherwise_reaches_none() {
    let text = format!(
        "[[routes]]\npath = \"/echo/secret\"\nguards = [\"partner\"]\n[[routes]]\npath = \"/{{*rest}}\"\n{}",
        api_key("secret-a")
    );
    let host = guarded(&text).await;
    assert_eq!(get(&host, "/echo/secret").await.status, StatusCode::UNAUTHORIZED);
    for path in ["/x/../echo/secret", "/x/%2e%2E/echo/secret", "/echo/./secret"] {
        assert_eq!(get(&host, path).await.code, "bad-request", "{path}");
    }
    assert_eq!(get(&host, "/echo/a.b..c").await.status, StatusCode::OK);
}
