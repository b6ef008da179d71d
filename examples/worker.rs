//! A worker as a program of its own: all that an application writes is its jobs and one line of `main`.
//!
//! ```text
//! cargo run --example worker --features cli -- --help
//! cargo run --example worker --features cli -- -q high,3 -q default -c 10 -t 25
//! ```

use std::process::ExitCode;
use std::time::Duration;

use kiq::{App, Program};

/// Makes a picture smaller.
#[kiq::job(queue = "high")]
async fn resize(picture: String, width: u32) {
    tracing::info!(picture, width, "resized");
}

/// Does nothing, for a while.
#[kiq::job]
async fn nap(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

fn main() -> ExitCode {
    Program::new().name("worker", "0.1.0").app(App::new()).run()
}
