//! The quickstart as a newcomer runs it: in memory, on Redis, as two processes, and with input that is wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;
use std::process::{Command, Output};

use kiq_testing::RedisServer;

/// The example, built along with the tests.
fn quickstart() -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let mut command = Command::new(path.join("examples").join("quickstart"));
    for variable in ["KIQ_REDIS_URL", "REDIS_URL", "REDIS_PROVIDER", "KIQ_LOG", "KIQ_LOG_FORMAT"] {
        command.env_remove(variable);
    }
    command
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn last_line(output: &Output) -> String {
    stdout(output).lines().last().unwrap().to_owned()
}

fn fails_with(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_shipped_orders_run_in_memory() {
    let output = quickstart().output().unwrap();

    let text = stdout(&output);
    assert_eq!(text.lines().last(), Some("12 done (3 after retries), 1 dead"));
    assert_eq!(text.lines().filter(|line| line.starts_with("done ")).count(), 12, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("retry ")).count(), 6, "{text}");
    assert!(text.contains("dead   PrintLabel(1003,"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours in a pipe: {text:?}");
}

#[test]
fn rows_may_come_from_a_file_or_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.csv");
    std::fs::write(&file, "order,step,detail\n1,receipt,a@b.c\n2,ship,nowhere\n").unwrap();

    assert_eq!(last_line(&quickstart().arg(&file).output().unwrap()), "1 done (0 after retries), 1 dead");
    let rows = ["--row", "7,charge,19.90", "--row", "7,receipt,x@y.z"];
    assert_eq!(last_line(&quickstart().args(rows).output().unwrap()), "2 done (1 after retries), 0 dead");
}

#[test]
fn on_redis_it_does_the_same_in_one_process_and_in_two() {
    let server = RedisServer::start();
    let on_redis = || {
        let mut command = quickstart();
        command.env("KIQ_REDIS_URL", server.url());
        command
    };

    assert_eq!(last_line(&on_redis().output().unwrap()), "12 done (3 after retries), 1 dead");
    assert_eq!(last_line(&on_redis().arg("enqueue").output().unwrap()), "13 enqueued");
    assert_eq!(last_line(&on_redis().arg("work").output().unwrap()), "12 done (3 after retries), 1 dead");
    assert_eq!(last_line(&on_redis().arg("work").output().unwrap()), "0 done (0 after retries), 0 dead");
}

#[test]
fn half_of_two_processes_needs_a_redis() {
    let says = fails_with(quickstart().arg("work"));
    assert_eq!(says, "error: `work` is one half of two processes; set KIQ_REDIS_URL to the Redis they share\n");
}

#[test]
fn a_redis_that_is_not_there_is_named_without_its_password() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://shop:hunter2@127.0.0.1:{port}/0");

    let says = fails_with(quickstart().env("KIQ_REDIS_URL", url));

    assert!(says.contains(&format!("127.0.0.1:{port}")), "{says}");
    assert!(!says.contains("hunter2"), "{says}");
}

#[test]
fn input_that_is_wrong_is_named() {
    let row = |row: &str| fails_with(quickstart().args(["--row", row]));
    assert_eq!(row("7,refund,1"), "error: --row, row 1: unknown step \"refund\"; use charge, receipt or ship\n");
    assert_eq!(row("x,receipt,a"), "error: --row, row 1: \"x\" is not an order number, use digits only\n");
    assert_eq!(row("7,charge,19.9"), "error: --row, row 1: \"19.9\" is not an amount, write it like 19.90\n");
    let missing = PathBuf::from("no such file.csv");
    assert!(fails_with(quickstart().arg(missing)).starts_with("error: cannot read the orders from no such file.csv: "));
    assert!(fails_with(quickstart().env("KIQ_REDIS_URL", "not a url")).contains("is not a Redis address"));
}

#[test]
fn jobs_of_others_on_the_same_redis_are_left_alone_and_not_waited_for() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let job = r#"{"class":"Other","args":[],"jid":"o","queue":"other"}"#;
    redis::cmd("LPUSH").arg("queue:other").arg(job).exec(&mut connection).unwrap();
    redis::cmd("SADD").arg("queues").arg("other").exec(&mut connection).unwrap();
    redis::cmd("ZADD").arg("schedule").arg(9_999_999_999_i64).arg(job).exec(&mut connection).unwrap();
    // Pushed by hand, without listing the queue.
    redis::cmd("LPUSH").arg("queue:quickstart").arg("{oops").exec(&mut connection).unwrap();

    let output = quickstart().env("KIQ_REDIS_URL", server.url()).arg("work").output().unwrap();

    assert_eq!(last_line(&output), "0 done (0 after retries), 1 dead");
    let left: usize = redis::cmd("LLEN").arg("queue:other").query(&mut connection).unwrap();
    assert_eq!(left, 1);
}

#[test]
fn a_reader_that_has_seen_enough_stops_no_job() {
    let server = RedisServer::start();
    let mut child =
        quickstart().env("KIQ_REDIS_URL", server.url()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());

    assert!(child.wait().unwrap().success());
    let processed: usize = redis::cmd("GET").arg("stat:processed").query(&mut server.connection()).unwrap();
    assert_eq!(processed, 13 + 6);
}

#[test]
fn a_worker_that_is_told_to_stop_says_good_bye_to_redis() {
    use std::io::BufRead as _;
    let server = RedisServer::start();
    let on_redis = || {
        let mut command = quickstart();
        command.env("KIQ_REDIS_URL", server.url());
        command
    };
    on_redis().arg("enqueue").output().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut child = on_redis().args(["work", "--forever"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        on_redis().args(["enqueue", "--row", "1,receipt,a@b.c"]).output().unwrap();
        lines.next().unwrap().unwrap();
        assert!(Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap().success());

        assert!(child.wait().unwrap().success(), "{signal}");
        let last = lines.map_while(Result::ok).last().unwrap();
        assert!(last.ends_with(" dead"), "{last}");
        let processes: usize = redis::cmd("SCARD").arg("processes").query(&mut server.connection()).unwrap();
        assert_eq!(processes, 0);
    }
}
