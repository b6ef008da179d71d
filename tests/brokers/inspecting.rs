//! The operator's side: what is where, and what is done to it by hand.

use std::sync::Arc;
use std::time::Duration;

use kiq::broker::{ClassRuns, ClassTotals, OrderMode, Signal, Work};
use kiq::inspect::{Act, ActError, Acted, Explanation, Filter, HISTOGRAM_BUCKETS, Place, Span, Step, Whereabouts};
use kiq::{Client, Inspector, JobSet, Payload};

use crate::setup::{Process, START, Setup, at, beat, on_every_broker, to};

const DAY: Duration = Duration::from_secs(86_400);

fn inspector(s: &Setup) -> Inspector {
    Inspector::new(&Client::new(Arc::clone(&s.broker)).with_clock(s.clock.clone()))
}

fn queue(name: &str) -> Place {
    Place::Queue(name.to_owned())
}

/// A job made at the start.
fn job(class: &str, jid: &str, more: &str) -> String {
    format!(r#"{{"class":"{class}","args":[],"jid":"{jid}","queue":"q","created_at":1795452509.5{more}}}"#)
}

/// One that failed for the third time a minute ago.
fn failed(class: &str, jid: &str, error: &str) -> String {
    let more = format!(
        r#","retry_count":2,"failed_at":1795452000.5,"retried_at":1795452449.5,"error_class":"{error}","error_message":"no""#
    );
    job(class, jid, &more)
}

/// Fails jobs of `q` so that they wait for a retry in 1, 2, 3 … minutes, with the payloads given.
async fn into_retries(s: &Setup, payloads: &[String]) {
    let process = s.process().await;
    for (minute, payload) in payloads.iter().enumerate() {
        s.push(&["x"]).await;
        let [unit] = &process.fetch(1).await[..] else { panic!("nothing fetched") };
        let at = START + Duration::from_secs(60) * u32::try_from(minute + 1).unwrap();
        process.settle(unit, kiq::broker::Settlement::Retry { payload: payload.clone(), at }).await;
    }
    process.consumer.leave().await.unwrap();
}

async fn bury(s: &Setup, payload: &str) {
    let process = s.process().await;
    s.push(&["x"]).await;
    let [unit] = &process.fetch(1).await[..] else { panic!("nothing fetched") };
    process.settle(unit, kiq::broker::Settlement::Dead { payload: payload.to_owned(), at: START }).await;
    process.consumer.leave().await.unwrap();
}

fn jids(payloads: &[String]) -> Vec<String> {
    payloads.iter().map(|payload| Payload::parse(payload.as_bytes()).unwrap().jid().to_string()).collect()
}

async fn set_jids(s: &Setup, set: JobSet) -> Vec<String> {
    jids(&s.set(set).await.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>())
}

on_every_broker! {
    /// A32: for development. (That no foreign key goes is seen by `cargo kiq dev reset`, in kiq-cli.)
    async fn all_is_forgotten_wherever_it_is_and_workers_go_on(s: Setup) {
        bury(&s, &job("Dead", "d1", "")).await;
        into_retries(&s, &[failed("Failed", "f1", "Http")]).await;
        s.push(&["a", "b", "c"]).await;
        let process = s.process().await;
        let [running] = &process.fetch(1).await[..] else { panic!("nothing fetched") };
        let inspector = inspector(&s);
        inspector.pause("q").await.unwrap();
        inspector.mark_deploy("v1").await.unwrap();

        assert!(inspector.forget_everything().await.unwrap() > 0);

        assert_eq!(inspector.stats().await.unwrap(), kiq::Stats::default());
        assert!(inspector.queues().await.unwrap().is_empty());
        assert!(inspector.deploys(DAY).await.unwrap().is_empty());
        // What was running is nobody's now, and settling it brings nothing back.
        process.settle(running, kiq::broker::Settlement::Dead { payload: "x".to_owned(), at: START }).await;
        assert_eq!(inspector.stats().await.unwrap().dead, 0);
        // Another process takes what comes; that one is a stranger until its next heartbeat.
        s.push(&["d"]).await;
        assert_eq!(s.process().await.fetch(9).await.len(), 1);
        assert!(inspector.forget_everything().await.unwrap() > 0);
        assert_eq!(inspector.forget_everything().await.unwrap(), 0);
    }

    async fn a_queue_tells_its_size_its_latency_and_whether_it_is_paused(s: Setup) {
        let inspector = inspector(&s);
        s.push(&[&job("A", "a", r#","enqueued_at":1795452509.5"#), &job("B", "b", "")]).await;
        s.clock.advance(Duration::from_secs(90));
        assert!(inspector.pause("q").await.unwrap());
        assert!(!inspector.pause("q").await.unwrap());

        let [only] = &inspector.queues().await.unwrap()[..] else { panic!("one queue") };
        assert_eq!((&*only.name, only.size, only.latency, only.is_paused), ("q", 2, Duration::from_secs(90), true));

        assert!(inspector.resume("q").await.unwrap());
        assert!(!inspector.resume("q").await.unwrap());
        assert!(!inspector.queues().await.unwrap()[0].is_paused);
    }

    async fn a_process_hears_of_a_paused_queue_with_its_heartbeat(s: Setup) {
        let inspector = inspector(&s);
        let process = s.process().await;
        inspector.pause("q").await.unwrap();
        inspector.pause("a").await.unwrap();

        assert_eq!(process.consumer.beat(&beat()).await.unwrap().paused, ["a", "q"]);

        inspector.resume("q").await.unwrap();
        assert_eq!(process.consumer.beat(&beat()).await.unwrap().paused, ["a"]);
    }

    async fn a_signal_reaches_the_process_it_is_for_once(s: Setup) {
        let inspector = inspector(&s);
        let (process, other) = (s.process().await, s.process().await);

        assert!(inspector.signal(process.identity.as_str(), Signal::Quiet).await.unwrap());
        assert!(!inspector.signal("nobody:1:abc", Signal::Stop).await.unwrap());

        assert_eq!(other.consumer.beat(&beat()).await.unwrap().signal, None);
        assert_eq!(process.consumer.beat(&beat()).await.unwrap().signal, Some(Signal::Quiet));
        assert_eq!(process.consumer.beat(&beat()).await.unwrap().signal, None);
    }

    async fn processes_are_as_they_describe_themselves(s: Setup) {
        let process = s.process().await;
        let payload = job("A", "a", "");
        let mut beat = beat();
        beat.quiet = true;
        let work = |tid: &str, ago| Work {
            tid: tid.to_owned(),
            queue: "q".into(),
            payload: payload.as_bytes().into(),
            run_at: START - Duration::from_secs(ago),
        };
        beat.work = vec![work("t1", 5), work("t2", 50)];
        process.consumer.beat(&beat).await.unwrap();

        let [only] = &inspector(&s).processes().await.unwrap()[..] else { panic!("one process") };
        assert_eq!(only.identity, process.identity.as_str());
        assert_eq!((&*only.tag, only.pid, only.rss_kib), ("shop", std::process::id(), 1234));
        assert_eq!((only.concurrency, only.busy, only.is_quiet, only.is_embedded), (10, 2, true, false));
        assert_eq!((only.started_at, only.beat_at), (START, START));
        assert!(only.version.starts_with("kiq "), "{}", only.version);
        let capsule = only.capsules.iter().find(|capsule| capsule.name == "bulk").unwrap();
        assert_eq!((capsule.mode, capsule.concurrency), (OrderMode::Weighted, 5));
        assert!(only.serves("a") && only.serves("q") && !only.serves("b"));
        assert_eq!(inspector(&s).running(1).await.unwrap().len(), 1);
        let running = inspector(&s).running(10).await.unwrap();
        let since: Vec<_> = running.iter().map(|run| (&*run.tid, &*run.queue)).collect();
        assert_eq!(since, [("t2", "q"), ("t1", "q")]);
        assert_eq!(running[0].payload, payload.as_bytes());
    }

    async fn history_counts_runs_by_the_day(s: Setup) {
        into_retries(&s, &[failed("A", "a", "E")]).await;
        let history = inspector(&s).history(3).await.unwrap();

        let counts: Vec<_> = history.iter().map(|day| (&*day.date, day.processed, day.failed)).collect();
        assert_eq!(counts, [("2026-11-23", 1, 1), ("2026-11-22", 0, 0), ("2026-11-21", 0, 0)]);
        s.clock.advance(DAY);
        assert_eq!(inspector(&s).history(2).await.unwrap()[1], history[0]);
        assert_eq!(inspector(&s).history(0).await.unwrap().len(), 1);
        assert_eq!(inspector(&s).history(usize::MAX).await.unwrap().len(), 1825);
    }

    async fn a_set_is_read_by_time_from_either_end(s: Setup) {
        let times: Vec<_> = (0..5).map(|minute| START + Duration::from_secs(60) * minute).collect();
        let entries: Vec<_> = times.iter().zip(["a", "b", "c", "d", "e"]).map(|(time, jid)| at(*time, &job("A", jid, ""))).collect();
        s.push_all(&entries).await;
        let read = async |from: Option<usize>, to: Option<usize>, newest_first, skip, take| {
            let time = |index: usize| times[index];
            let span = Span { from: from.map(time), to: to.map(time), newest_first, skip, take };
            let found = inspector(&s).set_span(JobSet::Scheduled, span).await.unwrap();
            found.iter().map(|found| found.jid().to_owned()).collect::<Vec<_>>().concat()
        };
        assert_eq!(read(None, None, false, 1, 2).await, "bc");
        assert_eq!(read(None, None, true, 1, 2).await, "dc");
        assert_eq!(read(Some(1), Some(3), false, 0, 9).await, "bcd");
        assert_eq!(read(Some(1), Some(3), true, 1, 9).await, "cb");
        assert_eq!(read(Some(3), Some(1), false, 0, 9).await, "");
        assert_eq!(read(None, None, false, 0, 0).await, "");
    }

    async fn a_retry_runs_now_with_as_many_tries_left_as_before(s: Setup) {
        into_retries(&s, &[failed("A", "a", "E")]).await;
        let inspector = inspector(&s);
        let found = &inspector.set(JobSet::Retry, 0, 1).await.unwrap()[0];

        assert_eq!(inspector.act(found, Act::Retry).await.unwrap(), Acted::Done);
        assert_eq!(inspector.act(found, Act::Retry).await.unwrap(), Acted::Gone, "the second of two clicks");

        assert!(s.set(JobSet::Retry).await.is_empty());
        let [payload] = &s.queue("q").await[..] else { panic!("one job") };
        let job = Payload::parse(payload.as_bytes()).unwrap();
        assert_eq!((job.get::<i32>("retry_count"), job.enqueued_at()), (Some(1), Some(s.clock.now())));
        assert_eq!(job.get::<String>("error_class").as_deref(), Some("E"));
    }

    async fn a_dead_job_that_is_retried_is_no_suspect_any_more(s: Setup) {
        bury(&s, &job("A", "a", r#","kiq_recovered":{"deaths":3,"since":1795452509.5}"#)).await;
        let inspector = inspector(&s);
        let found = &inspector.set(JobSet::Dead, 0, 1).await.unwrap()[0];

        assert_eq!(inspector.act(found, Act::Retry).await.unwrap(), Acted::Done);

        assert!(!s.queue("q").await[0].contains("kiq_recovered"));
        assert!(s.set(JobSet::Dead).await.is_empty());
    }

    async fn jobs_are_killed_put_off_and_deleted(s: Setup) {
        into_retries(&s, &[failed("A", "a", "E"), failed("A", "b", "E"), failed("A", "c", "E")]).await;
        let inspector = inspector(&s);
        let [a, b, c] = &inspector.set(JobSet::Retry, 0, 9).await.unwrap()[..] else { panic!("three") };
        let later = START + DAY;

        assert_eq!(inspector.act(a, Act::Kill).await.unwrap(), Acted::Done);
        assert_eq!(inspector.act(b, Act::Reschedule { at: later }).await.unwrap(), Acted::Done);
        assert_eq!(inspector.act(c, Act::Delete).await.unwrap(), Acted::Done);

        let (killed, put_off) = (s.set(JobSet::Dead).await, s.set(JobSet::Retry).await);
        assert_eq!(killed, [(s.clock.now(), failed("A", "a", "E"))]);
        assert_eq!(put_off, [(later, failed("A", "b", "E"))]);
        for (found, act) in [(a, Act::Kill), (c, Act::Delete), (c, Act::Reschedule { at: later })] {
            assert_eq!(inspector.act(found, act).await.unwrap(), Acted::Gone);
        }
    }

    async fn what_is_no_job_can_be_deleted_but_not_retried(s: Setup) {
        bury(&s, "no job").await;
        let inspector = inspector(&s);
        let found = &inspector.set(JobSet::Dead, 0, 1).await.unwrap()[0];

        assert_eq!(inspector.act(found, Act::Retry).await.unwrap(), Acted::NotAJob);
        assert_eq!(s.set(JobSet::Dead).await.len(), 1);
        assert_eq!(inspector.act(found, Act::Delete).await.unwrap(), Acted::Done);
        assert!(s.set(JobSet::Dead).await.is_empty());
    }

    async fn an_act_that_makes_no_sense_there_changes_nothing(s: Setup) {
        bury(&s, &job("A", "b", "")).await;
        s.push(&[&job("A", "a", "")]).await;
        let inspector = inspector(&s);
        let queued = &inspector.queue("q", 0, 1).await.unwrap()[0];
        let dead = &inspector.set(JobSet::Dead, 0, 1).await.unwrap()[0];

        for (found, act) in [(queued, Act::Retry), (queued, Act::Reschedule { at: START }), (dead, Act::Kill)] {
            let error = inspector.act(found, act.clone()).await.unwrap_err();
            assert!(matches!(error, ActError::Unsuitable { .. }));
            assert!(error.to_string().starts_with(&format!("jobs of {} cannot be told to {act}", found.place)), "{error}");
        }
        assert_eq!((s.queue("q").await.len(), s.set(JobSet::Dead).await.len()), (1, 1));
    }

    async fn a_job_in_a_queue_is_killed_or_deleted(s: Setup) {
        s.push(&[&job("A", "a", ""), &job("A", "b", ""), &job("A", "c", "")]).await;
        let inspector = inspector(&s);
        let [a, b, _] = &inspector.queue("q", 0, 9).await.unwrap()[..] else { panic!("three") };

        assert_eq!(inspector.act(a, Act::Kill).await.unwrap(), Acted::Done);
        assert_eq!(inspector.act(b, Act::Delete).await.unwrap(), Acted::Done);
        assert_eq!(inspector.act(a, Act::Kill).await.unwrap(), Acted::Gone);
        assert_eq!(inspector.act(b, Act::Delete).await.unwrap(), Acted::Gone);

        assert_eq!(jids(&s.queue("q").await), ["c"]);
        assert_eq!(set_jids(&s, JobSet::Dead).await, ["a"]);
    }

    async fn an_act_on_a_filter_takes_all_that_match_and_nothing_else(s: Setup) {
        let mut all: Vec<String> = (0..250).map(|n| failed("Charge", &format!("c{n:03}"), "Http")).collect();
        all.extend((0..3).map(|n| failed("Mail", &format!("m{n}"), "Smtp")));
        let entries: Vec<_> = all.iter().map(|payload| at(START + DAY, payload)).collect();
        s.push_all(&entries).await;
        let inspector = inspector(&s);
        let selection = inspector.select(Place::Set(JobSet::Scheduled), Filter::parse("class:Charge").unwrap());

        let count = selection.count(10_000).await.unwrap();
        assert_eq!((count.matching, count.is_complete, count.sample.len()), (250, true, 5));
        let few = selection.clone().limit(10).apply(Act::Delete).await.unwrap();
        assert_eq!((few.done, few.gone), (10, 0));
        let rest = selection.apply(Act::Retry).await.unwrap();
        assert_eq!((rest.done, rest.gone), (240, 0));
        assert_eq!(selection.apply(Act::Delete).await.unwrap().done, 0);

        assert_eq!(set_jids(&s, JobSet::Scheduled).await.len(), 3);
        assert_eq!(s.queue("q").await.len(), 240);
    }

    async fn an_act_on_a_filter_goes_through_a_whole_queue(s: Setup) {
        let all: Vec<String> = (0..1200).map(|n| job(["A", "B"][n % 2], &format!("j{n:04}"), "")).collect();
        let entries: Vec<_> = all.iter().map(|payload| to("q", payload)).collect();
        s.push_all(&entries).await;
        let selection = inspector(&s).select(queue("q"), Filter::parse("class:A").unwrap());

        assert_eq!(selection.count(usize::MAX).await.unwrap().matching, 600);
        assert_eq!(selection.apply(Act::Delete).await.unwrap().done, 600);

        let left = s.queue("q").await;
        assert_eq!(left.len(), 600);
        assert!(left.iter().all(|payload| payload.contains(r#""class":"B""#)));
    }

    async fn an_act_leaves_alone_what_failed_after_the_count(s: Setup) {
        let inspector = inspector(&s);
        let selection = inspector.select(Place::Set(JobSet::Retry), Filter::all()).as_of(START);
        let later = failed("A", "b", "E").replace("1795452449.5", "1795452510.5");
        into_retries(&s, &[failed("A", "a", "E"), later]).await;

        assert_eq!(selection.count(100).await.unwrap().matching, 1);
        assert_eq!(selection.apply(Act::Kill).await.unwrap().done, 1);

        assert_eq!(set_jids(&s, JobSet::Retry).await, ["b"]);
    }

    async fn a_place_is_cleared_and_tells_how_much_it_was(s: Setup) {
        s.push(&[&job("A", "a", ""), &job("A", "b", "")]).await;
        bury(&s, &job("A", "d", "")).await;
        let inspector = inspector(&s);

        // The third left the queue on its way to the dead.
        assert_eq!(inspector.clear(&queue("q")).await.unwrap(), 2);
        assert_eq!(inspector.clear(&queue("q")).await.unwrap(), 0);
        assert_eq!(inspector.clear(&Place::Set(JobSet::Dead)).await.unwrap(), 1);
        assert!(inspector.queues().await.unwrap().is_empty());
        assert_eq!(inspector.stats().await.unwrap().dead, 0);
    }

    async fn a_job_is_found_wherever_it_is(s: Setup) {
        s.push(&[&job("A", "a", ""), &job("A", "b*", "")]).await;
        s.push_all(&[at(START + DAY, &job("A", "later", ""))]).await;
        let inspector = inspector(&s);
        let place = async |jid: &str| match inspector.find(jid, 10_000).await.unwrap() {
            Whereabouts::Waits { found, ahead } => format!("{}, {ahead:?}", found.place),
            other => format!("{other:?}"),
        };

        assert_eq!(place("a").await, "queue q, Some(0)");
        assert_eq!(place("b*").await, "queue q, Some(1)");
        assert_eq!(place("later").await, "scheduled, None");
        let nothing = inspector.find("*", 10_000).await.unwrap();
        assert!(matches!(nothing, Whereabouts::NotFound { is_complete: true, .. }), "{nothing:?}");
    }

    async fn it_is_explained_why_a_job_does_not_run(s: Setup) {
        s.push_all(&[to("other", &job("A", "a", "")), at(START + DAY, &job("A", "later", ""))]).await;
        let inspector = inspector(&s);
        let explain = async |jid: &str| inspector.explain(jid, 10_000).await.unwrap();
        let other = "other".to_owned();
        assert_eq!(explain("a").await, Explanation::NobodyServes { queue: other.clone(), processes: 0 });
        let process = s.process().await;
        assert_eq!(explain("a").await, Explanation::NobodyServes { queue: other.clone(), processes: 1 });
        inspector.pause("other").await.unwrap();
        assert_eq!(explain("a").await, Explanation::QueueIsPaused { queue: other });
        assert_eq!(explain("later").await, Explanation::IsScheduled { at: START + DAY });

        let q = "q".to_owned();
        s.push(&[&job("A", "first", ""), &job("A", "second", "")]).await;
        let turn = Explanation::WaitsItsTurn { queue: q.clone(), ahead: 1, processes: 1, busy: 0, concurrency: 10 };
        assert_eq!(explain("second").await, turn);
        // Sidekiq's record has whole seconds.
        let since = START - Duration::from_millis(500);
        let mut quiet = beat();
        quiet.quiet = true;
        quiet.work = vec![Work {
            tid: "t".to_owned(),
            queue: "q".into(),
            payload: job("A", "runs", "").as_bytes().into(),
            run_at: since,
        }];
        process.consumer.beat(&quiet).await.unwrap();
        assert_eq!(explain("second").await, Explanation::AllAreQuiet { queue: q, processes: 1 });
        assert_eq!(explain("runs").await, Explanation::Runs { process: process.identity.to_string(), since });
        assert!(matches!(explain("nowhere").await, Explanation::NotFound { is_complete: true, .. }));
        assert!(matches!(inspector.explain("nowhere", 1).await.unwrap(), Explanation::NotFound { is_complete: false, .. }));
    }

    async fn it_is_explained_when_a_failed_job_runs_again_or_that_it_does_not(s: Setup) {
        into_retries(&s, &[failed("A", "retried", "Http")]).await;
        bury(&s, &failed("A", "dead", "Http")).await;
        let inspector = inspector(&s);
        let explain = async |jid: &str| inspector.explain(jid, 10_000).await.unwrap();
        let (at, error) = (START + Duration::from_secs(60), "Http: no".to_owned());

        let waits = Explanation::WaitsForRetry { at, failures: 3, error: error.clone() };
        assert_eq!(explain("retried").await, waits);
        assert_eq!(explain("dead").await, Explanation::IsDead { at: START, error });

        s.clock.advance(Duration::from_secs(120));
        assert_eq!(explain("retried").await, Explanation::IsOverdue { at, processes: 0 });
        Process::on(&s.broker).await;
        assert_eq!(explain("retried").await, Explanation::IsOverdue { at, processes: 1 });
    }

    async fn runs_are_counted_by_class_and_step_and_read_back(s: Setup) {
        let process = s.process().await;
        let mut durations = [0; HISTOGRAM_BUCKETS];
        (durations[0], durations[4]) = (3, 300);
        let runs = |class: &str| {
            let totals = ClassTotals { class: class.to_owned(), runs: 6, failures: 2, millis: 120 };
            ClassRuns { totals, durations }
        };
        process.consumer.record(&[runs("A::Charge"), runs("B")], START).await.unwrap();
        process.consumer.record(&[runs("B")], START + Duration::from_secs(45)).await.unwrap();
        process.consumer.record(&[], START).await.unwrap();
        s.clock.advance(Duration::from_secs(60));
        let inspector = inspector(&s);

        let minutes = inspector.runs(Duration::from_secs(120)).await.unwrap();
        assert_eq!(minutes.step, Step::Minute);
        let by_minute: Vec<Vec<(&str, u64)>> =
            minutes.steps.iter().map(|(_, all)| all.iter().map(|one| (&*one.class, one.runs)).collect()).collect();
        assert_eq!(by_minute, [vec![], vec![("A::Charge", 6), ("B", 6)], vec![("B", 6)]]);
        assert_eq!(minutes.totals()[0], ClassTotals { class: "B".to_owned(), runs: 12, failures: 4, millis: 240 });
        assert_eq!(minutes.totals()[0].mean(), Duration::from_millis(30));
        let tens = inspector.runs(Duration::from_secs(72 * 3600)).await.unwrap();
        assert_eq!((tens.step, tens.steps.len(), tens.totals()), (Step::TenMinutes, 433, minutes.totals()));
        let histogram = inspector.histogram("B", Duration::from_secs(120)).await.unwrap();
        assert_eq!((histogram.total().0[0], histogram.total().0[4], histogram.total().count()), (6, 600, 606));
        assert_eq!((histogram.minutes.len(), histogram.percentile(0.95)), (3, Some(Duration::from_millis(100))));
        let [b, none, a] = &inspector.histograms(&minutes, &["B", "C", "A::Charge"]).await.unwrap()[..] else { panic!("three") };
        let ran: Vec<_> = histogram.minutes.iter().filter(|(_, durations)| durations.count() > 0).copied().collect();
        assert_eq!((&b.minutes, none.minutes.len(), a.total().count()), (&ran, 0, 303));
        assert!(inspector.histograms(&tens, &["B"]).await.unwrap()[0].minutes.is_empty());
    }

    async fn a_deploy_is_noted_once_however_many_processes_tell_of_it(s: Setup) {
        let inspector = inspector(&s);
        assert!(inspector.mark_deploy("a1b2c3d faster").await.unwrap());
        assert!(!inspector.mark_deploy("a1b2c3d faster").await.unwrap());
        s.clock.advance(Duration::from_secs(600));
        assert!(inspector.mark_deploy("b2c3d4e slower").await.unwrap());

        let deploys = inspector.deploys(Duration::from_secs(3600)).await.unwrap();
        let noted: Vec<_> = deploys.iter().map(|deploy| (deploy.at.to_string(), &*deploy.label)).collect();
        assert_eq!(noted, [
            ("2026-11-23T16:48:00Z".to_owned(), "a1b2c3d faster"),
            ("2026-11-23T16:58:00Z".to_owned(), "b2c3d4e slower"),
        ]);
        assert_eq!(inspector.deploys(Duration::from_secs(300)).await.unwrap().len(), 1);
    }
}
