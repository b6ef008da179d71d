//! The list of jobs.

use std::time::Duration;

use axum::http::StatusCode;
use kiq::broker::{ClassRuns, ClassTotals, Identity};
use kiq::inspect::HISTOGRAM_BUCKETS;
use kiq::web::{Auth, Dashboard};
use kiq::{Client, DeadJob, Registry, RetryContext, RetryIn};

use crate::asking::{get, job, page, public};

/// Has everything set.
#[kiq::job(
    queue = "bills",
    retry = 5,
    retry_in = patient,
    on_exhausted = tell,
    timeout = "90s",
    dead = false,
    on_arg_error = dead,
    tags = ["<money>"],
    aliases = ["OldBill"]
)]
async fn print_bill(order: u64, copies: u8) {
    let _ = (order, copies);
}

fn patient(_: &RetryContext<'_>) -> RetryIn {
    RetryIn::Default
}

async fn tell(_: DeadJob) {}

/// Has nothing set.
#[kiq::job]
async fn sweep_floor() {}

async fn ran(client: &Client, class: &str, failures: u64) {
    let totals = ClassTotals { class: class.to_owned(), runs: 10, failures, millis: 100 };
    let teller = client.broker().attach(Identity::of_this_process());
    let at = client.clock().now() - Duration::from_secs(30 * 3600);
    teller.record(&[ClassRuns { totals, durations: [0; HISTOGRAM_BUCKETS] }], at).await.unwrap();
}

fn row(page: &str, class: &str) -> String {
    page.split("<tr>").find(|row| row.contains(class)).unwrap().to_owned()
}

#[tokio::test]
async fn each_job_is_listed_with_its_arguments_options_and_runs() {
    let client = Client::in_memory();
    ran(&client, "OldBill", 3).await;

    let all = page(&public(&client), "/jobs").await;

    let bill = row(&all, "PrintBill");
    for word in [
        "tests/web/jobs.rs:",
        "order, copies",
        ">bills</a>",
        "5, over ",
        "the job says when",
        "timeout 1 m 30 s",
        "not kept when dead",
    ] {
        assert!(bill.contains(word), "{word}: {bill}");
    }
    for word in [
        "dead at once if its arguments do not fit",
        "acts at its end",
        "tag &#60;money&#62;",
        "once OldBill",
        ">10<",
        "30.0 %",
    ] {
        assert!(bill.contains(word), "{word}: {bill}");
    }
    let sweep = row(&all, "SweepFloor");
    assert!(sweep.contains("25 (default), over 20 d") && sweep.contains("▲ not seen"), "{sweep}");
    assert!(!all.contains("<h2>Elsewhere"), "an alias is no other class");
}

#[tokio::test]
async fn classes_that_ran_elsewhere_are_told_apart() {
    let client = Client::in_memory();
    ran(&client, "Ruby::Job<script>", 0).await;
    let all = page(&public(&client), "/jobs").await;
    let elsewhere = all.split("<h2>Elsewhere").nth(1).unwrap();
    assert!(elsewhere.contains("Ruby::Job&#60;script&#62;") && elsewhere.contains(">10<"), "{elsewhere}");
    assert!(all.contains("did not run in the last 72 h"));
    assert_eq!(get(&public(&client), "/metrics/SweepFloor").await.status, StatusCode::OK, "known, though it never ran");
}

#[tokio::test]
async fn jobs_that_nobody_knows_come_first_and_what_workers_know_is_listed_without_them() {
    let client = Client::in_memory();
    client.push(job("RemovedLastYear<b>", "default", 1), None).await.unwrap();
    client.push(job("SweepFloor", "default", 2), None).await.unwrap();
    // As a worker says it, beside its heartbeats.
    let worker = client.broker().attach(Identity::of_this_process());
    worker.knows(&["PrintBill", "SweepFloor"], client.clock().now()).await.unwrap();
    // As `kiqctl web`, which has no jobs of its own.
    let dashboard = Dashboard::new(&client, Auth::public_i_understand()).jobs(Registry::new()).router();

    let all = page(&dashboard, "/jobs").await;

    let unknown = all.split("known to nobody").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(unknown.contains("RemovedLastYear&#60;b&#62;") && unknown.contains("queue default"), "{unknown}");
    assert!(!unknown.contains("SweepFloor"), "{unknown}");
    let elsewhere = all.split("<h2>Elsewhere").nth(1).unwrap();
    assert!(row(elsewhere, "PrintBill").contains("● by a worker"), "{elsewhere}");
}

#[tokio::test]
async fn a_program_without_jobs_says_so() {
    let client = Client::in_memory();
    let dashboard = Dashboard::new(&client, Auth::public_i_understand()).jobs(Registry::new()).router();
    let all = page(&dashboard, "/jobs").await;
    assert!(all.contains("This program has no jobs linked into it") && all.contains("Dashboard::jobs"), "{all}");
}
