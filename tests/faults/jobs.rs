//! Jobs that write down what happens to them.

use std::path::Path;
use std::time::Duration;

use kiq::{Data, JobContext};
use kiq_testing::ledger::Run;
use kiq_testing::{Entry, Ledger};

/// How long a job waits to be let go before it takes the test for dead.
const PATIENCE: Duration = Duration::from_secs(100);

/// Does what it is told: see [`act`].
#[kiq::job]
pub async fn task(what: String, ledger: Data<Ledger>, cx: &JobContext) -> Result<(), String> {
    let run = begin(&ledger, cx);
    let ended = act(&what, cx).await;
    ledger.note(&Entry::End { run, ok: ended.is_ok() });
    ended
}

/// The same on a thread of its own, which nothing can stop.
#[kiq::job]
pub fn blocking_task(what: &str, ledger: Data<Ledger>, cx: &JobContext) {
    let run = begin(&ledger, cx);
    while !Path::new(what).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    ledger.note(&Entry::End { run, ok: true });
}

/// Poison that is not kept.
#[kiq::job(dead = false)]
pub async fn unkept(what: String, ledger: Data<Ledger>, cx: &JobContext) -> Result<(), String> {
    begin(&ledger, cx);
    act(&what, cx).await
}

fn begin(ledger: &Ledger, cx: &JobContext) -> Run {
    let run = Run::here(cx.jid().as_str(), cx.attempt());
    let args = Ledger::digest(cx.payload().args().get());
    ledger.note(&Entry::Start { run: run.clone(), args });
    run
}

/// - `quick`; `hold PATH` waits for a file; `spin PATH` does so without giving up its thread
/// - `fail`, `fail N` for the first N tries, `panic`, `panic value`, `panic drop`
/// - `abort`, `exit`, `overflow` take the process along
async fn act(what: &str, cx: &JobContext) -> Result<(), String> {
    match what.split_once(' ').unwrap_or((what, "")) {
        ("quick", _) => {
            tokio::task::yield_now().await;
            Ok(())
        }
        ("hold", path) => {
            let started = std::time::Instant::now();
            while !Path::new(path).exists() && started.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        }
        ("spin", path) => {
            let started = std::time::Instant::now();
            while !Path::new(path).exists() && started.elapsed() < PATIENCE {
                std::hint::spin_loop();
            }
            Ok(())
        }
        ("fail", "") => Err("it always fails".to_owned()),
        ("fail", tries) if cx.attempt() > tries.parse().unwrap() => Ok(()),
        ("fail", _) => Err("not yet".to_owned()),
        ("panic", "") => panic!("as told"),
        ("panic", "value") => std::panic::panic_any(7),
        ("panic", _) => {
            struct Bomb;
            impl Drop for Bomb {
                fn drop(&mut self) {
                    panic!("while it was dropped");
                }
            }
            let _bomb = Bomb;
            tokio::task::yield_now().await;
            Err("never seen".to_owned())
        }
        ("abort", _) => std::process::abort(),
        ("exit", _) => std::process::exit(1),
        ("overflow", _) => {
            let depth = overflow(1);
            Err(format!("a stack of {depth}"))
        }
        (other, _) => panic!("no such task: {other}"),
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn overflow(depth: u64) -> u64 {
    let ballast = std::hint::black_box([depth; 128]);
    overflow(depth + 1) + ballast[0]
}
