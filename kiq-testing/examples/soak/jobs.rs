//! What is done: quick, slow, failing and deadly jobs that write down their runs.

use std::time::Duration;

use kiq::{Client, Data, JobContext};
use kiq_testing::ledger::Run;
use kiq_testing::{Entry, Ledger};

/// `what` is `quick`, `wait MS`, `fail N` for the first N tries, `fail`, `panic`, `abort` or `children`; `ballast` makes it
/// large.
#[kiq::job(retry = 3)]
pub async fn task(
    what: String,
    ballast: String,
    ledger: Data<Ledger>,
    client: Data<Client>,
    cx: &JobContext,
) -> Result<(), String> {
    let run = Run::here(cx.jid().as_str(), cx.attempt());
    let args = Ledger::digest(cx.payload().args().get());
    ledger.note(&Entry::Start { run: run.clone(), args });
    let ended = act(&what, &ledger, &client, cx).await;
    ledger.note(&Entry::End { run, ok: ended.is_ok() });
    drop(ballast);
    ended
}

async fn act(what: &str, ledger: &Ledger, client: &Client, cx: &JobContext) -> Result<(), String> {
    match what.split_once(' ').unwrap_or((what, "")) {
        ("quick", _) => tokio::task::yield_now().await,
        ("wait", ms) => tokio::time::sleep(Duration::from_millis(ms.parse().unwrap())).await,
        ("fail", tries) if tries.parse().is_ok_and(|tries: u32| cx.attempt() > tries) => {}
        ("fail", _) => return Err("as told".to_owned()),
        ("panic", _) => panic!("as told"),
        ("abort", _) => std::process::abort(),
        ("children", _) => {
            for _ in 0..3 {
                let sent = crate::load::send(client, ledger, "quick", "", None).await;
                sent.map_err(|error| error.to_string())?;
            }
        }
        (other, _) => panic!("no such task: {other}"),
    }
    Ok(())
}
