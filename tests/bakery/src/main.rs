//! The bakery, open for business on a laptop: its pages and its worker in one process, jobs in memory, and no real oven.
//!
//! ```text
//! cargo run -p bakery-sample &
//! curl -d '{"cake":"sacher","tiers":2,"customer":"ann@example.com"}' -H 'content-type: application/json' 127.0.0.1:8080/orders
//! curl 127.0.0.1:8080/orders/1
//! ```

use bakery_sample::fakes::Fakes;
use bakery_sample::{app, web, worker};
use kiq::Client;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    kiq::logs::init()?;
    kiq::init(Client::in_memory().with_app(&app())); // `Client::from_env()?` for a shop that outlives its process

    let shop = Fakes::default().shop();
    let worker = worker(shop.clone()).build()?;
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    tokio::select! {
        ended = axum::serve(listener, web::router(shop)) => ended?,
        ended = worker.run() => ended?, // until TERM or INT
    }
    Ok(())
}
