//! Which jobs stand being stopped anywhere. (A38, A39, C1, 18.10)
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kiq::{Data, EnqueueError, Perform};
use kiq_sample::jobs::{CompleteOrder, OrderError, RequestFulfillment, SendNotification};
use kiq_sample::shop::Shop;
use kiq_testing::gopher::{Disturbance, Gnawed, GopherError, gopher};
use tokio::sync::Semaphore;

async fn gnaw<J: Perform>(job: J) -> Result<Gnawed, GopherError> {
    gopher(job).world(async || Shop::with_order(7)).worker(Shop::worker).state(async |shop| shop.look()).check().await
}

/// The line of this file that holds `mark`.
fn line_of(mark: &str) -> String {
    let at = include_str!("gopher.rs").lines().position(|line| line.contains(mark)).unwrap();
    format!("tests/sample/tests/gopher.rs:{}", at + 1)
}

fn assert_found(found: Result<Gnawed, GopherError>, how: &str, mark: &str) {
    let text = found.unwrap_err().to_string();
    let line = line_of(mark);
    assert!(text.contains(&format!("{how} the await at {line} changes the outcome")), "{text}\nexpected {how} {line}");
}

/// The first planted bug, of the book's first job: all in one, and written down at the end. It charges twice.
#[kiq::job]
async fn naive_order(order_id: u64, shop: Data<Shop>) -> Result<(), OrderError> {
    let charge_id = shop.charge(order_id, None).await?; // planted: a charge without a key
    let email_id = shop.send_email(order_id).await;
    let request_id = shop.request_fulfillment(order_id, None).await;
    shop.update(order_id, |order| order.charge_id = Some(charge_id)).await;
    shop.update(order_id, |order| (order.email_id, order.fulfillment_id) = (Some(email_id), Some(request_id))).await;
    Ok(())
}

/// The second: an email is sent without looking whether one was.
#[kiq::job]
async fn naive_notification(order_id: u64, shop: Data<Shop>) -> Result<(), OrderError> {
    let order = shop.order(order_id).await?;
    if order.email_id.is_none() {
        let email_id = shop.send_email(order_id).await; // planted: sent, and not looked for
        shop.update(order_id, |order| order.email_id = Some(email_id)).await;
    }
    RequestFulfillment::enqueue(order_id).await?;
    Ok(())
}

/// The third: the warehouse is asked without a key.
#[kiq::job]
async fn naive_fulfillment(order_id: u64, shop: Data<Shop>) {
    let request_id = shop.request_fulfillment(order_id, None).await; // planted: a request without a key
    shop.update(order_id, |order| order.fulfillment_id = Some(request_id)).await;
}

/// A fourth, which the book leaves open: what was done is skipped, and so is the job that comes after.
#[kiq::job]
async fn breaks_the_chain(order_id: u64, shop: Data<Shop>) -> Result<(), OrderError> {
    if shop.order(order_id).await?.charge_id.is_some() {
        return Ok(());
    }
    let charge_id = shop.charge(order_id, Some("key".to_owned())).await?;
    shop.update(order_id, |order| order.charge_id = Some(charge_id)).await; // planted: done, and the next job is not enqueued
    SendNotification::enqueue(order_id).await?;
    Ok(())
}

#[tokio::test]
async fn the_double_charge_is_found() {
    let found = gnaw(NaiveOrder::new(7)).await;

    let text = found.as_ref().unwrap_err().to_string();
    assert!(text.starts_with("NaiveOrder(7): a crash after the await at"), "{text}");
    assert_found(found, "a crash after", "planted: a charge without a key");
}

#[tokio::test]
async fn the_double_email_is_found() {
    assert_found(gnaw(NaiveNotification::new(7)).await, "a crash after", "planted: sent, and not looked for");
}

#[tokio::test]
async fn the_double_request_is_found() {
    assert_found(gnaw(NaiveFulfillment::new(7)).await, "a crash after", "planted: a request without a key");
}

#[tokio::test]
async fn the_broken_chain_is_found() {
    assert_found(
        gnaw(BreaksTheChain::new(7)).await,
        "a crash after",
        "planted: done, and the next job is not enqueued",
    );
}

/// The control: none is found where there is none.
#[tokio::test]
async fn the_jobs_of_the_shop_stand_it_all() {
    let order = gnaw(CompleteOrder::new(7)).await.unwrap();
    let notification = gnaw(SendNotification::new(7)).await.unwrap();
    let fulfillment = gnaw(RequestFulfillment::new(7)).await.unwrap();

    // Two places for each await that runs; two runs for each place, and two undisturbed, one to find the end, one twice.
    assert_eq!([order.places, notification.places, fulfillment.places], [8, 8, 4]);
    assert_eq!(order.trials, 2 * 8 + 4);
}

/// What only a redelivery shows: nothing to stop at that would, and yet not to be run twice.
#[tokio::test]
async fn a_job_that_cannot_be_run_twice_is_found() {
    #[kiq::job]
    async fn once_only(order_id: u64, shop: Data<Shop>) {
        std::future::ready(()).await;
        shop.add(order_id + shop.look().orders.len() as u64);
    }

    let error = gnaw(OnceOnly::new(7)).await.unwrap_err();

    assert!(matches!(error, GopherError::Differs { how: Disturbance::Twice, .. }), "{error}");
}

/// Cancelled: a job that asks for no crash safety but minds its attempts.
#[tokio::test]
async fn a_job_that_minds_a_retry_is_found() {
    #[kiq::job]
    async fn minds(order_id: u64, shop: Data<Shop>, cx: &kiq::JobContext) {
        shop.order(order_id).await.ok(); // planted: minds a retry
        shop.update(order_id, |order| order.charge_id = Some(cx.attempt().to_string())).await;
    }

    assert_found(gnaw(Minds::new(7)).await, "running out of time before", "planted: minds a retry");
}

/// Places inside of an await: what waits there may have been half done.
#[tokio::test]
async fn a_stop_in_the_middle_of_an_await_is_found_and_can_be_left_out() {
    async fn half(shop: &Shop) {
        shop.send_email(7).await;
        tokio::task::yield_now().await;
        shop.update(7, |order| order.email_id = Some("sent".to_owned())).await;
    }
    #[kiq::job]
    async fn halves(order_id: u64, shop: Data<Shop>) -> Result<(), EnqueueError> {
        let order = shop.order(order_id).await.unwrap_or_default();
        if order.email_id.is_none() {
            half(&shop).await; // planted: half done
        }
        Ok(())
    }

    assert_found(gnaw(Halves::new(7)).await, "a crash in the middle of", "planted: half done");
    let world = gopher(Halves::new(7)).own_awaits_only().world(async || Shop::with_order(7));
    assert_eq!(world.state(async |shop| shop.look()).check().await.unwrap().places, 4);
}

/// A job that leaves it to a blocking thread is run twice, and not stopped in between.
#[tokio::test]
async fn a_blocking_job_is_run_twice() {
    #[kiq::job]
    fn blocks(order_id: u64, shop: Data<Shop>) {
        shop.add(order_id);
    }

    let gnawed = gnaw(Blocks::new(7)).await.unwrap();

    assert_eq!((gnawed.places, gnawed.trials), (0, 4));
}

#[tokio::test]
async fn what_cannot_be_tried_is_an_error() {
    #[kiq::job]
    async fn awaits_nothing(order_id: u64, shop: Data<Shop>) {
        shop.add(order_id);
    }
    #[kiq::job]
    async fn random_end(order_id: u64, shop: Data<Shop>, cx: &kiq::JobContext) {
        shop.update(order_id, |order| order.charge_id = Some(cx.jid().to_string())).await;
    }
    #[kiq::job]
    async fn fails(order_id: u64, shop: Data<Shop>) -> Result<(), OrderError> {
        shop.order(order_id + 1).await.map(drop)?;
        Ok(())
    }

    assert!(matches!(gnaw(AwaitsNothing::new(7)).await, Err(GopherError::NoPlaces { .. })));
    assert!(matches!(gnaw(RandomEnd::new(7)).await, Err(GopherError::Unsteady { .. })));
    let error = gnaw(Fails::new(7)).await.unwrap_err();
    assert!(matches!(error, GopherError::Undisturbed { .. }) && error.to_string().contains("no order 8"), "{error}");
}

/// What comes only once is gone when the job runs again: it is told, with its place, and not waited for. Nor is tokio's paused
/// time taken for the real one.
#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_ever_when_it_runs_again_is_found() {
    #[kiq::job]
    async fn takes_the_only_ticket(tickets: Data<Arc<Semaphore>>) {
        tickets.acquire().await.unwrap().forget();
        tokio::time::sleep(Duration::from_secs(3600)).await; // planted: the ticket is taken for good
    }
    let tickets = async |count: usize| {
        gopher(TakesTheOnlyTicket::new())
            .time_limit(Duration::from_millis(500))
            .world(async move || Arc::new(Semaphore::new(count)))
            .state(async |_| ())
            .check()
            .await
    };

    assert_hangs(tickets(1).await, "planted: the ticket is taken for good");
    assert!(tickets(2).await.unwrap().places > 4);
    let never = tickets(0).await.unwrap_err().to_string();
    assert!(never.contains("when nothing disturbs it: it has not ended within 500ms"), "{never}");
}

fn assert_hangs(found: Result<Gnawed, GopherError>, mark: &str) {
    let error = found.unwrap_err();
    assert!(matches!(error, GopherError::Hangs { how: Disturbance::Crash(2), .. }), "{error}");
    assert!(error.to_string().contains(&format!("a crash before the await at {} ", line_of(mark))), "{error}");
}

/// How often a job waits may be luck: a run with fewer places than the first is not the end of the search.
#[tokio::test]
async fn a_run_with_fewer_places_than_the_first_is_not_the_end() {
    #[derive(Clone)]
    struct Till {
        charges: Arc<AtomicU32>,
        run: u32,
    }
    #[kiq::job]
    async fn lucky(till: Data<Till>) {
        // The first run that is to be stopped has no place to stop at.
        if till.run == 2 {
            till.charges.fetch_add(1, Ordering::Relaxed);
            return;
        }
        std::future::ready(()).await;
        till.charges.fetch_add(1, Ordering::Relaxed);
        std::future::ready(()).await; // planted: charged before it
    }
    let runs = Arc::new(AtomicU32::new(0));

    let found = gopher(Lucky::new())
        .world(async move || Till { charges: Arc::default(), run: runs.fetch_add(1, Ordering::Relaxed) })
        .state(async |till| till.charges.load(Ordering::Relaxed))
        .check()
        .await;

    assert_found(found, "a crash before", "planted: charged before it");
}

#[tokio::test]
async fn a_gopher_in_a_test_with_a_mode_says_so() {
    let _kiq = kiq_testing::fake();

    assert!(matches!(gnaw(CompleteOrder::new(7)).await, Err(GopherError::InAMode { .. })));
}

/// A job without retries ends where its time is up, as it asked; that is no difference.
#[tokio::test]
async fn a_job_without_retries_may_end_where_it_is_cancelled() {
    #[kiq::job(retry = false)]
    async fn tries_once(order_id: u64, shop: Data<Shop>) {
        shop.update(order_id, |order| order.charge_id = Some("paid".to_owned())).await;
    }

    assert_eq!(gnaw(TriesOnce::new(7)).await.unwrap().places, 2);
}

/// A program of steps, each an effect on the world: under a key, looked for first, or plainly done.
#[kiq::job]
async fn program(steps: Vec<Step>, shop: Data<Shop>) {
    for (number, step) in (1..).zip(steps) {
        match step {
            Step::Keyed => drop(shop.request_fulfillment(number, Some(number.to_string())).await),
            Step::LookedFor => {
                if shop.emails(number).await.is_empty() {
                    shop.send_email(number).await;
                }
            }
            Step::Plain => drop(shop.request_fulfillment(number, None).await),
        }
    }
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
enum Step {
    Keyed,
    LookedFor,
    Plain,
}

impl Step {
    const ALL: [Step; 3] = [Step::Keyed, Step::LookedFor, Step::Plain];

    /// Places of its awaits, when it runs for the first time.
    fn places(self) -> usize {
        match self {
            Step::Keyed | Step::Plain => 2,
            Step::LookedFor => 4,
        }
    }
}

/// All programs of up to four steps: what the gopher says of each is what can be told from its text. It is found at the first
/// plain step, by a crash behind its await, and nowhere when there is none.
#[tokio::test]
async fn all_programs_of_four_steps_are_judged_as_a_model_judges_them() {
    let mut programs: Vec<Vec<Step>> = vec![vec![]];
    for _ in 0..4 {
        let longer = programs.iter().flat_map(|program| Step::ALL.map(|step| [program.as_slice(), &[step]].concat()));
        programs = programs.iter().cloned().chain(longer).collect();
        programs.sort_by_key(|program| (program.len(), format!("{program:?}")));
        programs.dedup_by_key(|program| format!("{program:?}"));
    }
    programs.retain(|program| !program.is_empty());
    assert_eq!(programs.len(), 3 + 9 + 27 + 81);

    for steps in programs {
        let found = gnaw(Program::new(steps.clone())).await;

        let places = |steps: &[Step]| steps.iter().map(|step| step.places()).sum::<usize>();
        let first_plain = steps.iter().position(|step| matches!(step, Step::Plain));
        match first_plain.and_then(|at| steps.get(..at)) {
            Some(before) => {
                let expected = Disturbance::Crash(places(before) + 1);
                let is_it = matches!(&found, Err(GopherError::Differs { how, .. }) if *how == expected);
                assert!(is_it, "{steps:?}: {found:?}, expected {expected:?}");
            }
            None => assert_eq!(found.as_ref().unwrap().places, places(&steps), "{steps:?}"),
        }
    }
}
