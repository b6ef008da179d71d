//! Three jobs of a web shop, from a list of orders to a summary. Needs no server.
//!
//! ```text
//! cargo run --example quickstart                            the orders of examples/orders.csv, in memory
//! cargo run --example quickstart -- my-orders.csv           your own
//! cargo run --example quickstart -- --row 7,charge,19.90    or from the command line
//! ```
//! With `KIQ_REDIS_URL=redis://127.0.0.1/0` the same on Redis, also as two processes: `-- enqueue FILE` and `-- work`.

use std::collections::HashMap;
use std::error::Error;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use indicatif::{ProgressBar, ProgressStyle};
use kiq::{Backoff, Client, Data, Event, EventStream, Inspector, Next, Worker};

/// The jobs. Each is a plain async function; `#[kiq::job]` adds `ChargeCard::enqueue(…)` and tells the worker.
mod jobs {
    use super::*;

    /// The payment service is busy: it will do in a moment.
    #[derive(Debug, thiserror::Error)]
    #[error("the payment service is busy, try again later")]
    pub struct PaymentsBusy;

    /// Charges a card. A busy payment service is nobody's fault: try again, and wake nobody.
    #[kiq::job(queue = "quickstart", retry = 5, transient = [PaymentsBusy])]
    pub async fn charge_card(order: u64, cents: u64, payments: Data<Payments>) -> Result<(), PaymentsBusy> {
        payments.charge(order, cents)
    }

    /// Mails a receipt.
    #[kiq::job(queue = "quickstart")]
    pub async fn send_receipt(order: u64, to: &str, outbox: Data<Outbox>) {
        outbox.mail(to, &format!("Thank you for order {order}."));
    }

    /// The address has no postcode, and trying again will not bring one.
    #[derive(Debug, thiserror::Error)]
    #[error("no postcode in the address {0:?}")]
    pub struct NoPostcode(String);

    /// Prints a shipping label. Without a postcode it is for a human: no retries, straight to the dead set.
    #[kiq::job(queue = "quickstart", retry = 0)]
    pub async fn print_label(order: u64, address: &str, outbox: Data<Outbox>) -> Result<(), NoPostcode> {
        let is_postcode = |word: &str| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit());
        if !address.split([' ', ',']).any(is_postcode) {
            return Err(NoPostcode(address.to_owned()));
        }
        outbox.print(&format!("order {order} to {address}"));
        Ok(())
    }

    /// A payment service under load: it turns every order away twice before it takes it.
    #[derive(Default)]
    pub struct Payments {
        tries: Mutex<HashMap<u64, u32>>,
        taken: Mutex<u64>,
    }

    impl Payments {
        fn charge(&self, order: u64, cents: u64) -> Result<(), PaymentsBusy> {
            let mut tries = lock(&self.tries);
            let tries = tries.entry(order).or_default();
            *tries += 1;
            if *tries <= 2 {
                return Err(PaymentsBusy);
            }
            *lock(&self.taken) += cents;
            Ok(())
        }
    }

    /// A job that panicked while it held the lock must not stop the others.
    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mail and labels that would go out.
    #[derive(Default)]
    pub struct Outbox(Mutex<Vec<String>>);

    impl Outbox {
        fn mail(&self, to: &str, text: &str) {
            lock(&self.0).push(format!("mail to {to}: {text}"));
        }

        fn print(&self, label: &str) {
            lock(&self.0).push(format!("label: {label}"));
        }
    }
}

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
    if std::env::var_os("KIQ_LOG").is_some() {
        kiq::logs::init()?;
    }
    let arguments = arguments().get_matches();
    let on_redis = std::env::var_os("KIQ_REDIS_URL").is_some();
    let client = if on_redis { Client::from_env()? } else { Client::in_memory() };
    match arguments.subcommand() {
        Some((verb, _)) if !on_redis => {
            Err(format!("`{verb}` is one half of two processes; set KIQ_REDIS_URL to the Redis they share").into())
        }
        Some(("enqueue", given)) => {
            let orders = orders(given)?;
            let count = enqueue(&client, &orders).await?;
            println!("{count} enqueued");
            Ok(())
        }
        Some(("work", given)) => work(client, given.get_flag("forever")).await,
        _ => {
            let orders = orders(&arguments)?;
            enqueue(&client, &orders).await?;
            work(client, false).await
        }
    }
}

/// A row of the input.
struct Order {
    order: u64,
    step: Step,
}

enum Step {
    Charge { cents: u64 },
    Receipt { to: String },
    Ship { address: String },
}

async fn enqueue(client: &Client, orders: &[Order]) -> Result<usize, kiq::EnqueueError> {
    for Order { order, step } in orders {
        let _receipt = match step {
            Step::Charge { cents } => jobs::ChargeCard::enqueue(*order, *cents).on(client).await?,
            Step::Receipt { to } => jobs::SendReceipt::enqueue(*order, to).on(client).await?,
            Step::Ship { address } => jobs::PrintLabel::enqueue(*order, address).on(client).await?,
        };
    }
    Ok(orders.len())
}

async fn work(client: Client, forever: bool) -> Result<(), Box<dyn Error>> {
    let worker = Worker::builder()
        .client(client.clone())
        .queues(["quickstart"])
        .data(jobs::Payments::default())
        .data(jobs::Outbox::default())
        // A demonstration has no time for Sidekiq's schedule, whose first retry comes after 15 seconds.
        .backoff(Backoff::custom(|retry| Duration::from_millis(200) * (retry + 1)))
        .poll_interval(Duration::from_millis(200))
        .start_timeout(Duration::from_secs(5))
        .build()?;
    let inspector = Inspector::new(&client);
    let mut report = Report::new(worker.events());
    if forever {
        let (ended, ()) = tokio::join!(worker.run(), report.follow());
        ended?;
    } else {
        worker.run_until(report.until_settled(&inspector)).await?;
        // The worker is gone; what it told at the end is still to be read.
        report.follow().await;
    }
    report.bar.finish_and_clear();
    println!("{}", report.summary());
    Ok(())
}

/// Tells what happens to each job, and counts.
struct Report {
    events: EventStream,
    bar: ProgressBar,
    done: u32,
    done_after_retries: u32,
    dead: u32,
}

impl Report {
    fn new(events: EventStream) -> Self {
        // On a terminal a bar, in a pipe none: `println!` is for both.
        let bar = if std::io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        bar.set_style(
            ProgressStyle::with_template("{bar:32} {pos}/{len} settled")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Report { events, bar, done: 0, done_after_retries: 0, dead: 0 }
    }

    /// Until the worker is gone.
    async fn follow(&mut self) {
        while let Some(event) = self.events.next().await {
            self.note(&event);
        }
    }

    /// Until no job waits, runs, or is to be tried again.
    async fn until_settled(&mut self, inspector: &Inspector) {
        loop {
            // Other workers may settle the last job, so look now and then without being told.
            match tokio::time::timeout(Duration::from_millis(500), self.events.next()).await {
                Ok(Some(event)) if !self.note(&event) => continue,
                Ok(None) => return,
                _ => {}
            }
            if let Ok(stats) = inspector.stats().await {
                let settled = u64::from(self.done + self.dead);
                self.bar.set_length(settled + stats.unsettled() as u64);
                self.bar.set_position(settled);
                if stats.unsettled() == 0 {
                    return;
                }
            }
        }
    }

    /// Prints a line about an event. Answers whether it may have been the last.
    fn note(&mut self, event: &Event) -> bool {
        let line = match event {
            Event::Ready => return true,
            Event::Done { job, .. } => {
                self.done += 1;
                let retries = job.attempt() - 1;
                if retries > 0 {
                    self.done_after_retries += 1;
                }
                format!(
                    "done   {}{}",
                    describe(job),
                    if retries > 0 { format!(" after {retries} retries") } else { String::new() }
                )
            }
            Event::Failed { job, error, next: Next::Retry { .. }, .. } => {
                format!("retry  {}: {}", describe(job), error.message)
            }
            Event::Failed { job, error, .. } => {
                self.dead += 1;
                format!("dead   {}: {}", describe(job), error.message)
            }
            Event::NotAJob { reason, .. } => {
                self.dead += 1;
                format!("dead   {reason}")
            }
            _ => return false,
        };
        self.bar.suspend(|| println!("{line}"));
        !line.starts_with("retry")
    }

    fn summary(&self) -> String {
        format!("{} done ({} after retries), {} dead", self.done, self.done_after_retries, self.dead)
    }
}

fn describe(job: &kiq::JobContext) -> String {
    format!("{}{}", job.class(), job.payload().args().get().replace('[', "(").replace(']', ")"))
}

fn arguments() -> Command {
    let file = Arg::new("file").value_name("FILE").value_parser(clap::value_parser!(PathBuf)).help(
        "A CSV file with the columns order, step (charge, receipt or ship) and detail [default: examples/orders.csv]",
    );
    let row = Arg::new("row")
        .long("row")
        .value_name("ORDER,STEP,DETAIL")
        .action(ArgAction::Append)
        .conflicts_with("file")
        .help("One row instead of a file; may be repeated");
    let forever =
        Arg::new("forever").long("forever").action(ArgAction::SetTrue).help("Do not end when all jobs are settled");
    Command::new("quickstart")
        .about("Runs the jobs of a list of orders; with KIQ_REDIS_URL on Redis, without it in memory")
        .args([file.clone(), row.clone()])
        .args_conflicts_with_subcommands(true)
        .subcommand(Command::new("enqueue").about("Only enqueues (needs KIQ_REDIS_URL)").args([file, row]))
        .subcommand(Command::new("work").about("Only works, until all is settled (needs KIQ_REDIS_URL)").arg(forever))
}

/// The rows given on the command line, or those of the file.
fn orders(given: &ArgMatches) -> Result<Vec<Order>, Box<dyn Error>> {
    let (source, text) = match given.get_many::<String>("row") {
        Some(rows) => {
            let rows: Vec<&str> = rows.map(String::as_str).collect();
            ("--row".to_owned(), format!("order,step,detail\n{}", rows.join("\n")))
        }
        None => {
            let shipped = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/orders.csv"));
            let path = given.get_one::<PathBuf>("file").cloned().unwrap_or_else(shipped);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read the orders from {}: {error}", path.display()))?;
            (path.display().to_string(), text)
        }
    };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<&str> = reader.headers()?.iter().collect();
    if header != ["order", "step", "detail"] {
        return Err(format!("{source}: the first line must be `order,step,detail`, not `{}`", header.join(",")).into());
    }
    let rows = reader.records().enumerate().map(|(index, row)| {
        let row = row.map_err(|error| format!("{source}: {error}"))?;
        let fields: Vec<&str> = row.iter().collect();
        order(&fields).map_err(|fault| format!("{source}, row {}: {fault}", index + 1))
    });
    Ok(rows.collect::<Result<_, String>>()?)
}

fn order(fields: &[&str]) -> Result<Order, String> {
    let [order, step, detail] = *fields else {
        return Err(format!("expected order,step,detail, found {} fields", fields.len()));
    };
    let step = match step {
        "charge" => Step::Charge { cents: cents(detail)? },
        "receipt" => Step::Receipt { to: detail.to_owned() },
        "ship" => Step::Ship { address: detail.to_owned() },
        other => return Err(format!("unknown step {other:?}; use charge, receipt or ship")),
    };
    let order = order.parse().map_err(|_| format!("{order:?} is not an order number, use digits only"))?;
    Ok(Order { order, step })
}

/// `19.90` is 1990.
fn cents(amount: &str) -> Result<u64, String> {
    let fault = || format!("{amount:?} is not an amount, write it like 19.90");
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "00"));
    let (whole, fraction): (u64, u64) = match (whole.parse(), fraction.len(), fraction.parse()) {
        (Ok(whole), 2, Ok(fraction)) => (whole, fraction),
        _ => return Err(fault()),
    };
    whole.checked_mul(100).and_then(|cents| cents.checked_add(fraction)).ok_or_else(fault)
}
