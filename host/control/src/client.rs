//! The control plane from outside: what `wharf deploy` and its kin say to a host, over plain HTTP.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
pub use hyper::Method;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::api::{DeployRequest, Missing, Names, Problem};
use crate::artifact::Blob;
use crate::record::Deployment;
use crate::rollout::Event;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: migrations wait for locks.
const ANSWER: Duration = Duration::from_secs(600);
/// Bytes of one answer.
const LARGEST: usize = 64 << 20;

/// Why there is no answer that helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An address that is none.
    #[error("`{0}` is no address of a control plane: write http://HOST:PORT (for TLS, go through `ssh -L`)")]
    Address(String),
    /// Nobody answers there.
    #[error("failed to reach the control plane at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was refused.
    #[error("{}", .0.title)]
    Refused(Box<Problem>),
    /// It answered something else than a control plane does.
    #[error("what answers at {address} is no control plane of this version: {why}")]
    Stranger {
        /// Where.
        address: String,
        /// What it said.
        why: String,
    },
}

/// Speaks to one control plane.
#[derive(Clone)]
pub struct Client {
    authority: String,
    token: String,
}

impl std::fmt::Debug for Client {
    /// Leaves the token out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// One request besides its path.
#[derive(Debug, Default)]
struct Asking {
    body: Bytes,
    parent: Option<u64>,
    stream: bool,
}

/// How a deploy with its steps ended.
#[derive(Debug)]
pub struct Uploaded {
    /// Bytes that were sent; what the host had already is not among them.
    pub bytes: u64,
    /// Blobs that were sent.
    pub blobs: usize,
}

impl Client {
    /// A client of the control plane at `address`, `http://HOST:PORT`.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(address: &str, token: &str) -> Result<Self, ClientError> {
        let unknown = || ClientError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_told| unknown())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(unknown)?;
        Ok(Self { authority: authority.to_string(), token: token.trim().to_owned() })
    }

    /// Gets what is there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(Method::GET, path, Asking::default()).await?;
        self.decode(&self.collect(response).await?)
    }

    /// Sends a command; `parent` is the deployment that its author saw last.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn command<C: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        command: &C,
        parent: Option<u64>,
    ) -> Result<T, ClientError> {
        let asking = Asking { body: encode(command), parent, stream: false };
        let response = self.send(method, path, asking).await?;
        let body = self.collect(response).await?;
        // Some commands have nothing to answer.
        self.decode(if body.is_empty() { b"null" } else { &body })
    }

    /// Uploads the blobs that the host does not have.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upload(&self, blobs: &[Blob]) -> Result<Uploaded, ClientError> {
        let names = Names { sha256: blobs.iter().map(|blob| blob.piece.sha256.clone()).collect() };
        let answer: Missing = self.command(Method::POST, "/v1/blobs/missing", &names, None).await?;
        let mut uploaded = Uploaded { bytes: 0, blobs: 0 };
        for name in &answer.missing {
            let Some(blob) = blobs.iter().find(|blob| blob.piece.sha256 == *name) else { continue };
            let asking = Asking { body: blob.bytes.clone(), ..Asking::default() };
            let response = self.send(Method::PUT, &format!("/v1/blobs/{name}"), asking).await?;
            self.collect(response).await?;
            uploaded.bytes += blob.bytes.len() as u64;
            uploaded.blobs += 1;
        }
        Ok(uploaded)
    }

    /// Deploys what was uploaded, telling each step as it is done. Where it is watched, the last steps tell how that went.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deploy(
        &self,
        service: &str,
        command: &DeployRequest,
        parent: Option<u64>,
        mut tell: impl FnMut(&Event),
    ) -> Result<Deployment, ClientError> {
        let asking = Asking { body: encode(command), parent, stream: true };
        let path = format!("/v1/services/{service}/deployments");
        let mut lines = self.lines(Method::POST, &path, asking).await?;
        let (mut name, mut done) = (String::new(), None);
        while let Some(line) = lines.next().await? {
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            }
            let Some(data) = line.strip_prefix("data: ") else { continue };
            match name.as_str() {
                "step" => tell(&self.decode(data.as_bytes())?),
                "done" => done = Some(self.decode(data.as_bytes())?),
                "failed" => return Err(ClientError::Refused(self.decode(data.as_bytes())?)),
                _ => {}
            }
        }
        done.ok_or_else(|| {
            self.stranger("it broke off before the deploy was done; `wharf status` says how it ended")
        })
    }

    /// Reads an answer that comes line by line.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow(&self, path: &str) -> Result<Lines, ClientError> {
        self.lines(Method::GET, path, Asking::default()).await
    }

    async fn lines(&self, method: Method, path: &str, asking: Asking) -> Result<Lines, ClientError> {
        let response = self.send(method, path, asking).await?;
        Ok(Lines { client: self.clone(), body: response.into_body(), rest: BytesMut::new() })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        asking: Asking,
    ) -> Result<Response<Incoming>, ClientError> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(&self.authority));
        let stream = connecting.await.unwrap_or_else(|late| Err(io::Error::other(late)));
        let stream = stream.map_err(|error| self.unreachable(error))?;
        let _small_requests = stream.set_nodelay(true);
        let broken = |error: hyper::Error| self.unreachable(io::Error::other(error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the response, or with the sender.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json");
        if asking.stream {
            request = request.header(ACCEPT, "text/event-stream");
        }
        if let Some(parent) = asking.parent {
            request = request.header(IF_MATCH, format!("\"{parent}\""));
        }
        let request = request.body(Full::new(asking.body));
        let request = request.map_err(|error| self.stranger(&error.to_string()))?;
        let answered = tokio::time::timeout(ANSWER, sender.send_request(request)).await;
        let response = answered.map_err(|late| self.unreachable(io::Error::other(late)))?.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = self.collect(response).await?;
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(self.stranger(&format!("it answers {status}"))),
        }
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = http_body_util::Limited::new(response.into_body(), LARGEST).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| self.unreachable(io::Error::other(error)))
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.stranger(&error.to_string()))
    }

    fn unreachable(&self, source: io::Error) -> ClientError {
        ClientError::Unreachable { address: format!("http://{}", self.authority), source }
    }

    fn stranger(&self, why: &str) -> ClientError {
        ClientError::Stranger { address: format!("http://{}", self.authority), why: why.to_owned() }
    }
}

fn encode<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// An answer that comes line by line.
#[derive(Debug)]
pub struct Lines {
    client: Client,
    body: Incoming,
    rest: BytesMut,
}

impl Lines {
    /// The next line without its end; none after the last.
    ///
    /// # Errors
    /// An answer that breaks off.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            if let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(at + 1);
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            let broken = |error| self.client.unreachable(io::Error::other(error));
            let Some(frame) = self.body.frame().await.transpose().map_err(broken)? else { return Ok(None) };
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}
