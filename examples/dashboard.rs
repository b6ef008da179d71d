//! The dashboard in a web application of your own, behind its own sign-in.
//!
//! ```text
//! KIQ_REDIS_URL=redis://127.0.0.1/0 cargo run --example dashboard
//! ```
//!
//! then open <http://127.0.0.1:3000/ops/kiq>. The application asks for a cookie `user=ann`, which `/sign-in` sets.

use axum::Router;
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{StatusCode, request::Parts};
use axum::routing::get;
use kiq::web::{Auth, Dashboard, Operator, Verb};

/// Sends a receipt.
#[kiq::job(queue = "mail")]
async fn send_receipt(order_id: u64) {
    println!("receipt for order {order_id}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = match std::env::var("KIQ_REDIS_URL") {
        Ok(url) => kiq::Client::connect(&url)?,
        Err(_) => kiq::Client::in_memory(),
    };
    for order_id in 1..=10 {
        SendReceipt::enqueue(order_id).on(&client).await?;
    }

    // Everybody who is signed in may look; only ann may remove jobs.
    let auth = Auth::check(operator).permit(|operator, verb| operator.name() == "ann" || verb != Verb::Clear);
    let dashboard = Dashboard::new(&client, auth).environment("demo").mask_keys(["iban"]);

    let app = Router::new()
        .route("/", get(|| async { "the shop" }))
        .route(
            "/sign-in",
            get(|| async { (StatusCode::SEE_OTHER, [(SET_COOKIE, "user=ann; Path=/"), (LOCATION, "/ops/kiq")]) }),
        )
        .nest("/ops/kiq", dashboard.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/sign-in", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Who asks. A real application looks into its session.
fn operator(request: &Parts) -> Option<Operator> {
    let cookies = request.headers.get(COOKIE)?.to_str().ok()?;
    let user = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("user="))?;
    Some(Operator::named(user))
}
