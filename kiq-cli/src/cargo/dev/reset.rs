//! `cargo kiq dev reset`: an empty store to go on with. It takes what is kiq's, of development's Redis, and nothing else.

use std::io;

use clap::ArgMatches;
use kiq::Inspector;
use kiq::program::Settings;

use super::environment::Environment;
use crate::project::Project;
use crate::shell::{self, Fault, Shell, ask, yes_or_no};

/// The only environment that is reset.
const DEVELOPMENT: &str = "development";

pub(crate) fn run(given: &ArgMatches, shell: &Shell) -> Result<(), Fault> {
    let project = Project::find(given.get_one::<String>("package").map(String::as_str))?;
    let settings = Environment::read(&project.folder)?.settings(&project.folder)?;
    let client = settings.client()?;
    let place = client.broker().place();
    check(&settings, &place, given.get_one::<String>("host").map(String::as_str))?;
    let inspector = Inspector::new(&client);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stats = runtime.block_on(inspector.stats())?;
    let jobs = [
        (stats.enqueued, "enqueued"),
        (stats.scheduled, "scheduled"),
        (stats.retries, "to be retried"),
        (stats.dead, "dead"),
        (stats.in_flight, "running"),
    ];
    let jobs: Vec<String> =
        jobs.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let jobs = if jobs.is_empty() { "no jobs".to_owned() } else { format!("jobs {}", jobs.join(", ")) };
    let what = format!("{jobs}, and all numbers, of {place}");
    if given.get_flag("dry-run") {
        shell.note(&format!("would forget {what}"));
        return Ok(());
    }
    if !given.get_flag("yes") {
        if !shell::is_answered() {
            return Err(format!("would forget {what}, and there is nobody to ask; say `--yes`").into());
        }
        let question = format!("Forget {what}?");
        if !ask(&question, "n", &mut io::stdin().lock(), &mut io::stderr(), yes_or_no)? {
            return Err(Fault::Interrupted);
        }
    }
    let keys = runtime.block_on(inspector.forget_everything())?;
    shell.status("Forgot", format_args!("{what} ({keys} keys)"));
    Ok(())
}

/// Whether that Redis is development's, as far as can be known.
fn check(settings: &Settings, place: &str, host: Option<&str>) -> Result<(), Fault> {
    let environment = &settings.environment;
    if environment.value != DEVELOPMENT {
        return Err(format!(
            "this is {} ({}), and only {DEVELOPMENT} is reset; nothing was touched",
            environment.value, environment.from
        )
        .into());
    }
    if !settings.names_redis() {
        return Err(
            "no Redis is named, so jobs are in memory and gone with the program; there is nothing to reset".into()
        );
    }
    let there = host_of(place);
    if is_here(there) || host == Some(there) {
        return Ok(());
    }
    Err(format!(
        "{place} is on another machine, {there:?}, and might be somebody else's; if it is {DEVELOPMENT}'s, say `--host {there}`. Nothing \
         was touched"
    )
    .into())
}

/// `redis://user:password@HOST:6379/0` → `HOST`. For Sentinels all of them; for a socket nothing.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(scheme, rest)| if scheme.contains("unix") { "" } else { rest });
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, _)) => host,
        None if host.contains(',') => host,
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether it is this machine, reached by nobody else's network.
fn is_here(host: &str) -> bool {
    host.is_empty()
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_every_kind_of_address() {
        for (url, host) in [
            ("redis://127.0.0.1:6379/0", "127.0.0.1"),
            ("redis://user:p@ss@redis.example.com:6379/0", "redis.example.com"),
            ("rediss://redis.example.com", "redis.example.com"),
            ("redis://[::1]:6379/0", "::1"),
            ("redis+sentinel://a:1,b:2/mymaster/0", "a:1,b:2"),
            ("redis+unix:///run/redis.sock", ""),
            ("unix:///run/redis.sock", ""),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }

    #[test]
    fn only_this_machine_is_here() {
        assert!(is_here("127.0.0.1") && is_here("::1") && is_here("localhost") && is_here(""));
        assert!(!is_here("10.0.0.1") && !is_here("redis") && !is_here("localhost.example.com") && !is_here("0.0.0.0"));
    }
}
