//! What people do to many jobs: begun once, stopped, counted, taken back.

use std::sync::Arc;
use std::time::Duration;

use kiq::inspect::{Act, ActError, Begun, By, Filter, OperationId, OperationState, Place, Run, Selection, UndoError};
use kiq::{Client, Inspector, JobSet, Payload, Timestamp};

use crate::setup::{START, Setup, at, on_every_broker, to};

pub const DAY: Duration = Duration::from_secs(86_400);

pub fn inspector(s: &Setup) -> Inspector {
    Inspector::new(&Client::new(Arc::clone(&s.broker)).with_clock(s.clock.clone()))
}

pub const SCHEDULED: Place = Place::Set(JobSet::Scheduled);

pub fn queue(name: &str) -> Place {
    Place::Queue(name.to_owned())
}

pub fn job(class: &str, number: usize) -> String {
    format!(
        r#"{{"class":"{class}","args":[{number}],"jid":"{class}{number}","queue":"q","retry_count":2,"created_at":1795452500.5}}"#
    )
}

/// So many jobs of class `A` for the next days, a minute apart, and as many of class `B` at the same times.
pub async fn schedule(s: &Setup, jobs: usize) {
    let mut all = Vec::new();
    for number in 0..jobs {
        let time = START + DAY + Duration::from_secs(60) * u32::try_from(number).unwrap();
        all.extend([at(time, &job("A", number)), at(time, &job("B", number))]);
    }
    s.push_all(&all).await;
}

fn all_a(s: &Setup) -> Selection {
    inspector(s).select(SCHEDULED, Filter::parse("class:A").unwrap())
}

async fn begin(selection: &Selection, act: Act) -> Run {
    begin_as(selection, &OperationId::random(), act).await
}

async fn begin_as(selection: &Selection, id: &OperationId, act: Act) -> Run {
    match selection.begin(id, act, By::new("ann").because("why not"), None).await.unwrap() {
        Begun::New(run) => *run,
        Begun::Already(operation) => panic!("{operation:?}"),
    }
}

async fn jids(s: &Setup, set: JobSet) -> Vec<String> {
    let payloads = s.set(set).await;
    payloads.iter().map(|(_, payload)| Payload::parse(payload.as_bytes()).unwrap().jid().to_string()).collect()
}

/// An entry of a set with every byte and its time.
async fn exactly(s: &Setup, set: JobSet) -> Vec<(Timestamp, String)> {
    let mut entries = s.set(set).await;
    entries.sort();
    entries
}

on_every_broker! {
    async fn an_operation_does_what_the_filter_means_and_nothing_else(s: Setup) {
        schedule(&s, 250).await;
        let operation = begin(&all_a(&s), Act::Retry).await.finish().await.unwrap();

        assert_eq!((operation.outcome.done, operation.outcome.gone, operation.state), (250, 0, OperationState::Done));
        assert_eq!(s.queue("q").await.len(), 250);
        assert!(jids(&s, JobSet::Scheduled).await.iter().all(|jid| jid.starts_with('B')));
        assert_eq!(s.set(JobSet::Scheduled).await.len(), 250);
    }

    async fn what_people_did_is_in_the_log_the_last_first(s: Setup) {
        schedule(&s, 3).await;
        let inspector = inspector(&s);
        let mail = queue("mail");
        let paused = inspector.note(By::new("ben\nmallory"), "pause", Some(&mail), "queue mail", 1).await.unwrap();
        s.clock.advance(Duration::from_secs(1));
        let selection = all_a(&s).limit(2);
        let id = OperationId::random();
        let by = By::new("ann").because("the provider\nis back");
        let Begun::New(run) = selection.begin(&id, Act::Kill, by, Some(2)).await.unwrap() else { panic!("new") };
        s.clock.advance(Duration::from_secs(1));
        run.finish().await.unwrap();

        let [last, first] = &inspector.operations(10).await.unwrap()[..] else { panic!("two") };
        assert_eq!((&last.id, &*last.verb, last.by.who(), last.by.reason()), (&id, "kill", "ann", "the provider is back"));
        assert_eq!((&last.place, &*last.target, last.limit, last.expected), (&Some(SCHEDULED), "class:A", Some(2), Some(2)));
        assert_eq!((last.as_of, last.began_at, last.updated_at), (Some(START + Duration::from_secs(1)), START + Duration::from_secs(1), START + Duration::from_secs(2)));
        assert_eq!((last.outcome.done, &last.undone, last.undoable), (2, &None, 2));
        assert_eq!((&first.id, first.by.who(), &first.place, first.outcome.done), (&paused, "ben mallory", &Some(mail), 1));
        assert_eq!((first.undoable, &first.state), (0, &OperationState::Done));
        assert_eq!(inspector.operations(1).await.unwrap().len(), 1);
        assert_eq!(inspector.operations(0).await.unwrap().len(), 0);
        assert_eq!(inspector.operation(&id).await.unwrap().as_ref(), Some(last));
        assert_eq!(inspector.operation(&OperationId::random()).await.unwrap(), None);
    }

    async fn a_form_that_is_sent_twice_begins_one_operation(s: Setup) {
        schedule(&s, 5).await;
        let id = OperationId::random();
        let first = begin_as(&all_a(&s), &id, Act::Delete).await;
        let Begun::Already(known) = all_a(&s).begin(&id, Act::Retry, By::new("ben"), None).await.unwrap() else {
            panic!("it was begun")
        };
        assert_eq!((&*known.verb, known.by.who(), &known.state), ("delete", "ann", &OperationState::Running));
        assert_eq!(first.finish().await.unwrap().outcome.done, 5);
    }

    async fn two_operators_at_once_do_each_job_once(s: Setup) {
        schedule(&s, 700).await;
        let later = Act::Reschedule { at: START + DAY * 9 };
        for act in [later, Act::Retry] {
            let selection = all_a(&s);
            assert_eq!(selection.count(usize::MAX).await.unwrap().matching, 700);
            let (one, other) = (begin(&selection, act.clone()).await, begin(&selection, act.clone()).await);
            let (one, other) = tokio::join!(one.finish(), other.finish());

            assert_eq!(one.unwrap().outcome.done + other.unwrap().outcome.done, 700, "{act}");
        }
        assert_eq!(s.queue("q").await.len(), 700);
        assert_eq!(s.set(JobSet::Scheduled).await.len(), 700);
    }

    async fn what_came_after_the_preview_is_spared_and_counted(s: Setup) {
        schedule(&s, 3).await;
        let preview = all_a(&s);
        let late = job("A", 99).replace("1795452500.5", "1795452700.5");
        s.push_all(&[at(START + DAY, &late)]).await;
        s.clock.advance(Duration::from_secs(600));

        let count = preview.count(1000).await.unwrap();
        assert_eq!((count.matching, count.later, count.is_complete), (3, 1, true));
        assert_eq!(begin(&preview, Act::Delete).await.finish().await.unwrap().outcome.done, 3);

        assert_eq!(jids(&s, JobSet::Scheduled).await.iter().filter(|jid| jid.starts_with('A')).count(), 1);
    }

    async fn the_first_ten_are_those_that_are_due_first(s: Setup) {
        schedule(&s, 30).await;
        let operation = begin(&all_a(&s).limit(10), Act::Kill).await.finish().await.unwrap();
        assert_eq!(operation.outcome.done, 10);
        let mut killed = jids(&s, JobSet::Dead).await;
        killed.sort();
        assert_eq!(killed, (0..10).map(|number| format!("A{number}")).collect::<Vec<_>>());
    }

    async fn a_stopped_operation_stops(s: Setup) {
        schedule(&s, 600).await;
        let inspector = inspector(&s);
        let run = begin(&all_a(&s), Act::Delete).await;
        let id = run.id().clone();
        assert!(inspector.stop_operation(&id).await.unwrap());
        assert!(!inspector.stop_operation(&OperationId::random()).await.unwrap());
        assert_eq!(inspector.operation(&id).await.unwrap().unwrap().state, OperationState::Stopping);

        let operation = run.finish().await.unwrap();

        assert_eq!((operation.outcome.done, operation.state), (0, OperationState::Stopped));
        assert_eq!(s.set(JobSet::Scheduled).await.len(), 1200);
        assert_eq!(inspector.operations(9).await.unwrap().len(), 1, "a wish makes no operation");
    }

    async fn an_operation_that_its_program_left_is_said_to_be_silent(s: Setup) {
        schedule(&s, 3).await;
        let run = begin(&all_a(&s), Act::Delete).await;
        let id = run.id().clone();
        drop(run);
        s.clock.advance(Duration::from_secs(31));
        assert_eq!(inspector(&s).operation(&id).await.unwrap().unwrap().state, OperationState::Silent);
    }

    async fn a_deletion_is_taken_back_with_every_byte_and_time(s: Setup) {
        schedule(&s, 150).await;
        let before = exactly(&s, JobSet::Scheduled).await;
        let operation = begin(&all_a(&s), Act::Delete).await.finish().await.unwrap();
        assert_eq!((operation.outcome.done, operation.undoable), (150, 150));

        let undone = inspector(&s).undo(&operation.id, "ben").await.unwrap();

        assert_eq!((undone.restored, undone.missed), (150, 0));
        assert_eq!(exactly(&s, JobSet::Scheduled).await, before);
        let known = inspector(&s).operation(&operation.id).await.unwrap().unwrap();
        assert_eq!(known.undone.as_ref(), Some(&undone));
        assert_eq!((known.undoable, undone.at), (0, s.clock.now()));
        let again = inspector(&s).undo(&operation.id, "ben").await.unwrap_err();
        assert!(matches!(again, UndoError::Already), "{again}");
    }

    async fn whatever_moves_jobs_is_taken_back(s: Setup) {
        schedule(&s, 3).await;
        let before = exactly(&s, JobSet::Scheduled).await;
        for act in [Act::Retry, Act::Kill, Act::Reschedule { at: START + DAY * 30 }, Act::Delete] {
            let operation = begin(&all_a(&s), act.clone()).await.finish().await.unwrap();
            assert_ne!(exactly(&s, JobSet::Scheduled).await, before, "{act}");
            assert_eq!(inspector(&s).undo(&operation.id, "ben").await.unwrap().restored, 3, "{act}");
            assert_eq!(exactly(&s, JobSet::Scheduled).await, before, "{act}");
            assert!(s.queue("q").await.is_empty() && s.set(JobSet::Dead).await.is_empty(), "{act}");
        }
    }

    async fn what_went_on_meanwhile_does_not_come_back(s: Setup) {
        schedule(&s, 4).await;
        let process = s.process().await;
        let retried = begin(&all_a(&s), Act::Retry).await.finish().await.unwrap();
        let running = process.fetch(3).await;
        let undone = inspector(&s).undo(&retried.id, "ben").await.unwrap();
        assert_eq!((undone.restored, undone.missed), (1, 3));
        assert_eq!((running.len(), s.queue("q").await.len(), s.set(JobSet::Scheduled).await.len()), (3, 0, 5));

        let later = begin(&all_a(&s), Act::Reschedule { at: START + DAY * 30 }).await.finish().await.unwrap();
        begin(&all_a(&s), Act::Reschedule { at: START + DAY * 31 }).await.finish().await.unwrap();
        let undone = inspector(&s).undo(&later.id, "ben").await.unwrap();
        assert_eq!((undone.restored, undone.missed), (0, 1));

        let killed = begin(&all_a(&s), Act::Kill).await.finish().await.unwrap();
        assert_eq!(inspector(&s).clear(&Place::Set(JobSet::Dead)).await.unwrap(), 1);
        let undone = inspector(&s).undo(&killed.id, "ben").await.unwrap();
        assert_eq!((undone.restored, undone.missed), (0, 1));
        let known = inspector(&s).operation(&killed.id).await.unwrap().unwrap().undone.unwrap();
        assert_eq!((known.restored, known.missed), (0, 1));
    }

    async fn two_who_take_back_at_once_bring_each_job_back_once(s: Setup) {
        schedule(&s, 350).await;
        let before = exactly(&s, JobSet::Scheduled).await;
        let operation = begin(&all_a(&s), Act::Retry).await.finish().await.unwrap();
        let inspector = inspector(&s);
        let (one, other) = tokio::join!(inspector.undo(&operation.id, "ann"), inspector.undo(&operation.id, "ben"));
        let restored = [one, other].into_iter().flatten().map(|undone| undone.restored).sum::<usize>();
        assert_eq!(restored, 350);
        assert_eq!(exactly(&s, JobSet::Scheduled).await, before);
        let known = inspector.operation(&operation.id).await.unwrap().unwrap().undone.unwrap();
        assert_eq!((known.restored, known.missed), (350, 0));
    }

    async fn what_runs_or_moved_nothing_cannot_be_taken_back(s: Setup) {
        schedule(&s, 2).await;
        let inspector = inspector(&s);
        let run = begin(&all_a(&s), Act::Delete).await;
        let id = run.id().clone();
        assert!(matches!(inspector.undo(&id, "ben").await.unwrap_err(), UndoError::Runs));
        run.finish().await.unwrap();
        let noted = inspector.note(By::new("ann"), "quiet", None, "app-1", 1).await.unwrap();
        assert!(matches!(inspector.undo(&noted, "ben").await.unwrap_err(), UndoError::Nothing));
        assert!(matches!(inspector.undo(&OperationId::random(), "ben").await.unwrap_err(), UndoError::Unknown));
    }

    async fn more_than_a_thousand_jobs_are_not_kept(s: Setup) {
        schedule(&s, 1001).await;
        let counted = all_a(&s);
        let Begun::New(run) = counted.begin(&OperationId::random(), Act::Kill, By::new("ann"), Some(1001)).await.unwrap()
        else { panic!("new") };
        let operation = run.finish().await.unwrap();
        assert_eq!((operation.outcome.done, operation.undoable), (1001, 0));
        let error = inspector(&s).undo(&operation.id, "ben").await.unwrap_err();
        assert!(error.to_string().contains("more than 1,000"), "{error}");

        let uncounted = inspector(&s).select(SCHEDULED, Filter::parse("class:B").unwrap());
        let operation = begin(&uncounted, Act::Delete).await.finish().await.unwrap();
        assert_eq!((operation.outcome.done, operation.undoable), (1001, 0), "nothing is kept in part");
    }

    async fn jobs_of_a_queue_are_moved_and_come_back_as_they_lay(s: Setup) {
        let jobs: Vec<_> = (0..7).map(|number| to("q", &job(["A", "B"][number % 2], number))).collect();
        s.push_all(&jobs).await;
        let (inspector, from) = (inspector(&s), queue("q"));
        let before = s.queue("q").await;
        let to_slow = Act::Move { queue: "slow".to_owned() };

        let operation = begin(&inspector.select(from.clone(), Filter::all()), to_slow.clone()).await.finish().await.unwrap();
        let moved = s.queue("slow").await;
        assert_eq!((operation.outcome.done, moved.len(), s.queue("q").await.len()), (7, 7, 0));
        assert!(moved.iter().all(|job| Payload::parse(job.as_bytes()).unwrap().queue().as_deref() == Some("slow")));
        let names: Vec<_> = inspector.queues().await.unwrap().into_iter().filter(|queue| queue.size > 0).map(|queue| queue.name).collect();
        assert_eq!(names, ["slow"]);
        assert_eq!(inspector.undo(&operation.id, "ben").await.unwrap().restored, 7);
        assert_eq!(s.queue("q").await, before);

        for limit in [usize::MAX, 7] {
            inspector.clear(&queue("other")).await.unwrap();
            let operation = begin(&inspector.select(from.clone(), Filter::all()).limit(limit), Act::Delete).await.finish().await.unwrap();
            inspector.clear(&from).await.unwrap();
            assert_eq!(inspector.undo(&operation.id, "ben").await.unwrap().restored, 7);
            assert_eq!(s.queue("q").await, before, "{limit}");
            assert!(inspector.queues().await.unwrap().iter().any(|queue| queue.name == "q"));
        }
        for act in [Act::Move { queue: "q".to_owned() }, Act::Retry] {
            let refused = inspector.select(from.clone(), Filter::all()).begin(&OperationId::random(), act, By::default(), None).await;
            assert!(matches!(refused, Err(ActError::Unsuitable { .. })));
        }
        let nowhere = Act::Move { queue: "no name\n".to_owned() };
        let refused = inspector.select(from, Filter::all()).begin(&OperationId::random(), nowhere, By::default(), None).await;
        assert!(matches!(refused, Err(ActError::QueueName { .. })));
    }

    async fn a_job_of_a_queue_runs_next(s: Setup) {
        s.push(&[&job("A", 1), &job("A", 2), &job("A", 3)]).await;
        let inspector = inspector(&s);
        let last = inspector.queue("q", 2, 1).await.unwrap();
        let Begun::New(run) = inspector.begin_on(&OperationId::random(), last, Act::RunNext, By::new("ann")).await.unwrap()
        else { panic!("new") };
        let operation = run.finish().await.unwrap();
        assert_eq!((operation.outcome.done, operation.undoable, &*operation.target), (1, 0, "A A3"));
        let order: Vec<_> = s.queue("q").await.iter().map(|job| Payload::parse(job.as_bytes()).unwrap().jid().to_string()).collect();
        assert_eq!(order, ["A3", "A1", "A2"]);
    }

    async fn an_operation_on_chosen_jobs_leaves_the_rest_alone(s: Setup) {
        schedule(&s, 3).await;
        let inspector = inspector(&s);
        let found = inspector.set(JobSet::Scheduled, 1, 2).await.unwrap();
        let chosen: Vec<_> = found.iter().map(|found| found.jid().to_owned()).collect();
        let Begun::New(run) = inspector.begin_on(&OperationId::random(), found, Act::Kill, By::new("ann")).await.unwrap()
        else { panic!("new") };
        let operation = run.finish().await.unwrap();
        assert_eq!((operation.outcome.done, &*operation.target), (2, "2 chosen jobs"));
        let mut killed = jids(&s, JobSet::Dead).await;
        killed.sort();
        let mut wanted = chosen.clone();
        wanted.sort();
        assert_eq!(killed, wanted);
        assert_eq!(inspector.undo(&operation.id, "ann").await.unwrap().restored, 2);
        let Begun::New(run) = inspector.begin_on(&OperationId::random(), Vec::new(), Act::Kill, By::new("ann")).await.unwrap()
        else { panic!("new") };
        assert_eq!(run.finish().await.unwrap().outcome.done, 0);
    }

    async fn what_is_no_job_is_counted_and_left(s: Setup) {
        s.push_all(&[at(START + DAY, "no job"), at(START + DAY, &job("A", 1))]).await;
        let all = inspector(&s).select(SCHEDULED, Filter::all());
        let count = all.count(100).await.unwrap();
        assert_eq!((count.matching, count.not_jobs, count.bytes), (2, 1, 6 + job("A", 1).len()));
        let operation = begin(&all, Act::Retry).await.finish().await.unwrap();
        assert_eq!((operation.outcome.done, operation.outcome.not_jobs), (1, 1));
        assert_eq!(operation.summary(), "retry: 1 done, 1 are no jobs, left as they are");
        assert_eq!(s.set(JobSet::Scheduled).await.len(), 1);
    }

    async fn the_log_keeps_a_thousand(s: Setup) {
        let inspector = inspector(&s);
        let mut ids = Vec::new();
        for number in 0..1002 {
            ids.push(inspector.note(By::new("ann"), "pause", None, &number.to_string(), 1).await.unwrap());
            s.clock.advance(Duration::from_secs(1));
        }
        let all = inspector.operations(usize::MAX).await.unwrap();
        assert_eq!((all.len(), &*all[0].target, &*all[999].target), (1000, "1001", "2"));
    }
}

/// What the log and the jobs that are kept leave in Redis goes by itself, and other programs see nothing of it.
#[tokio::test]
async fn what_the_log_leaves_in_redis_goes_by_itself() {
    let s = Setup::redis();
    schedule(&s, 3).await;
    let operation = begin(&all_a(&s), Act::Delete).await.finish().await.unwrap();
    let mut connection = s.server.as_ref().unwrap().connection();
    let ttl = |key: String, connection: &mut ::redis::Connection| -> i64 {
        ::redis::cmd("TTL").arg(key).query(connection).unwrap()
    };
    assert!((500..=600).contains(&ttl(format!("kiq:undo:{}", operation.id), &mut connection)));
    assert!((2_591_000..=2_592_000).contains(&ttl(format!("kiq:op:{}", operation.id), &mut connection)));

    let noted = inspector(&s).note(By::new("ann"), "pause", None, "mail", 1).await.unwrap();
    assert!((2_591_000..=2_592_000).contains(&ttl(format!("kiq:op:{noted}"), &mut connection)));
    // One whose record was removed while it ran has a time to live all the same.
    let run = begin(&all_a(&s), Act::Delete).await;
    let key = format!("kiq:op:{}", run.id());
    ::redis::cmd("DEL").arg(&key).exec(&mut connection).unwrap();
    run.finish().await.unwrap();
    assert!(ttl(key, &mut connection) > 0);
    let mut names: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    names.retain(|name| !name.starts_with("kiq:"));
    names.sort();
    assert_eq!(names, ["schedule"]);
}

/// Where the server is full, jobs can be deleted all the same.
#[tokio::test]
async fn jobs_are_deleted_where_the_memory_is_full() {
    let s = Setup::redis();
    schedule(&s, 120).await;
    let mut connection = s.server.as_ref().unwrap().connection();
    ::redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut connection).unwrap();

    let operation = begin(&all_a(&s), Act::Delete).await.finish().await.unwrap();

    assert_eq!((operation.outcome.done, operation.undoable), (120, 120));
    assert_eq!(inspector(&s).undo(&operation.id, "ben").await.unwrap().restored, 120);
    let run = begin(&all_a(&s), Act::Delete).await;
    assert!(inspector(&s).stop_operation(run.id()).await.unwrap());
}

/// A key of the wrong type under what is kept takes no job with it.
#[tokio::test]
async fn a_key_of_the_wrong_type_takes_no_job_with_it() {
    let s = Setup::redis();
    schedule(&s, 2).await;
    let mut connection = s.server.as_ref().unwrap().connection();
    let mut set = |key: String| ::redis::cmd("SET").arg(key).arg("text").exec(&mut connection).unwrap();
    let run = begin(&all_a(&s), Act::Delete).await;
    set(format!("kiq:undo:{}", run.id()));
    let id = run.id().clone();
    let error = run.finish().await.unwrap_err().to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    let failed = inspector(&s).operation(&id).await.unwrap();
    assert!(failed.is_none_or(|failed| matches!(failed.state, OperationState::Failed(_))));
    assert_eq!(s.set(JobSet::Scheduled).await.len(), 4);

    let operation = begin(&all_a(&s), Act::Retry).await.finish().await.unwrap();
    s.broker.clear(&SCHEDULED).await.unwrap();
    set("schedule".to_owned());
    let error = inspector(&s).undo(&operation.id, "ben").await.unwrap_err().to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    assert_eq!(s.queue("q").await.len(), 2, "what cannot be put back stays where it is");
    s.broker.clear(&SCHEDULED).await.unwrap_err();
    ::redis::cmd("DEL").arg("schedule").exec(&mut connection).unwrap();
    assert_eq!(inspector(&s).undo(&operation.id, "ben").await.unwrap().restored, 2);
}
