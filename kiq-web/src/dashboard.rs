//! A dashboard with settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use kiq_runtime::client::Client;
use kiq_runtime::inspect::Inspector;
use kiq_runtime::job::Registry;

use crate::app::{App, Hosts, Shared};
use crate::asked::Asked;
use crate::auth::Auth;
use crate::numbers::Numberer;
use crate::sampler::Sampler;
use crate::view::Masks;
use crate::{guard, origin, routes};

/// When something counts as a problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A queue whose next job waits for longer is behind.
    pub(crate) latency: Duration,
    /// A job that runs for longer is perhaps stuck.
    pub(crate) running: Duration,
}

/// A dashboard with settings.
///
/// # Examples
/// ```
/// use kiq_web::{Auth, Dashboard};
/// use std::time::Duration;
///
/// # fn app(client: &kiq_runtime::client::Client, password: &str) -> axum::Router {
/// let dashboard = Dashboard::new(client, Auth::basic("ops", password).read_only())
///     .environment("PROD")
///     .mask_keys(["iban"])
///     .latency_limit(Duration::from_secs(60));
/// axum::Router::new().nest("/kiq", dashboard.router())
/// # }
/// ```
pub struct Dashboard {
    inspector: Inspector,
    auth: Auth,
    environment: String,
    hosts: Option<Vec<String>>,
    masks: Masks,
    limits: Limits,
    jobs: Registry,
}

impl Dashboard {
    /// The dashboard of what `client` enqueues into, for those that `auth` lets in.
    pub fn new(client: &Client, auth: Auth) -> Self {
        Dashboard {
            inspector: Inspector::new(client),
            auth,
            environment: String::new(),
            hosts: None,
            masks: Masks::default(),
            limits: Limits { latency: Duration::from_secs(300), running: Duration::from_secs(3600) },
            jobs: Registry::linked().unwrap_or_else(|error| {
                tracing::warn!(%error, "the dashboard lists no jobs");
                Registry::new()
            }),
        }
    }

    /// The jobs that its list shows: those linked into this program by default, for which the feature `inventory` is needed. Give
    /// it what your workers [register](kiq_runtime::job::Registry::register) by hand.
    #[must_use]
    pub fn jobs(mut self, jobs: Registry) -> Self {
        self.jobs = jobs;
        self
    }

    /// A word beside the name of each page, and in the titles of tabs: `PROD`. None by default.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = name.into();
        self
    }

    /// The names that it answers to, as in `kiq.example.com`, beside addresses and this machine's own names; others are refused.
    /// By default a [public](Auth::public_i_understand) dashboard answers to addresses and this machine's own names alone, and
    /// any other to all.
    #[must_use]
    pub fn hosts<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.hosts = Some(names.into_iter().map(|name| name.into().to_ascii_lowercase()).collect());
        self
    }

    /// Keys in arguments whose values are not shown, beside those whose name has `password`, `token`, `secret`, `authorization`,
    /// `cookie` or `api_key` in it. Capitals do not matter.
    #[must_use]
    pub fn mask_keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.masks.add_keys(keys.into_iter().map(Into::into));
        self
    }

    /// Classes whose arguments are not shown at all.
    #[must_use]
    pub fn mask_classes<S: Into<String>>(mut self, classes: impl IntoIterator<Item = S>) -> Self {
        self.masks.add_classes(classes.into_iter().map(Into::into));
        self
    }

    /// A queue is behind when the job that runs next has waited for longer. 5 minutes by default.
    #[must_use]
    pub fn latency_limit(mut self, limit: Duration) -> Self {
        self.limits.latency = limit;
        self
    }

    /// A job that has run for longer is a problem. One hour by default.
    #[must_use]
    pub fn running_limit(mut self, limit: Duration) -> Self {
        self.limits.running = limit;
        self
    }

    /// The pages, to be nested at any path, or served as they are.
    pub fn router(mut self) -> Router {
        self.masks.add_jobs(&self.jobs);
        let hosts = match self.hosts {
            Some(names) => Hosts::Known(names),
            None if self.auth.is_public() => Hosts::Known(Vec::new()),
            None => Hosts::Any,
        };
        let (gate, permits) = self.auth.into_parts();
        let app: Shared = Arc::new(App {
            sampler: Sampler::new(self.inspector.clone()),
            numbers: Numberer::new(self.inspector.clone()),
            jobs: self.jobs,
            inspector: self.inspector,
            asked: Asked::default(),
            permits,
            masks: self.masks,
            limits: self.limits,
            environment: self.environment,
            hosts,
            slots: App::slots(),
            streams: App::streams(),
        });
        // The last layer is the outermost: each request is dressed, then let in, then known to come from a page.
        let pages = routes::pages(&app).layer(from_fn_with_state(Arc::clone(&app), origin::check));
        gate.around(pages)
            .merge(routes::open())
            .layer(from_fn_with_state(Arc::clone(&app), guard::dress))
            .with_state(app)
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dashboard({:?}, {:?})", self.inspector, self.auth)
    }
}
