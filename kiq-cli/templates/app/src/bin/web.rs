//! The web server. With `--with-worker` it runs the jobs, too, in the same process.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal;

use {{crate_name}}::services::Services;
use {{crate_name}}::set_up;
use {{crate_name}}::web;

const USAGE: &str = "usage: web [--with-worker]

  --with-worker  run the jobs in this process, too";

/// Requests that are under way when the server is told to stop get so long. (A page that listens would hold it for ever.)
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let with_worker = match arguments[..] {
        [] => false,
        ["--with-worker"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(with_worker) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(with_worker: bool) -> Result<(), Box<dyn Error>> {
    set_up::read_env_file()?;
    let (settings, client) = set_up::client()?;
    let app = {{crate_name}}::app(&Services::default());
    let client = client.with_app(&app);
    kiq::init(client.clone());

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on LISTEN={address}: {error}"))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let pages = match std::env::var("KIQ_WEB_PASSWORD") {
        Ok(password) if !password.is_empty() => web::router_with_dashboard(&client, &password),
        _ => web::router(),
    };

    // Jobs in memory are known to this process alone, so it runs them.
    if with_worker || !settings.names_redis() {
        let worker = settings.worker(&app).client(client).build()?;
        let serve = async { serve(listener, pages).await.map_err(Box::<dyn Error>::from) };
        let work = async { worker.run().await.map_err(Box::<dyn Error>::from) };
        tokio::try_join!(serve, work)?;
    } else {
        serve(listener, pages).await?;
    }
    Ok(())
}

/// Until it is told to stop.
async fn serve(listener: TcpListener, pages: Router) -> io::Result<()> {
    let server = async {
        axum::serve(listener, pages)
            .with_graceful_shutdown(told_to_stop())
            .await
    };
    let out_of_patience = async {
        told_to_stop().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served,
        () = out_of_patience => Ok(()),
    }
}

/// By TERM or INT.
async fn told_to_stop() {
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        _ = terminate => {}
    }
}
