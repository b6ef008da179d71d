//! A dashboard that is served, over a Redis of its own.

use axum::Router;
use kiq::Client;
use kiq::web::{Auth, Dashboard};
use kiq_testing::RedisServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::browser::Browser;
use crate::seed;

pub struct Site {
    pub server: RedisServer,
    /// Where its root is, without a slash at its end.
    pub url: String,
    /// Where that is served.
    pub origin: String,
    serving: JoinHandle<()>,
}

impl Site {
    /// With what a bad night leaves in Redis.
    pub async fn filled() -> Self {
        let server = RedisServer::start();
        seed::fill(&mut server.connection());
        Site::of(server, |dashboard| dashboard).await
    }

    /// With settings, over that Redis.
    pub async fn of(server: RedisServer, set: impl FnOnce(Dashboard) -> Dashboard) -> Self {
        let client = Client::connect(&server.url()).unwrap();
        let dashboard = Dashboard::new(&client, Auth::public_i_understand()).environment("TEST");
        Site::serve(server, set(dashboard)).await
    }

    /// Below `/kiq`, as most applications have it.
    pub async fn serve(server: RedisServer, dashboard: Dashboard) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().nest("/kiq", dashboard.router());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Site { server, url: format!("{origin}/kiq"), origin, serving }
    }

    /// Has a browser look, on a thread of its own.
    pub async fn with_browser<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Browser, &str) -> T + Send + 'static,
    ) -> T {
        let url = self.url.clone();
        tokio::task::spawn_blocking(move || look(&mut Browser::start(), &url)).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
