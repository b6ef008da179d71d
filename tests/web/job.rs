//! The page of one job.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use kiq::broker::{Beat, Identity, ProcessInfo, Work};
use kiq::inspect::{Act, JobSet, Place};
use kiq::web::{Auth, Dashboard};
use kiq::{Client, Inspector, Payload, Worker};
use kiq_testing::{Events, RedisServer};

use crate::asking::{commands, get, job, page, post, public};

/// A login whose second argument is nobody's business.
#[kiq::job(queue = "logins", retry = 5)]
async fn log_in(user: u64, password: &str, note: &str) -> Result<(), String> {
    Err(format!("<b>no</b> user {user} {} {note}", password.len()))
}

async fn scheduled(client: &Client, class: &str, number: u32) -> Payload {
    let job = job(class, "mail", number);
    client.push(job.clone(), Some(client.clock().now() + Duration::from_secs(3600))).await.unwrap();
    job
}

#[tokio::test]
async fn a_job_has_one_address_wherever_it_is() {
    let client = Client::in_memory();
    let inspector = Inspector::new(&client);
    let dashboard = public(&client);
    let path = format!("/jobs/{}", scheduled(&client, "SendMail", 1).await.jid());
    let act = async |set, act| {
        let found = &inspector.set(set, 0, 1).await.unwrap()[0];
        inspector.act(found, act).await.unwrap();
    };

    let later = page(&dashboard, &path).await;
    assert!(later.contains("in scheduled, attempt 1") && later.contains("Run now"), "{later}");
    act(JobSet::Scheduled, Act::Kill).await;
    let dead = page(&dashboard, &path).await;
    assert!(dead.contains("It does not run again unless somebody retries it") && !dead.contains("Kill…"), "{dead}");
    act(JobSet::Dead, Act::Retry).await;
    let queued = page(&dashboard, &path).await;
    assert!(queued.contains("no worker process lives. Start one") && !queued.contains("Retry now"), "{queued}");
    inspector.pause("mail").await.unwrap();
    assert!(page(&dashboard, &path).await.contains("Its queue mail is paused"));
    inspector.clear(&Place::Queue("mail".to_owned())).await.unwrap();
    let gone = get(&dashboard, &path).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.text.contains("It has ended, was deleted"), "{}", gone.text);
}

#[tokio::test]
async fn a_failure_is_told_with_what_was_given_and_secrets_are_shown_on_request_alone() {
    let client = Client::in_memory();
    let receipt = LogIn::enqueue(7, "hunter2", "<script>alert(1)</script>").on(&client).await.unwrap();
    let worker = Worker::builder().client(client.clone()).queues(["logins"]).build().unwrap();
    let mut events = Events::of(&worker);
    worker.run_until(async { drop(events.failed("LogIn").await) }).await.unwrap();
    let dashboard = public(&client);
    let path = format!("/jobs/{}", receipt.jid);

    let shown = page(&dashboard, &path).await;

    assert!(shown.contains("in retries, attempt 2 of 6"), "{shown}");
    assert!(shown.contains("&#60;b&#62;no&#60;/b&#62; user 7 7") && !shown.contains("<script>alert"));
    assert!(shown.contains("<dt>password</dt><dd class=\"mono pre\">•••</dd>"), "{shown}");
    assert!(!shown.contains("hunter2") && shown.contains("log_in"));
    let revealed = post(&dashboard, &format!("{path}/reveal"), "").await;
    assert_eq!(revealed.status, StatusCode::OK);
    assert!(revealed.text.contains("hunter2") && revealed.text.contains("that you looked is in the log"));
    assert!(!page(&dashboard, &path).await.contains("hunter2"), "the next look shows nothing");
    let noted = &Inspector::new(&client).operations(9).await.unwrap()[0];
    assert_eq!((&*noted.verb, noted.target.contains(receipt.jid.as_str())), ("reveal", true));

    let closed = Dashboard::new(&client, Auth::public_i_understand().read_only()).router();
    let shown = page(&closed, &path).await;
    assert!(!shown.contains("Show them") && !shown.contains("Retry now") && !shown.contains("Delete…"));
    for verb in ["reveal", "retry", "kill", "delete"] {
        assert_eq!(post(&closed, &format!("{path}/{verb}"), "").await.status, StatusCode::FORBIDDEN, "{verb}");
    }
    assert_eq!(get(&closed, &format!("{path}/kill")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_running_job_says_where_it_runs() {
    let client = Client::in_memory();
    let job = job("SendMail", "mail", 1);
    let process = client.broker().attach(Identity::of_this_process());
    let work = Work {
        tid: "t0".to_owned(),
        queue: "mail".into(),
        payload: job.to_string().as_bytes().into(),
        run_at: client.clock().now() - Duration::from_secs(90),
    };
    let info =
        ProcessInfo { started_at: client.clock().now(), tag: "shop".to_owned(), capsules: Vec::new(), embedded: false };
    let beat = Beat {
        info: Arc::new(info),
        work: vec![work],
        quiet: false,
        lease: Duration::from_secs(60),
        rss_kib: 0,
        at: client.clock().now(),
    };
    process.beat(&beat).await.unwrap();
    let dashboard = public(&client);

    let shown = page(&dashboard, &format!("/jobs/{}", job.jid())).await;

    assert!(shown.contains("runs, attempt 1") && shown.contains("It runs on ") && shown.contains("1 m 30 s ago"));
    assert!(!shown.contains("Delete…"));
    let refused = post(&dashboard, &format!("/jobs/{}/delete", job.jid()), "").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(refused.text.contains("can only be let run"), "{}", refused.text);
}

#[tokio::test]
async fn a_job_is_acted_upon_once() {
    let client = Client::in_memory();
    let inspector = Inspector::new(&client);
    let dashboard = public(&client);
    let [one, other] = [scheduled(&client, "SendMail", 1).await, scheduled(&client, "SendMail", 2).await];
    let path = |job: &Payload, verb: &str| format!("/jobs/{}/{verb}", job.jid());

    let asked = page(&dashboard, &path(&one, "kill")).await;
    assert!(asked.contains("It is in scheduled now. It goes to the dead") && asked.contains("in=scheduled"), "{asked}");
    assert_eq!(inspector.stats().await.unwrap().scheduled, 2, "to ask changes nothing");
    let killed = post(&dashboard, &path(&one, "kill"), &format!("return=jobs%2F{}", one.jid())).await;
    assert_eq!(killed.status, StatusCode::SEE_OTHER);
    assert_eq!(killed.header("location"), format!("../../jobs/{}", one.jid()));
    assert!(killed.header("set-cookie").contains("is%20among%20the%20dead"), "{killed:?}");
    let again = post(&dashboard, &path(&one, "kill"), "").await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "the dead cannot be killed: {}", again.text);

    let deleted = post(&dashboard, &path(&other, "delete"), &format!("return=jobs%2F{}", other.jid())).await;
    assert_eq!(deleted.header("location"), "../../scheduled", "its own page is gone");
    let again = post(&dashboard, &path(&other, "delete"), "").await;
    assert!(again.status == StatusCode::NOT_FOUND && again.text.contains("nothing was changed"), "{}", again.text);
    let stats = inspector.stats().await.unwrap();
    assert_eq!((stats.scheduled, stats.dead), (0, 1));

    // What was done is in the log, and can be taken back.
    let operations = inspector.operations(9).await.unwrap();
    assert_eq!(operations.iter().map(|one| &*one.verb).collect::<Vec<_>>(), ["delete", "kill"]);
    assert!(deleted.header("set-cookie").contains(operations[0].id.as_str()), "{deleted:?}");
    inspector.undo(&operations[0].id, "ann").await.unwrap();
    assert_eq!(inspector.stats().await.unwrap().scheduled, 1);
}

#[tokio::test]
async fn what_is_no_id_is_refused_before_anything_is_read() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let dashboard = Arc::new(public(&client));
    page(&dashboard, "/help").await;
    page(&dashboard, "/busy").await;

    let sent = commands(&server, || async {
        for wrong in ["%00", "a%0Ab", &"x".repeat(65), "%FF"] {
            let answer = get(&dashboard, &format!("/jobs/{wrong}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {}", answer.text);
        }
    })
    .await;
    assert!(sent.is_empty(), "{sent:?}");
    // What might be one is looked for, whatever it means to Redis or to a browser.
    for odd in ["*", "%5B%5D%3F", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "..%2F..%2Fdead", "%20"] {
        let answer = get(&dashboard, &format!("/jobs/{odd}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{odd}");
        assert!(!answer.text.contains("<script>alert"), "{odd}");
    }
    for hint in ["?in=dead&at=x", "?all=9999"] {
        assert_eq!(get(&dashboard, &format!("/jobs/a{hint}")).await.status, StatusCode::BAD_REQUEST, "{hint}");
    }
    for hint in ["?in=nowhere&at=1", "?in=dead&at=1e400", "?in=dead", "?at=-1e300&in=retries"] {
        let status = get(&dashboard, &format!("/jobs/a{hint}")).await.status;
        assert_eq!(status, StatusCode::NOT_FOUND, "{hint}");
    }
}

#[tokio::test]
async fn a_job_is_found_with_one_command_by_a_link_that_says_where_it_was() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let dashboard = Arc::new(public(&client));
    let mut connection = server.connection();
    let fill = "for i = 1, 30000 do redis.call('ZADD', 'dead', 1795400000 + i, \
                '{\"class\":\"A\",\"args\":[],\"jid\":\"d' .. i .. '\",\"queue\":\"q\"}') end";
    redis::cmd("EVAL").arg(fill).arg(0).exec(&mut connection).unwrap();
    page(&dashboard, "/busy").await;

    let sent = commands(&server, || async { drop(page(&dashboard, "/jobs/d17?in=dead&at=1795400017").await) }).await;
    assert_eq!(sent.get("zrange"), Some(&1), "{sent:?}");
    assert_eq!(sent.get("zscan"), None, "{sent:?}");
    // Without, the search has a budget, and says what it read; everything is read on request.
    let sent = commands(&server, || async {
        let gone = get(&dashboard, "/jobs/nowhere").await;
        assert!(gone.text.contains("Search everything"), "{}", gone.text);
    })
    .await;
    assert!(sent["zscan"] <= 14, "{sent:?}");
    let all = get(&dashboard, "/jobs/nowhere?all=1").await;
    assert!(all.status == StatusCode::NOT_FOUND && all.text.contains("It has ended"), "{}", all.text);
}

#[tokio::test]
async fn a_megabyte_of_arguments_is_not_shown_and_does_no_harm() {
    let client = Client::in_memory().with_payload_limit(4 << 20);
    let receipt = LogIn::enqueue(7, "hunter2", "x".repeat(1 << 20)).on(&client).await.unwrap();
    let shown = page(&public(&client), &format!("/jobs/{}", receipt.jid)).await;

    assert!(shown.contains("1.0 MiB of JSON: more than is shown here"), "{}", &shown[..2000]);
    assert!(shown.len() < 20_000, "{}", shown.len());
}
