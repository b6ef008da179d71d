//! Three jobs of a web shop, from a list of orders to a summary. Needs no server.
//!
//! ```text
//! cargo run --example quickstart                            the orders of examples/orders.csv, in memory
//! cargo run --example quickstart -- my-orders.csv           your own
//! cargo run --example quickstart -- --row 7,charge,19.90    or from the command line
//! ```
//! With `KIQ_REDIS_URL=redis://127.0.0.1/0` the same on Redis, also as two processes: `-- enqueue FILE` and `-- work`.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use indicatif::{ProgressBar, ProgressStyle};
use kiq::{Backoff, Client, Data, Event, EventStream, Inspector, Jid, JobContext, JobSet, Next, Worker};

/// The queue of all three jobs.
const QUEUE: &str = "quickstart";

/// The jobs. Each is a plain async function; `#[kiq::job]` adds `ChargeCard::enqueue(…)` and tells the worker.
mod jobs {
    use super::*;

    /// The payment service is busy: it will do in a moment.
    #[derive(Debug, thiserror::Error)]
    #[error("the payment service is busy, try again later")]
    pub struct PaymentsBusy;

    /// Charges a card. A busy payment service is nobody's fault: try again, and wake nobody.
    #[kiq::job(queue = QUEUE, retry = 5, transient = [PaymentsBusy])]
    pub async fn charge_card(
        order: u64,
        cents: u64,
        payments: Data<Payments>,
        cx: &JobContext,
    ) -> Result<(), PaymentsBusy> {
        payments.charge(order, cents, cx.attempt())
    }

    /// Mails a receipt.
    #[kiq::job(queue = QUEUE)]
    pub async fn send_receipt(order: u64, to: &str, outbox: Data<Outbox>) {
        outbox.mail(to, &format!("Thank you for order {order}."));
    }

    /// The address has no postcode, and trying again will not bring one.
    #[derive(Debug, thiserror::Error)]
    #[error("no postcode in the address {0:?}")]
    pub struct NoPostcode(String);

    /// Prints a shipping label. Without a postcode it is for a human: no retries, straight to the dead set.
    #[kiq::job(queue = QUEUE, retry = 0)]
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
        taken: Mutex<HashMap<u64, u64>>,
    }

    impl Payments {
        fn charge(&self, order: u64, cents: u64, attempt: u32) -> Result<(), PaymentsBusy> {
            if attempt <= 2 {
                return Err(PaymentsBusy);
            }
            // By order, so that a job which runs twice charges once.
            lock(&self.taken).insert(order, cents);
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
    match std::env::var_os("KIQ_LOG") {
        Some(_) => kiq::logs::init()?,
        // What becomes of each job is printed below; of the rest, what an operator should know.
        None => kiq::logs::init_with("warn,kiq_runtime::worker::settle=off", kiq::logs::Format::Text)?,
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
            say(&format!("{count} enqueued"));
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
        .queues([QUEUE])
        .data(jobs::Payments::default())
        .data(jobs::Outbox::default())
        // A demonstration has no time for Sidekiq's schedule, whose first retry comes after 15 seconds.
        .backoff(Backoff::custom(|retry| Duration::from_millis(200) * (retry + 1)))
        .poll_interval(Duration::from_millis(200))
        .start_timeout(Duration::from_secs(5))
        .build()?;
    let inspector = Inspector::new(&client);
    let controls = worker.controls();
    let mut report = Report::new(worker.events());
    // `run` hears TERM and INT; the report ends with the worker.
    let reporting = async {
        if !forever {
            report.until_settled(&inspector).await;
            controls.stop();
        }
        report.follow().await;
    };
    let (ended, ()) = tokio::join!(worker.run(), reporting);
    ended?;
    report.bar.finish_and_clear();
    say(&report.summary());
    Ok(())
}

/// A reader that has seen enough (`| head`) is no reason to drop jobs.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Tells what happens to each job, and counts.
struct Report {
    events: EventStream,
    bar: ProgressBar,
    /// Jobs that began here and are not settled: running, or to be tried again.
    open: HashSet<Jid>,
    done: u32,
    done_after_retries: u32,
    dead: u32,
    discarded: u32,
}

impl Report {
    fn new(events: EventStream) -> Self {
        // On a terminal a bar, in a pipe none.
        let bar = if std::io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        bar.set_style(
            ProgressStyle::with_template("{bar:32} {pos}/{len} settled")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Report { events, bar, open: HashSet::new(), done: 0, done_after_retries: 0, dead: 0, discarded: 0 }
    }

    /// Until the worker is gone.
    async fn follow(&mut self) {
        while let Some(event) = self.events.next().await {
            self.note(&event);
        }
    }

    /// Until no job of the queue waits, runs, or is to be tried again.
    async fn until_settled(&mut self, inspector: &Inspector) {
        loop {
            // Other workers may settle the last job, so look now and then without being told.
            match tokio::time::timeout(Duration::from_millis(500), self.events.next()).await {
                Ok(Some(event)) => {
                    self.note(&event);
                    if !self.open.is_empty() {
                        continue;
                    }
                }
                Ok(None) => return,
                Err(_) => {}
            }
            if let Ok(left) = left(inspector).await {
                let settled = u64::from(self.done + self.dead + self.discarded);
                self.bar.set_length(settled + left as u64);
                self.bar.set_position(settled);
                if left == 0 && self.open.is_empty() {
                    return;
                }
            }
        }
    }

    /// Prints a line about an event, and counts it.
    fn note(&mut self, event: &Event) {
        let line = match event {
            Event::Started { job } => {
                self.open.insert(job.jid().clone());
                return;
            }
            Event::Done { job, .. } => {
                self.open.remove(job.jid());
                self.done += 1;
                let after = match job.attempt() - 1 {
                    0 => String::new(),
                    1 => " after 1 retry".to_owned(),
                    retries => format!(" after {retries} retries"),
                };
                self.done_after_retries += u32::from(job.attempt() > 1);
                format!("done   {}{after}", describe(job))
            }
            Event::Failed { job, error, next, .. } => {
                let word = match next {
                    Next::Retry { .. } => "retry ",
                    Next::Dead => "dead  ",
                    Next::Discarded => "gone  ",
                    Next::Later { .. } => "later ",
                    Next::Stale => "stale ",
                };
                if !matches!(next, Next::Retry { .. } | Next::Later { .. }) {
                    self.open.remove(job.jid());
                }
                self.dead += u32::from(*next == Next::Dead);
                self.discarded += u32::from(*next == Next::Discarded);
                format!("{word} {}: {}", describe(job), printable(&error.message))
            }
            Event::NotAJob { reason, .. } => {
                self.dead += 1;
                format!("dead   {}", printable(reason))
            }
            _ => return,
        };
        self.bar.suspend(|| say(&line));
    }

    fn summary(&self) -> String {
        let gone = if self.discarded > 0 { format!(", {} gone", self.discarded) } else { String::new() };
        format!("{} done ({} after retries), {} dead{gone}", self.done, self.done_after_retries, self.dead)
    }
}

/// How many jobs of the queue wait, or are to be tried again, and how many any process holds.
async fn left(inspector: &Inspector) -> Result<usize, kiq::BrokerError> {
    const PAGE: usize = 1000;
    let mut left = 0;
    for set in [JobSet::Retry, JobSet::Scheduled] {
        for skip in (0..).step_by(PAGE) {
            let page = inspector.set(set, skip, PAGE).await?;
            let is_ours =
                |found: &&kiq::Found| found.payload.as_ref().is_ok_and(|job| job.queue().as_deref() == Some(QUEUE));
            left += page.iter().filter(is_ours).count();
            if page.len() < PAGE {
                break;
            }
        }
    }
    // What moves on meanwhile is met here.
    left += inspector.queue(QUEUE, 0, PAGE).await?.len();
    Ok(left + inspector.stats().await?.in_flight)
}

fn describe(job: &kiq::JobContext) -> String {
    let args = job.payload().args().get();
    let inside = args.strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap_or(args);
    format!("{}({})", printable(job.class()), printable(inside))
}

/// What another program stored may hold the terminal's own commands.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
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
        let place = format!("{source}, row {}", index + 1);
        let row = row.map_err(|error| format!("{place}: {error}"))?;
        let fields: Vec<&str> = row.iter().collect();
        order(&fields).map_err(|fault| format!("{place}: {fault}"))
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
