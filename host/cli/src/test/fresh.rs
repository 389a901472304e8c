//! Where one case runs: a service that was started for it alone.

use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Request};
use tokio::sync::OnceCell;
use wharf_conformance::{Answer, Outgoing, Rows, Target, TargetError, Upstream};
use wharf_control::Project;
use wharf_test::{Reply, Service, Stand};

pub(super) struct Fresh {
    stand: Stand,
    service: OnceCell<Service>,
    /// What `sql` is for where no database is named.
    first_database: OnceCell<String>,
}

impl Fresh {
    pub(super) fn new(stand: Stand) -> Self {
        Self { stand, service: OnceCell::new(), first_database: OnceCell::new() }
    }

    fn service(&self) -> Result<&Service, TargetError> {
        self.service.get().ok_or_else(|| TargetError::Send("nothing is served yet".to_owned()))
    }
}

impl Target for Fresh {
    fn name(&self) -> &'static str {
        "test"
    }

    fn lacks(&self, _need: &str) -> bool {
        false
    }

    async fn deploy(&self, services: &[Project]) -> Result<(), TargetError> {
        let failed = |error: wharf_test::Error| TargetError::Deploy(wharf_host::chain(&error));
        if let Some(service) = self.service.get() {
            return service.redeploy(&self.stand, services).await.map_err(failed);
        }
        let granted = services.last().and_then(|service| service.manifest().grants.pg.first());
        if let Some(name) = granted {
            let _first = self.first_database.set(name.clone());
        }
        let service = Service::start(&self.stand, services).await.map_err(failed)?;
        let _first = self.service.set(service.without_verification());
        Ok(())
    }

    fn advance(&self, by: Duration) -> Result<(), TargetError> {
        self.service()?.clock().advance(by);
        Ok(())
    }

    async fn sql(&self, database: Option<&str>, sql: &str) -> Result<Rows, TargetError> {
        let name = database.or_else(|| self.first_database.get().map(String::as_str));
        let name = name.ok_or_else(|| TargetError::Sql("the service is granted no database".to_owned()))?;
        let rows = self.service()?.sql(name, sql).await;
        rows.map_err(|error| TargetError::Sql(wharf_host::chain(&error)))
    }

    fn expect(&self, upstreams: &[Upstream]) -> Result<(), TargetError> {
        let server = self.service()?.upstream();
        for upstream in upstreams {
            let wrong = |what: &str| TargetError::Upstream(format!("`{}` {what}", upstream.request));
            let expected = server.try_expect(&upstream.request);
            let mut expected = expected.map_err(|why| wrong(&why))?.times(upstream.times.unwrap_or(1));
            for (name, value) in &upstream.headers {
                expected = expected.try_header(name, value).map_err(|why| wrong(&why))?;
            }
            if let Some(json) = &upstream.json {
                expected = expected.json(json);
            } else if let Some(body) = &upstream.body {
                expected = expected.body(body.clone());
            }
            expected.reply(reply(&upstream.reply).map_err(|why| wrong(&why))?);
        }
        Ok(())
    }

    async fn finish(&self) -> Result<(), TargetError> {
        self.service()?.upstream().verify().map_err(TargetError::Upstream)
    }

    async fn send(&self, mut request: Request<Outgoing>) -> Result<Answer, TargetError> {
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        Ok(Answer::read(self.service()?.host().handle(request).await).await)
    }
}

fn reply(described: &wharf_conformance::UpstreamReply) -> Result<Reply, String> {
    if described.hang_up {
        return Ok(Reply::hang_up());
    }
    let mut reply = match (&described.json, &described.body) {
        (Some(json), _) => Reply::json(json),
        (None, Some(body)) => Reply::body(body.clone()),
        (None, None) => Reply::status(200),
    };
    if let Some(status) = described.status {
        reply = reply.try_with_status(status)?;
    }
    for (name, value) in &described.headers {
        reply = reply.try_header(name, value)?;
    }
    Ok(reply)
}
