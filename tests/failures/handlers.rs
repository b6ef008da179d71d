//! Who is told of a failure, of which, and how often.

use std::sync::Arc;
use std::time::Duration;

use kiq::{App, Backoff, Death, Event, JobSet, Next, Report};
use kiq_testing::Events;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::jobs::{BeHostile, CompleteOrder, OrderError, Service, ServiceDown, Shop};
use crate::setup::{START, Setup, on_every_broker};

const DAY: Duration = Duration::from_secs(86_400);

/// What two handlers were told.
struct Told {
    errors: mpsc::UnboundedReceiver<Report>,
    deaths: mpsc::UnboundedReceiver<Report>,
}

/// How long a report may take to come: far more than any does.
const PATIENCE: Duration = Duration::from_secs(30);

async fn report(told: &mut mpsc::UnboundedReceiver<Report>) -> Report {
    tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap()
}

/// An application whose handlers pass on what they are told.
fn listening(app: App) -> (App, Told) {
    let (error, errors) = mpsc::unbounded_channel();
    let (death, deaths) = mpsc::unbounded_channel();
    let pass = |sender: mpsc::UnboundedSender<Report>| {
        move |report| {
            let sent = sender.send(report);
            async move { sent.unwrap() }
        }
    };
    (app.on_error(pass(error)).on_death(pass(death)), Told { errors, deaths })
}

async fn explode(report: Report) {
    panic!("in a handler of {}", report.class());
}

/// Lets time pass until the job of the next failure is due, and answers what became of it.
async fn next(s: &Setup, events: &mut Events, class: &str) -> Next {
    let Event::Failed { next, .. } = events.failed(class).await else { unreachable!() };
    if let Next::Retry { at } = next {
        s.clock.advance(at.since(s.clock.now()));
    }
    next
}

on_every_broker! {
    /// A20, A23, A26, A70: chapter 2. The service is down, comes back, and nobody was woken.
    async fn three_silent_retries_and_then_success(s: Setup) {
        let service = Service::down();
        let (app, mut told) = listening(App::new().data(service.clone()).backoff(Backoff::Sidekiq));
        let _ = CompleteOrder::enqueue(1234).on(&s.client).await.unwrap();

        s.run(s.worker().app(&app), async |events| {
            for failure in 1..=3 {
                let Event::Failed { job, next, .. } = events.failed("CompleteOrder").await else { unreachable!() };
                let Next::Retry { at } = next else { panic!("{next:?}") };
                assert_eq!(job.attempt(), failure);
                if failure == 3 {
                    service.comes_back();
                }
                s.clock.advance(at.since(s.clock.now()));
            }
            let Event::Done { job, .. } = events.done("CompleteOrder").await else { unreachable!() };
            assert_eq!(job.attempt(), 4);
        }).await;

        assert_eq!(s.notes.all(), ["charged 1234"]);
        // The worker has ended, and with it whoever could have sent more.
        drop(app);
        assert!(told.errors.recv().await.is_none());
        assert!(told.deaths.recv().await.is_none());
    }

    /// A20, A21, A26, A27, A28, A29, A31: chapter 2. The service stays down for twenty days, and exactly one human is told, once.
    async fn twenty_days_of_silence_and_then_exactly_one_death(s: Setup) {
        let (app, mut told) = listening(App::new().data(Service::down()).backoff(Backoff::Sidekiq));
        let receipt = CompleteOrder::enqueue(1234).on(&s.client).await.unwrap();

        s.run(s.worker().app(&app), async |events| {
            for _ in 0..25 {
                assert!(matches!(next(&s, events, "CompleteOrder").await, Next::Retry { .. }));
                assert!(told.errors.is_empty() && told.deaths.is_empty());
            }
            assert_eq!(next(&s, events, "CompleteOrder").await, Next::Dead);
        }).await;
        drop(app);

        let death = report(&mut told.deaths).await;
        assert!(told.deaths.recv().await.is_none(), "told twice");
        assert_eq!((death.jid(), death.death(), death.next()), (&receipt.jid, Some(Death::Exhausted), Next::Dead));
        assert_eq!(death.attempt(), 26);
        assert_eq!(death.arguments::<CompleteOrder>().unwrap().order_id, 1234);
        assert!(matches!(death.error().downcast_ref(), Some(OrderError::Payment(ServiceDown))));
        assert!(death.find::<ServiceDown>().is_some());
        assert_eq!((death.message().as_str(), death.causes()), ("the order could not be completed", vec!["payments did not answer".to_owned()]));
        // The last failure is told as an error, too; the 25 before were not.
        assert_eq!(report(&mut told.errors).await.death(), Some(Death::Exhausted));
        assert!(told.errors.recv().await.is_none());
        let days = s.clock.now().since(START).as_secs_f64() / DAY.as_secs_f64();
        assert!((20.0..22.0).contains(&days), "{days}");
        let dead = s.set(JobSet::Dead).await;
        assert_eq!(dead.len(), 1);
        let job = dead[0].payload.as_ref().unwrap();
        assert_eq!(job.past_errors()[0].times, 25);
        assert_eq!(job.error_causes(), ["payments did not answer"]);
    }

    /// A23, A28: which failures are news, and why a job died.
    async fn handlers_are_told_what_is_news(s: Setup) {
        for which in ["unreachable", "refused", "gone", "wrong key", "too many"] {
            let _ = Shop::enqueue(which).on(&s.client).await.unwrap();
        }
        let _ = Shop::enqueue("refused").no_retry().on(&s.client).await.unwrap();
        let (app, mut told) = listening(App::new());

        s.run(s.worker().app(&app).concurrency(1), async |events| {
            for _ in 0..6 { events.failed("Shop").await; }
        }).await;
        drop(app);

        let (mut errors, mut deaths) = (Vec::new(), Vec::new());
        while let Some(report) = told.errors.recv().await {
            errors.push((report.message(), report.death()));
        }
        while let Some(report) = told.deaths.recv().await {
            deaths.push((report.message(), report.death(), report.next()));
        }
        errors.sort_by_key(|(message, death)| (message.clone(), death.is_some()));
        deaths.sort_by_key(|(message, ..)| message.clone());
        let refused = "the card was refused".to_owned();
        let wrong_key = "the key is wrong".to_owned();
        assert_eq!(errors, [(refused.clone(), None), (refused.clone(), Some(Death::Exhausted)), (wrong_key.clone(), Some(Death::Fatal))]);
        assert_eq!(deaths, [
            ("order 7 is gone".to_owned(), Some(Death::Discarded), Next::Discarded),
            (refused, Some(Death::Exhausted), Next::Discarded),
            (wrong_key, Some(Death::Fatal), Next::Dead),
        ]);
    }

    /// A26: a switch shows all.
    async fn transient_errors_are_told_when_asked_for(s: Setup) {
        let _ = Shop::enqueue("unreachable").on(&s.client).await.unwrap();
        let (app, mut told) = listening(App::new().report_transient(true));

        s.run(s.worker().app(&app), async |events| { events.failed("Shop").await; }).await;

        let report = report(&mut told.errors).await;
        assert!(report.is_transient());
        assert_eq!(report.next(), Next::Retry { at: START + Duration::from_secs(60) });
    }

    /// A23: several handlers, isolated from each other: one fails, one panics, one panics before it begins, one never ends.
    async fn a_bad_handler_holds_up_neither_the_others_nor_the_jobs(s: Setup) {
        let (app, mut told) = listening(
            App::new()
                .handler_timeout(Duration::from_millis(50))
                .on_error(|_| async { Err("no network") })
                .on_error(explode)
                .on_error(|report: Report| -> std::future::Ready<()> { panic!("before it begins: {}", report.class()) })
                .on_error(|_| std::future::pending::<()>())
                .on_death(explode),
        );
        for _ in 0..20 {
            let _ = Shop::enqueue("wrong key").on(&s.client).await.unwrap();
        }

        s.run(s.worker().app(&app).concurrency(2), async |events| {
            for _ in 0..20 { events.failed("Shop").await; }
        }).await;
        drop(app);

        for told in [&mut told.errors, &mut told.deaths] {
            let mut count = 0;
            while told.recv().await.is_some() { count += 1; }
            assert_eq!(count, 20);
        }
        assert_eq!(s.set(JobSet::Dead).await.len(), 20);
    }

    /// A poisonous job is told as a death, by its name.
    async fn poison_is_a_death(s: Setup) {
        s.push_raw("default", r#"{"class":"Shop","args":["refused"],"jid":"bad","kiq_recovered":{"deaths":3,"since":1795452500.5}}"#).await;
        let (app, mut told) = listening(App::new());

        s.run(s.worker().app(&app), async |events| {
            events.until(|event| matches!(event, Event::Poison { .. })).await;
        }).await;

        let death = report(&mut told.deaths).await;
        assert_eq!((death.death(), death.error_class(), death.jid().as_str()), (Some(Death::Poison), "kiq::Poison", "bad"));
    }

    /// Bad input: a message of a megabyte with control characters, sources that come back to themselves.
    async fn a_hostile_error_is_kept_and_told_within_bounds(s: Setup) {
        let _ = BeHostile::enqueue().on(&s.client).await.unwrap();
        let (app, mut told) = listening(App::new());

        s.run(s.worker().app(&app), async |events| { events.failed("BeHostile").await; }).await;

        let report = report(&mut told.errors).await;
        assert_eq!(report.message().chars().count(), 10_000);
        assert!(report.message().starts_with("<script>\u{fffd}[2J\u{fffd}\u{fffd}xxx"));
        assert_eq!(report.causes().len(), 20);
        let job = s.set(JobSet::Retry).await.remove(0).payload.unwrap();
        assert_eq!(job.get::<String>("error_message").unwrap(), report.message());
        // Sidekiq's pages escape the message, and print fields they do not know as they are (wire: 15).
        assert!(job.error_causes()[0].starts_with("‹script›"));
        let rest = job.to_string().replace(&job.raw("error_message").unwrap().get().to_owned(), "");
        assert!(!rest.contains(['<', '>']), "{rest}");
    }

    /// Bad input: counts of other programs, absurd ones too, end in a retry or a death and are never lost.
    async fn absurd_counts_of_other_programs_lose_nothing(s: Setup) {
        let odd = [
            r#""retry":-1"#, r#""retry":1e30"#, r#""retry":1.5"#, r#""retry":"soon""#, r#""retry":[]"#,
            r#""retry":true,"retry_count":-5"#, r#""retry":true,"retry_count":1e300"#, r#""retry":true,"retry_count":"x""#,
            r#""retry":true,"retry_count":null"#, r#""retry":true,"retry_for":-3"#, r#""retry":true,"retry_for":1e300"#,
            r#""retry":true,"failed_at":"yesterday""#, r#""retry":true,"kiq_errors":"x","error_class":7"#,
            r#""retry":true,"kiq_limited":-1"#, r#""retry":true,"kiq_limited":1e300"#, r#""retry":true,"error_class":"E","error_message":[1]"#,
        ];
        for which in ["refused", "too many"] {
            for (at, fields) in odd.iter().enumerate() {
                s.push_raw("default", &format!(r#"{{"class":"Shop","args":["{which}"],"jid":"{which} {at}",{fields}}}"#)).await;
            }
        }

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..2 * odd.len() { events.failed("Shop").await; }
        }).await;

        let stats = s.inspector().stats().await.unwrap();
        assert_eq!(stats.retries + stats.scheduled + stats.dead, 2 * odd.len());
        assert_eq!((stats.scheduled, stats.dead), (odd.len(), 2));
    }
}

/// A28: deaths wait for a handler that does not keep up, and none is left out; errors are counted instead.
#[tokio::test]
async fn no_death_is_left_out_when_its_handler_does_not_keep_up() {
    const JOBS: usize = 1500;
    let s = Setup::memory();
    let gate = Arc::new(Notify::new());
    let open = Arc::new(Semaphore::new(0));
    let (sender, mut told) = mpsc::unbounded_channel();
    let app = App::new().on_death({
        let (gate, open) = (Arc::clone(&gate), Arc::clone(&open));
        move |report: Report| {
            let (gate, open, sender) = (Arc::clone(&gate), Arc::clone(&open), sender.clone());
            async move {
                gate.notify_one();
                let _open = open.acquire().await;
                sender.send(report.jid().clone()).unwrap();
            }
        }
    });
    let receipts = kiq::enqueue_all((0..JOBS).map(|_| Shop::new("wrong key"))).on(&s.client).await.unwrap();

    s.run(s.worker().app(&app).concurrency(4), async |events| {
        gate.notified().await;
        // As many as there is room for: 1,000 that wait, and a few in hands.
        for _ in 0..1000 {
            events.failed("Shop").await;
        }
        open.add_permits(JOBS);
        for _ in 1000..JOBS {
            events.failed("Shop").await;
        }
    })
    .await;
    drop(app);

    let mut jids = Vec::new();
    while let Some(jid) = told.recv().await {
        jids.push(jid.to_string());
    }
    jids.sort();
    let mut expected: Vec<String> = receipts.into_iter().map(|receipt| receipt.jid.to_string()).collect();
    expected.sort();
    assert_eq!(jids, expected);
}
