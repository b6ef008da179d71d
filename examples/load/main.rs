//! A dashboard with something on every page, within a minute: a shop's jobs that succeed, fail in several ways, wait, die, and run
//! for long.
//!
//! ```text
//! cargo run --example load --features web                                 in memory, at http://127.0.0.1:7420
//! cargo run --example load --features web -- redis://127.0.0.1/9          on a Redis that has nothing else in this database
//! cargo run --example load --features web -- --port 8000 --read-only
//! ```
//! The jobs are real, and so are their failures, retries and deaths; what the last eight hours of the charts show is made up
//! ([`history`]). It goes on until it is interrupted.

mod history;
mod jobs;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, Command, value_parser};
use kiq::web::{Auth, Dashboard};
use kiq::{Client, Enqueue, Inspector, Jid, Job, Payload, Worker};

use jobs::Dice;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    // Failures are what this is about; they are on the pages.
    kiq::logs::init_with(
        "warn,kiq_runtime=error,kiq_runtime::worker::settle=off,kiq_runtime::reports=off",
        kiq::logs::Format::Text,
    )?;
    // So are panics; the terminal need not have each of them.
    std::panic::set_hook(Box::new(|_| {}));
    let given = arguments().get_matches();
    let client = match given.get_one::<String>("redis") {
        Some(url) => Client::connect(url)?,
        None => Client::in_memory(),
    };
    let inspector = Inspector::new(&client);
    if inspector.stats().await?.unsettled() > 0 && !given.get_flag("add") {
        let place = inspector.store();
        return Err(
            format!("{place} has jobs already, and this would run them; use an empty database, or --add").into()
        );
    }

    history::write(&client).await?;
    fill(&client).await?;
    inspector.pause("newsletters").await?;

    let mut auth = Auth::public_i_understand();
    if given.get_flag("read-only") {
        auth = auth.read_only();
    }
    let port = given.get_one::<u16>("port").copied().unwrap_or_default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("the dashboard is at http://{}", listener.local_addr()?);
    let dashboard = Dashboard::new(&client, auth).environment("DEMO").router();

    // Each of the three is a process to whoever looks.
    let workers = [
        worker(&client, "shop web-1", 20, &["critical", "webhooks", "default"])?,
        worker(&client, "shop web-2", 20, &["critical", "webhooks", "mailers", "default"])?,
        worker(&client, "shop bulk", 4, &["imports", "reports", "newsletters"])?,
    ];
    let controls: Vec<_> = workers.iter().map(Worker::controls).collect();
    let quieted = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        if let Some(second) = controls.get(1) {
            second.quiet();
        }
        std::future::pending::<()>().await;
    };
    let [first, second, third] = workers;
    let working = async { tokio::try_join!(first.run(), second.run(), third.run()) };
    tokio::select! {
        ended = working => { ended?; }
        ended = axum::serve(listener, dashboard) => ended?,
        ended = go_on(&client) => ended?,
        () = quieted => {}
    }
    Ok(())
}

fn worker(client: &Client, tag: &str, concurrency: usize, queues: &[&str]) -> Result<Worker, kiq::BuildError> {
    Worker::builder()
        .client(client.clone())
        .tag(tag)
        .queues(queues.iter().copied())
        .concurrency(concurrency)
        .shutdown_timeout(Duration::from_secs(2))
        .build()
}

/// What a shop has to do on a bad day.
async fn fill(client: &Client) -> Result<(), Box<dyn Error>> {
    let mut dice = Dice::new(7);
    for order in 0..900 {
        put(client, deliver(&mut dice, order)).await?;
        put(client, jobs::SendReceipt::enqueue(order, format!("customer-{order}@example.com"))).await?;
    }
    for order in 0..300 {
        let card = jobs::Card { number: format!("4242 …{:04}", dice.below(10_000)), token: format!("tok_{order:x}") };
        put(client, jobs::ChargeCard::enqueue(order, 990 + dice.below(20_000), card)).await?;
    }
    for row in 0..900 {
        let file = format!("s3://shop-imports/2026/catalog-part-{}.csv", row % 160);
        put(client, jobs::ImportCatalogRow::enqueue(file, 45_000 + row)).await?;
    }
    for number in 0..400 {
        put(client, jobs::ResizeImage::enqueue(format!("products/{number}.jpg"), vec![320, 640, 1280])).await?;
        put(client, jobs::SendNewsletter::enqueue(number)).await?;
    }
    for shelf in 0..120 {
        put(client, jobs::SyncInventory::enqueue(shelf)).await?;
    }
    for report in ["revenue by region", "stock on hand", "returns"] {
        put(client, jobs::NightlyExport::enqueue(report)).await?;
    }
    for hour in 0..80 {
        let reminder = jobs::RemindCart::enqueue(1000 + hour).delay(Duration::from_secs(240 + 2900 * hour));
        put(client, reminder).await?;
    }
    // A queue that nobody serves, of a program that is elsewhere, and a job that was removed and is still stored.
    for account in 0..12 {
        put(client, jobs::LegacySync::enqueue(account)).await?;
    }
    for number in 0..3 {
        let args = serde_json::value::RawValue::from_string(format!("[{number}]"))?;
        let jid = Jid::parse(&format!("{:024x}", 0xdead_beef_u64 + number))?;
        client.push(Payload::new("RemovedLastYear", &args, "default", jid, client.clock().now()), None).await?;
    }
    Ok(())
}

/// An event that a shop tells its partners; the more, the busier the partner.
fn deliver(dice: &mut Dice, order: u64) -> Enqueue<jobs::WebhookDelivery> {
    let tenant = dice.below(12);
    let url = format!("https://partner-{tenant}.example.com/hooks/orders");
    jobs::WebhookDelivery::enqueue(order, url).tags([format!("tenant-{tenant}")])
}

async fn put<J: Job>(client: &Client, job: Enqueue<J>) -> Result<(), kiq::EnqueueError> {
    job.on(client).await.map(drop)
}

/// Customers keep coming.
async fn go_on(client: &Client) -> Result<(), Box<dyn Error>> {
    let mut dice = Dice::new(11);
    for order in 10_000.. {
        tokio::time::sleep(Duration::from_millis(60 + dice.below(120))).await;
        put(client, deliver(&mut dice, order)).await?;
        if order % 3 == 0 {
            put(client, jobs::SendReceipt::enqueue(order, format!("customer-{order}@example.com"))).await?;
            put(client, jobs::ResizeImage::enqueue(format!("products/{order}.jpg"), vec![320, 640])).await?;
        }
    }
    Ok(())
}

fn arguments() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("load")
        .about("Fills every page of the dashboard with a shop's jobs, and serves it")
        .arg(Arg::new("redis").value_name("REDIS_URL").help("An empty database of a Redis [default: in memory]"))
        .arg(
            Arg::new("port")
                .long("port")
                .default_value("7420")
                .value_parser(value_parser!(u16))
                .help("The port of the dashboard on 127.0.0.1; 0 takes a free one"),
        )
        .arg(flag("read-only", "Serve a dashboard that only shows"))
        .arg(flag("add", "Also where there are jobs already: they would run, or fail as unknown"))
}
