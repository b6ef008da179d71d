//! Arguments, environment, file, default: who wins, and what is said about each mistake.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kiq::program::{Arguments, Origin, Settings};
use tempfile::TempDir;

/// A folder, variables and arguments of a test's own.
#[derive(Default)]
struct Given {
    folder: Option<TempDir>,
    variables: Vec<(&'static str, OsString)>,
    arguments: Arguments,
}

impl Given {
    fn file(mut self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let folder = self.folder.get_or_insert_with(|| TempDir::new().unwrap());
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn toml(text: &str) -> Self {
        Given::default().file("kiq.toml", text)
    }

    fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn load(self) -> Result<Settings, String> {
        let folder = self.folder.unwrap_or_else(|| TempDir::new().unwrap());
        let variables = self.variables;
        let read = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        Settings::load_from(&self.arguments, &read, folder.path()).map_err(|error| error.to_string())
    }

    /// What is said about it.
    fn fault(self) -> String {
        self.load().map(|settings| format!("taken as {settings:?}")).unwrap_err()
    }
}

fn shown(settings: &Settings, name: &str) -> String {
    let (_, value, from) = settings.list().into_iter().find(|(known, ..)| *known == name).unwrap();
    format!("{value} ({from})")
}

#[test]
fn without_anything_said_there_are_defaults() {
    let settings = Given::default().load().unwrap();
    assert!(settings.list().iter().all(|(_, _, from)| *from == Origin::Default));
    assert_eq!(settings.concurrency.value, 10);
    assert_eq!(settings.timeout.value, Duration::from_secs(25));
    assert_eq!(shown(&settings, "queues"), "default (default)");
    assert_eq!(shown(&settings, "redis.url"), "redis://127.0.0.1:6379/0 (default)");
}

/// A2, A3, A5.
#[test]
fn arguments_win_over_the_environment_that_over_the_file_that_over_defaults() {
    let file = "concurrency = 3\ntimeout = 8\ntag = \"file\"\nlease = \"1m\"\nqueues = [\"a\"]";
    let mut given = Given::toml(file).variable("KIQ_CONCURRENCY", "4").variable("KIQ_TAG", "variable");
    given.arguments = Arguments {
        concurrency: Some("5".to_owned()),
        queues: vec!["high,3".to_owned(), "low".to_owned()],
        ..Arguments::default()
    };
    let settings = given.load().unwrap();
    let all = ["concurrency", "tag", "timeout", "lease", "queues", "max_unacked"].map(|name| shown(&settings, name));
    assert_eq!(
        all,
        [
            "5 (--concurrency)",
            "variable ($KIQ_TAG)",
            "8s (kiq.toml)",
            "60s (kiq.toml)",
            "high,3 low (--queue)",
            "256 (default)"
        ]
    );
}

/// A2 and A4.
#[test]
fn a_file_takes_its_numbers_from_the_environment_too() {
    let file = "concurrency = \"${THREADS:-7}\"\ntag = \"${APP}-$${x}\"\n[redis]\nurl = \"redis://:${SECRET}@h:1/2\"";
    let given = || Given::toml(file).variable("APP", "shop").variable("SECRET", "hush\n");
    let settings = given().load().unwrap();
    assert_eq!(shown(&settings, "concurrency"), "7 (kiq.toml)");
    assert_eq!(shown(&settings, "tag"), "shop-${x} (kiq.toml)");
    assert_eq!(shown(&settings, "redis.url"), "redis://h:1/2 (kiq.toml)");
    assert!(!format!("{settings:?}").contains("hush"));
    assert_eq!(shown(&given().variable("THREADS", "9").load().unwrap(), "concurrency"), "9 (kiq.toml)");
    let fault = Given::toml("tag = \"${APP}\"").fault();
    assert!(fault.contains("kiq.toml: \"${APP}\" needs the variable APP, which is not set"), "{fault}");
}

#[test]
fn the_section_of_the_environment_wins_over_the_top() {
    let file =
        "concurrency = 1\ntag = \"x\"\n[environments.production]\nconcurrency = 50\n[environments.test]\ncolour = 1";
    assert_eq!(Given::toml(file).load().unwrap().concurrency.value, 1);
    let production = Given::toml(file).variable("APP_ENV", "production").load().unwrap();
    assert_eq!((production.concurrency.value, &*production.tag.value), (50, "x"));
    assert!(Given::toml(file).variable("KIQ_ENV", "test").fault().contains("there is no key colour"));
}

#[test]
fn capsules_have_queues_and_concurrency() {
    let settings = Given::toml("[capsules.exports]\nqueues = [\"exports\"]\nconcurrency = 1").load().unwrap();
    assert_eq!(shown(&settings, "capsules"), "exports: exports (1 at once) (kiq.toml)");
    for (file, words) in [
        ("[capsules.x]\nqueue = [\"a\"]", "there is no key capsules.x.queue; did you mean capsules.x.queues?"),
        ("[capsules.x]\nconcurrency = 0", "capsules.x.concurrency is 0; it must be a whole number from 1 to 100000"),
        ("capsules = 3", "capsules must be sections like [capsules.exports]"),
    ] {
        let fault = Given::toml(file).fault();
        assert!(fault.contains(words), "{fault}");
    }
}

#[test]
fn a_file_of_sidekiqs_is_read_with_its_own_names() {
    let file = ":concurrency: 5\n:timeout: 8\n:verbose: true\nqueues:\n  - [high, 2]\n  - low,1\nproduction:\n  concurrency: 25\n";
    let given = || Given::default().file("config/sidekiq.yml", file);
    let settings = given().load().unwrap();
    assert_eq!(shown(&settings, "queues"), "high,2 low,1 (config/sidekiq.yml)");
    assert_eq!(shown(&settings, "timeout"), "8s (config/sidekiq.yml)");
    assert_eq!(settings.warnings, ["config/sidekiq.yml: verbose means nothing to kiq, and was left out"]);
    assert_eq!(given().variable("RAILS_ENV", "production").load().unwrap().concurrency.value, 25);
    let fault = Given::default().file("sidekiq.yml", "concurency: 3\n").fault();
    assert!(fault.contains("there is no key concurency; did you mean concurrency?"), "{fault}");
    let erb = Given::default().file("sidekiq.yml", "concurrency: <%= 3 %>\n").fault();
    assert!(erb.contains("ERB"), "{erb}");
}

/// C1 of the table of bad configurations.
#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let named = |name: &str| {
        let mut given = Given::default().file("folder/x", "x");
        given.arguments.config = Some(PathBuf::from(name));
        given
    };
    for (given, words) in [
        (named("none.toml"), "none.toml: cannot be read: No such file"),
        (named("folder"), "folder: is a folder"),
        (named("folder/x"), "folder/x: its name must end with .toml"),
        (Given::toml(""), "kiq.toml: is empty"),
        (Given::default().file("kiq.toml", [0xff, 0xfe, 0]), "kiq.toml: is not text"),
        (Given::default().file("kiq.toml", vec![b'#'; 2 << 20]), "kiq.toml: is larger than 1 MiB"),
        (Given::toml("concurrency: 5\n"), "Is it YAML?"),
        (Given::toml("concurrency = \n"), "kiq.toml: is not TOML"),
        (Given::default().variable("KIQ_CONFIG", "gone.toml"), "gone.toml: cannot be read"),
    ] {
        let fault = given.fault();
        assert!(fault.contains(words), "{fault}");
    }
}

/// C2, C3, C4 and C13.
#[test]
fn every_mistake_is_named_at_once_with_the_rule() {
    let fault = Given::toml("concurency = 5\ntimeout = 0\nqueues = []\n[redis]\nuri = \"x\"")
        .variable("KIQ_CONCURRENCY", "1000000000")
        .fault();
    for words in [
        "kiq.toml: there is no key concurency; did you mean concurrency?",
        "$KIQ_CONCURRENCY: concurrency is \"1000000000\"; it must be a whole number from 1 to 100000",
        "kiq.toml: timeout is 0; it must be from 1 to 3600 seconds",
        "kiq.toml: queues is empty",
        "there is no key redis.uri; did you mean redis.url?",
        "redis.url must be an address",
    ] {
        assert!(fault.contains(words), "{words} is not in: {fault}");
    }
}

#[test]
fn a_value_out_of_range_is_named_with_its_range() {
    for (file, words) in [
        ("concurrency = -1", "concurrency is -1; it must be a whole number from 1"),
        ("concurrency = \"many\"", "concurrency is \"many\""),
        ("concurrency = 1.5", "concurrency is 1.5"),
        ("timeout = -5", "timeout is -5"),
        ("timeout = \"2h\"", "timeout is \"2h\"; it must be from 1 to 3600 seconds"),
        ("queues = [\"a,0\"]", "has the weight \"0\"; it must be from 1 to 1000"),
        ("queues = [\"a,b\"]", "has the weight \"b\""),
        ("queues = [\"a b\"]", "cannot be a queue"),
        ("queues = 3", "queues must be a list"),
        ("queues = { a = 0 }", "has the weight \"0\""),
        ("environments = 1", "environments must have sections"),
        ("redis = \"redis://h\"", "redis must be a section"),
        ("max_retries = 1001", "max_retries is 1001; it must be a whole number from 0 to 1000"),
        ("dead_max_jobs = 0", "dead_max_jobs is 0; it must be a whole number from 1"),
        ("dead_timeout = 59", "dead_timeout is 59; it must be from 60 to"),
        ("blocking_threads = 0", "blocking_threads is 0; it must be a whole number from 1 to 10000"),
        ("blocked_after = \"soon\"", "blocked_after is \"soon\"; it must be a text like \"100ms\" or \"2s\""),
        ("health = \"localhost:1\"", "health is \"localhost:1\"; it must be a port of the loopback like 7433, or"),
        ("health = 70000", "health is 70000"),
        ("statsd = 8125", "statsd is 8125; it must be like \"127.0.0.1:8125\""),
    ] {
        let fault = Given::toml(file).fault();
        assert!(fault.contains(words), "{fault}");
    }
}

/// C5, C6, C7, C12 and C14.
#[test]
fn an_address_of_redis_that_cannot_be_used_is_refused() {
    for (variable, value, words) in [
        ("REDIS_URL", "", "REDIS_URL is set but empty"),
        ("REDIS_URL", "localhost:6379", "$REDIS_URL: "),
        ("REDIS_URL", "redis://h:99999/0", "$REDIS_URL: "),
        ("REDIS_URL", "redis://h/abc", "$REDIS_URL: "),
        ("REDIS_URL", "rediss://h/0#insecure", "$REDIS_URL: "),
        ("REDIS_PROVIDER", "redis://h", "must hold the name of a variable, not an address"),
        ("REDIS_PROVIDER", "NOWHERE", "REDIS_PROVIDER names NOWHERE, and that variable is not set"),
    ] {
        let fault = Given::default().variable(variable, value).fault();
        assert!(fault.contains(words), "{fault}");
    }
    let provider =
        Given::default().variable("REDIS_PROVIDER", "OTHER").variable("OTHER", "redis://:p%40ss@[::1]:7000/3\n");
    let settings = provider.load().unwrap();
    assert_eq!(shown(&settings, "redis.url"), "redis://[::1]:7000/3 ($OTHER)");
    assert_eq!(settings.warnings, ["$OTHER has blanks or an end of line around it, which were left out"]);
}

/// A1: `KIQ_REDIS_PROVIDER` wins over Sidekiq's, and neither is passed over when it is wrong.
#[test]
fn kiqs_own_variable_may_name_the_one_with_the_address() {
    let given =
        || Given::default().variable("FAILOVER_URL", "redis://:hush@b:1/0").variable("REDIS_URL", "redis://c:1/0");
    let settings =
        given().variable("KIQ_REDIS_PROVIDER", "FAILOVER_URL").variable("REDIS_PROVIDER", "REDIS_URL").load().unwrap();
    assert_eq!(shown(&settings, "redis.url"), "redis://b:1/0 ($FAILOVER_URL)");
    let fault = given().variable("KIQ_REDIS_PROVIDER", "redis://h").fault();
    assert!(fault.contains("KIQ_REDIS_PROVIDER must hold the name of a variable, not an address"), "{fault}");
    let fault = given().variable("KIQ_REDIS_PROVIDER", "NOWHERE").fault();
    assert!(fault.contains("KIQ_REDIS_PROVIDER names NOWHERE, and that variable is not set"), "{fault}");
}

/// A3: a timeout that the platform does not wait for is not one.
#[test]
fn a_timeout_beyond_the_grace_of_platforms_is_warned_of() {
    assert_eq!(Given::toml("timeout = 29").load().unwrap().warnings, Vec::<String>::new());
    let settings = Given::toml("timeout = 30").load().unwrap();
    assert!(settings.warnings[0].starts_with("kiq.toml: timeout is 30 s, and Kubernetes"), "{:?}", settings.warnings);
}

#[test]
fn retries_dead_jobs_threads_health_and_statsd_are_settings_like_all_others() {
    let names =
        ["max_retries", "dead_max_jobs", "dead_timeout", "blocking_threads", "blocked_after", "health", "statsd"];
    let of = |given: Given| {
        let settings = given.load().unwrap();
        names.map(|name| shown(&settings, name))
    };
    let defaults = ["25", "10000", "180 days", "10", "100ms", "", ""].map(|value| format!("{value} (default)"));
    assert_eq!(of(Given::default()), defaults);
    let file = "max_retries = 3\ndead_max_jobs = 50\ndead_timeout = \"2w\"\nblocking_threads = 4\nblocked_after = \"2s\"\n\
                health = \"0.0.0.0:7433\"\nstatsd = \"agent:8125\"";
    let in_file = ["3", "50", "14 days", "4", "2s", "0.0.0.0:7433", "agent:8125"];
    assert_eq!(of(Given::toml(file)), in_file.map(|value| format!("{value} (kiq.toml)")));
    let variables = [
        ("KIQ_MAX_RETRIES", "0", "0"),
        ("KIQ_DEAD_MAX_JOBS", "1", "1"),
        ("KIQ_DEAD_TIMEOUT", "172800", "2 days"),
        ("KIQ_BLOCKING_THREADS", "9", "9"),
        ("KIQ_BLOCKED_AFTER", "0", "0ns"),
        ("KIQ_HEALTH", "7433", "127.0.0.1:7433"),
        ("KIQ_STATSD", "[::1]:8125", "[::1]:8125"),
    ];
    let given = variables.iter().fold(Given::toml(file), |given, (name, value, _)| given.variable(name, value));
    assert_eq!(of(given), variables.map(|(name, _, value)| format!("{value} (${name})")));
    let mut given = Given::toml(file).variable("KIQ_HEALTH", "1");
    given.arguments.health = Some("[::]:7433".to_owned());
    assert_eq!(shown(&given.load().unwrap(), "health"), "[::]:7433 (--health)");
}

#[test]
fn a_file_of_sidekiqs_says_how_much_of_the_dead_is_kept() {
    let file = "max_retries: 4\ndead_max_jobs: 20\ndead_timeout_in_seconds: 172800\n";
    let settings = Given::default().file("sidekiq.yml", file).load().unwrap();
    let of = ["max_retries", "dead_max_jobs", "dead_timeout"].map(|name| shown(&settings, name));
    assert_eq!(of, ["4", "20", "2 days"].map(|value| format!("{value} (sidekiq.yml)")));
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn threads_for_blocking_jobs_are_as_many_as_jobs_at_once_and_512_at_most() {
    let shown_of = |file: &str| shown(&Given::toml(file).load().unwrap(), "blocking_threads");
    let file = "concurrency = 20\n[capsules.exports]\nqueues = [\"exports\"]\nconcurrency = 3";
    assert_eq!(shown_of(file), "23 (default)");
    assert_eq!(shown_of("concurrency = 5000"), "512 (default)");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut given = Given::default();
    given.variables.push(("KIQ_TAG", OsString::from_vec(vec![0xff])));
    assert!(given.fault().contains("$KIQ_TAG: is not text in UTF-8"));
}

#[test]
fn the_file_may_name_the_variable_that_has_the_address() {
    let file = "[redis]\nprovider = \"ORDERS_REDIS_URL\"";
    let given = || Given::toml(file).variable("REDIS_URL", "redis://127.0.0.1:6379/1");
    let orders = "redis://127.0.0.1:6379/2";

    let unset = given().load().unwrap();
    let set = given().variable("ORDERS_REDIS_URL", orders).load().unwrap();
    let overruled = given().variable("ORDERS_REDIS_URL", orders).variable("KIQ_REDIS_URL", "redis://127.0.0.1:6379/3");
    let named = given().variable("ORDERS_REDIS_URL", orders).variable("REDIS_PROVIDER", "REDIS_URL");
    let with_url = Given::toml(&format!("{file}\nurl = \"redis://127.0.0.1:6379/4\"")).load().unwrap();

    // Another program's Redis is not taken in its place.
    assert_eq!(shown(&unset, "redis.url"), "redis://127.0.0.1:6379/0 (default)");
    assert_eq!(shown(&set, "redis.url"), "redis://127.0.0.1:6379/2 ($ORDERS_REDIS_URL)");
    assert_eq!(shown(&overruled.load().unwrap(), "redis.url"), "redis://127.0.0.1:6379/3 ($KIQ_REDIS_URL)");
    assert_eq!(shown(&named.load().unwrap(), "redis.url"), "redis://127.0.0.1:6379/1 ($REDIS_URL)");
    assert!(shown(&with_url, "redis.url").starts_with("redis://127.0.0.1:6379/4 ("));
    let fault = given().variable("ORDERS_REDIS_URL", " ").fault();
    assert!(fault.contains("ORDERS_REDIS_URL is set but empty"), "{fault}");
    let fault = Given::toml("[redis]\nprovider = \"redis://127.0.0.1\"").fault();
    assert!(fault.contains("redis.provider") && fault.contains("must be the name of a variable"), "{fault}");
}
