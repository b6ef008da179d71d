//! What is enqueued, and what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kiq::{Client, EnqueueError, Jid};
use kiq_testing::{Entry, Ledger};

use crate::Plan;
use crate::dice::Dice;
use crate::jobs::Task;

/// How long a producer pauses between two jobs.
const PAUSE: Duration = Duration::from_millis(4);

/// Enqueues one job and writes down what came of it.
pub async fn send(
    client: &Client,
    ledger: &Ledger,
    what: &str,
    ballast: &str,
    delay: Option<Duration>,
) -> Result<(), EnqueueError> {
    let jid = Jid::random();
    let text = jid.to_string();
    let args = Ledger::digest(&format!(r#"["{what}","{ballast}"]"#));
    ledger.note(&Entry::Intent { jid: text.clone(), args });
    let mut job = Task::enqueue(what, ballast).jid(jid).on(client);
    if let Some(delay) = delay {
        job = job.delay(delay);
    }
    let answer = job.await;
    ledger.note(&match &answer {
        Ok(_) => Entry::Stored { jid: text },
        Err(EnqueueError::Unknown { .. }) => Entry::Unknown { jid: text },
        Err(_) => Entry::Rejected { jid: text },
    });
    answer.map(|_| ())
}

/// Many jobs of one kind at once.
pub async fn bulk(count: usize, what: &str, client: &Client, ledger: &Ledger) {
    let receipts = kiq::enqueue_all((0..count).map(|_| Task::new(what, ""))).on(client).await.unwrap();
    for receipt in receipts {
        ledger.note(&Entry::Stored { jid: receipt.jid.to_string() });
    }
}

/// Two who enqueue a mix of everything, through whatever the network is like.
pub struct Producers {
    is_over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Producers {
    pub fn start(plan: &Plan, url: String, ledger: &Arc<Ledger>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let producers = if plan.bulk > 0 { 0 } else { 2 };
        let produce = |number: u64| {
            let (is_over, ledger, url) = (Arc::clone(&is_over), Arc::clone(ledger), url.clone());
            let mut dice = Dice::new(plan.seed ^ (number + 1) << 32);
            tokio::spawn(async move {
                let client = Client::connect(&url).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    one(&client, &ledger, &mut dice).await;
                    tokio::time::sleep(PAUSE).await;
                }
            })
        };
        let tasks = (0..producers).map(produce).collect();
        Producers { is_over, tasks }
    }

    pub async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn one(client: &Client, ledger: &Ledger, dice: &mut Dice) {
    let large = "x".repeat(256 << 10);
    let delay = Duration::from_millis(500 + dice.below(4000));
    let (what, ballast, delay) = match dice.below(4000) {
        0..2400 => ("quick".to_owned(), "", None),
        2400..3000 => (format!("wait {}", 100 + dice.below(900)), "", None),
        3000..3400 => ("fail 1".to_owned(), "", None),
        3400..3600 => ("fail".to_owned(), "", None),
        3600..3720 => ("panic".to_owned(), "", None),
        // Each costs three processes, and what they held waits for their leases to run out.
        3720..3722 => ("abort".to_owned(), "", None),
        3722..3800 => ("quick".to_owned(), large.as_str(), None),
        3800..3880 => ("quick".to_owned(), "", Some(delay)),
        3880..3940 => ("children".to_owned(), "", None),
        _ => return malformed(client, dice).await,
    };
    // What came of it is in the ledger.
    let _ = send(client, ledger, &what, ballast, delay).await;
}

/// What is no job, as another program may leave it.
async fn malformed(client: &Client, dice: &mut Dice) {
    let texts = ["{oops", "null", "[]", "7", r#"{"class":"Task"}"#, ""];
    let payload = texts[dice.below(texts.len() as u64) as usize].to_owned();
    let job = kiq::broker::NewJob { payload, queue: "default".to_owned(), at: None, guard: None };
    // It is nobody's loss.
    let _ = client.broker().push(&[job]).await;
}
