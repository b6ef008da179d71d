//! Answers whether the process lives and is ready, over HTTP, on a thread of its own: whatever the jobs do to the runtime.
//!
//! | path | answer |
//! |---|---|
//! | `/live` | 200 as long as the process can answer at all |
//! | `/ready` | 200 if the worker takes jobs; else 503, with the reasons, one a line |
//! | `/metrics` | the numbers, for Prometheus (feature `prometheus`) |

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::worker::Controls;

/// Connections at once: probes are few, and whoever opens many shall not take the memory.
const CONNECTIONS: usize = 64;

/// How long somebody may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one who asks again and again keeps a connection.
const LONGEST: Duration = Duration::from_secs(300);

/// What is answered from.
#[derive(Clone, Default)]
pub(super) struct Answers {
    /// The worker, once it is made.
    pub(super) worker: Arc<OnceLock<Controls>>,
    #[cfg(feature = "prometheus")]
    pub(super) prometheus: Option<metrics_exporter_prometheus::PrometheusHandle>,
}

/// Listens and starts the thread; answers where.
///
/// # Errors
/// Says what is wrong with the address, and the remedy.
pub(super) fn start(at: SocketAddr, answers: Answers) -> Result<SocketAddr, String> {
    let failed = |error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; another process has this port: choose another, or end that process",
            std::io::ErrorKind::PermissionDenied => {
                "; ports below 1024 need a right that a worker should not have: choose another"
            }
            std::io::ErrorKind::AddrNotAvailable => {
                "; no interface of this machine has that address: 0.0.0.0 stands for all"
            }
            _ => "",
        };
        format!("health cannot be answered on {at}: {error}{remedy}")
    };
    let listener = TcpListener::bind(at).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let serve = move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => serve(listener, answers).await,
                Err(error) => tracing::error!(%error, "health is not answered"),
            }
        });
    };
    thread::Builder::new().name("kiq-health".to_owned()).spawn(serve).map_err(failed)?;
    Ok(bound)
}

async fn serve(listener: tokio::net::TcpListener, answers: Answers) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes it.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, say: without a pause this would spin.
                tracing::debug!(%error, "somebody who asks for health could not be heard");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let answers = answers.clone();
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let response = answers.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
            // Whoever hangs up has not asked.
            let _ = tokio::time::timeout(LONGEST, http.serve_connection(TokioIo::new(stream), service)).await;
        });
    }
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/live" => text(StatusCode::OK, "alive\n".to_owned()),
            "/ready" => self.ready(),
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "there are /live, /ready and /metrics\n".to_owned()),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let unready = match self.worker.get() {
            Some(worker) => worker.health().unready,
            None => vec!["the program is still being set up".to_owned()],
        };
        match unready.is_empty() {
            true => text(StatusCode::OK, "ready\n".to_owned()),
            false => text(StatusCode::SERVICE_UNAVAILABLE, unready.join("\n") + "\n"),
        }
    }

    #[cfg(feature = "prometheus")]
    fn metrics(&self) -> Response<Full<Bytes>> {
        match &self.prometheus {
            Some(numbers) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", numbers.render()),
            None => text(StatusCode::NOT_FOUND, "this program has a recorder of its own\n".to_owned()),
        }
    }

    #[cfg(not(feature = "prometheus"))]
    #[expect(clippy::unused_self, reason = "with the feature it has numbers to give")]
    fn metrics(&self) -> Response<Full<Bytes>> {
        text(StatusCode::NOT_FOUND, "this program was built without the feature `prometheus` of kiq\n".to_owned())
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", body)
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
