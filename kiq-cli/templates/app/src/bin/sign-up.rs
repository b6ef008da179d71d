//! Signs somebody up. With `--with-worker` it runs the job, too, in the same process.

use std::error::Error;
use std::process::ExitCode;

use kiq::Event;

use {{crate_name}}::services::Services;
use {{crate_name}}::set_up;
use {{crate_name}}::sign_up;

const USAGE: &str = "usage: sign-up NAME EMAIL [--with-worker]

  --with-worker  run the job in this process, too";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, email, with_worker) = match arguments[..] {
        [name, email] => (name, email, false),
        [name, email, "--with-worker"] => (name, email, true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(name, email, with_worker) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(name: &str, email: &str, with_worker: bool) -> Result<(), Box<dyn Error>> {
    set_up::read_env_file()?;
    let (settings, client) = set_up::client()?;
    let app = {{crate_name}}::app(&Services::default());
    let client = client.with_app(&app);
    kiq::init(client.clone());

    let receipt = sign_up::sign_up(name, email).await?;
    println!("job {} is in queue {}", receipt.jid, receipt.queue);

    // Jobs in memory are known to this process alone, so it runs them.
    if with_worker || !settings.names_redis() {
        let worker = settings.worker(&app).client(client).build()?;
        let mut events = worker.events();
        let is_its_end = |event: &Event| match event {
            Event::Done { job, .. } | Event::Failed { job, .. } => *job.jid() == receipt.jid,
            _ => false,
        };
        let its_end = async {
            while let Some(event) = events.next().await {
                if is_its_end(&event) {
                    break;
                }
            }
        };
        worker.run_until(its_end).await?;
    }
    Ok(())
}
