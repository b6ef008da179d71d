//! What `#[job]` makes of a function, without a worker: each job is run through its `JobDef`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kiq::{
    Data, Disposition, Failure, FromJobContext, Jid, Job, JobContext, JobResult, Payload, Perform, Registry, Rejection,
    Retry, State, Timestamp,
};

/// Runs a job as a worker does: its payload, the state, nothing else.
async fn run<J: Perform>(job: J, state: State) -> JobResult {
    run_args::<J>(job.to_args().expect("arguments can be written").get(), state).await
}

async fn run_args<J: Perform>(args: &str, state: State) -> JobResult {
    let args = serde_json::value::RawValue::from_string(args.to_owned()).expect("JSON");
    let payload = Payload::new(J::NAME, &args, "default", Jid::random(), Timestamp::from_micros(0));
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    (J::DEF.run)(JobContext::new(payload, "default", state, None, stopping)).await
}

async fn failure<J: Perform>(job: J) -> Failure {
    run(job, State::new()).await.expect_err("the job fails")
}

fn args(job: &impl Job) -> String {
    job.to_args().expect("arguments can be written").get().to_owned()
}

/// State that a job writes to, so that a test sees what it was given.
#[derive(Default)]
struct Seen(std::sync::Mutex<Vec<String>>);

impl Seen {
    fn note(&self, what: impl std::fmt::Debug) {
        self.0.lock().unwrap().push(format!("{what:?}"));
    }

    fn notes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

type Notes = Arc<Seen>;

fn seen() -> (Notes, State) {
    let seen = Arc::new(Seen::default());
    let mut state = State::new();
    state.insert(Arc::clone(&seen));
    (seen, state)
}

mod arguments {
    use super::*;
    use std::collections::BTreeMap;

    /// Takes one of each.
    #[kiq::job]
    #[allow(clippy::too_many_arguments)]
    async fn take_all(
        /// The number.
        number: u64,
        text: &str,
        owned: String,
        list: &[u8],
        map: &BTreeMap<String, i32>,
        mut pair: (bool, char),
        r#type: Option<f64>,
        seen: Data<Notes>,
    ) {
        pair.0 = !pair.0;
        seen.note((number, text, owned, list, map, pair, r#type));
    }

    #[tokio::test]
    async fn arrive_as_they_were_given() {
        let (seen, state) = seen();
        let map = BTreeMap::from([("a".to_owned(), -1)]);

        let job = TakeAll::new(u64::MAX, "ann", "bob", vec![1, 2], map, (true, 'é'), None);

        assert_eq!(args(&job), r#"[18446744073709551615,"ann","bob",[1,2],{"a":-1},[true,"é"],null]"#);
        run(job, state).await.unwrap();
        assert_eq!(seen.notes(), [r#"(18446744073709551615, "ann", "bob", [1, 2], {"a": -1}, (false, 'é'), None)"#]);
    }

    #[test]
    fn are_fields_of_the_job_and_shown_by_debug() {
        let job = TakeAll::new(1, "a", String::from("b"), [].into(), BTreeMap::new(), (false, 'c'), Some(0.5));

        assert_eq!((job.number, job.text.as_str(), job.r#type), (1, "a", Some(0.5)));
        assert_eq!(format!("{job:?}"), r#"TakeAll(1,"a","b",[],{},[false,"c"],0.5)"#);
        assert_eq!(TakeAll::DEF.params, ["number", "text", "owned", "list", "map", "pair", "type"]);
    }

    const DPI: u32 = 72;

    #[kiq::job]
    async fn render(
        id: u64,
        #[arg(default = DPI)] dpi: u32,
        #[arg(default = "a4")] size: &str,
        #[arg(default = [1, 2])] pages: &[u8],
        #[arg(default)] draft: bool,
        title: Option<String>,
        seen: &Data<Notes>,
    ) {
        seen.note((id, dpi, size, pages, draft, title));
    }

    #[tokio::test]
    async fn of_an_older_payload_take_their_defaults() {
        let (seen, state) = seen();

        run_args::<Render>("[7]", state.clone()).await.unwrap();
        run_args::<Render>(r#"[7,90,"a5"]"#, state).await.unwrap();

        assert_eq!(seen.notes(), [r#"(7, 72, "a4", [1, 2], false, None)"#, r#"(7, 90, "a5", [1, 2], false, None)"#]);
    }

    #[kiq::job]
    async fn middle(first: Option<u8>, second: u8) {
        let _ = (first, second);
    }

    #[tokio::test]
    async fn that_do_not_fit_are_a_failure_that_names_them() {
        let message = async |args: &str| run_args::<Middle>(args, State::new()).await.unwrap_err().message();

        assert_eq!(message("[]").await, "Middle: missing argument 0 `first` (given 0)");
        assert_eq!(message("[null]").await, "Middle: missing argument 1 `second` (given 1)");
        assert_eq!(message("[1,2,3]").await, "Middle: wrong number of arguments (given 3, expected 2)");
        let wrong_type = message(r#"[1,"x"]"#).await;
        assert!(wrong_type.starts_with("Middle: argument 1 `second`: invalid type: string \"x\", expected u8"));
    }

    #[kiq::job]
    async fn unprintable(key: BTreeMap<Vec<u8>, u8>) {
        drop(key);
    }

    #[test]
    fn that_json_cannot_hold_are_an_error_of_the_enqueuer() {
        let job = Unprintable::new(BTreeMap::from([(vec![1, 2], 3)]));

        let error = job.to_args().unwrap_err().to_string();

        assert_eq!(error, "Unprintable: argument 0 `key` cannot be written as JSON: key must be a string");
    }

    #[kiq::job]
    async fn nothing() {}

    #[tokio::test]
    async fn may_be_none() {
        assert_eq!(args(&Nothing::new()), "[]");
        assert_eq!(args(&Nothing {}), "[]");
        run(Nothing {}, State::new()).await.unwrap();
    }

    #[tokio::test]
    async fn are_passed_by_a_call_of_the_function_itself() {
        let (seen, _) = seen();

        render(1, 2, "x", &[3], true, None, &Data::new(Arc::clone(&seen))).await;

        assert_eq!(seen.notes().len(), 1);
    }
}

mod supplied {
    use super::*;

    #[derive(Debug)]
    struct Tenant(#[allow(dead_code)] String);

    impl FromJobContext for Tenant {
        async fn from_job_context(cx: &JobContext) -> Result<Self, Rejection> {
            match cx.payload().get::<String>("tenant") {
                Some(tenant) => Ok(Tenant(tenant)),
                None => Err(Rejection::new("no tenant")),
            }
        }
    }

    #[kiq::job]
    async fn look_around(a: u8, cx: &JobContext, seen: Data<Notes>, own: JobContext, b: u8) {
        seen.note((a, cx.attempt(), own.class().to_owned(), b));
    }

    #[tokio::test]
    async fn parameters_are_not_stored() {
        let (seen, state) = seen();

        let job = LookAround::new(1, 2);

        assert_eq!(args(&job), "[1,2]");
        run(job, state).await.unwrap();
        assert_eq!(seen.notes(), [r#"(1, 1, "LookAround", 2)"#]);
    }

    #[test]
    fn state_is_asked_for_before_the_worker_starts() {
        let missing = (LookAround::DEF.check)(&State::new()).unwrap_err();

        assert!(missing.type_name().contains("Seen"), "{missing}");
        assert_eq!((LookAround::DEF.check)(&seen().1), Ok(()));
    }

    #[kiq::job]
    async fn for_tenant(#[inject] tenant: Tenant, #[inject] again: &Tenant) {
        let _ = (tenant, again);
    }

    #[tokio::test]
    async fn values_of_ones_own_may_be_refused() {
        let error = failure(ForTenant::new()).await;

        assert_eq!((error.class(), error.message().as_str()), ("kiq::Rejection", "no tenant"));
        assert_eq!(error.disposition(), Disposition::Retry);
    }

    mod homonyms {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(super) struct Data<T>(pub(super) T);
    }

    #[kiq::job]
    async fn own_data(#[arg] data: homonyms::Data<u8>) {
        let _ = data.0;
    }

    #[test]
    fn types_of_the_same_name_can_be_stored() {
        assert_eq!(args(&OwnData::new(homonyms::Data(7))), "[7]");
    }
}

mod blocking {
    use super::*;

    #[kiq::job]
    fn crunch(numbers: &[u32], seen: Data<Notes>, cx: &JobContext) -> Result<(), std::num::TryFromIntError> {
        seen.note((numbers, cx.class().to_owned()));
        u8::try_from(numbers[0])?;
        Ok(())
    }

    #[tokio::test]
    async fn functions_take_and_return_what_async_ones_do() {
        let (seen, state) = seen();

        run(Crunch::new(vec![1]), state.clone()).await.unwrap();
        let error = run(Crunch::new(vec![300]), state).await.unwrap_err();

        assert_eq!(seen.notes(), [r#"([1], "Crunch")"#, r#"([300], "Crunch")"#]);
        assert_eq!(error.class(), "core::num::error::TryFromIntError");
    }

    #[kiq::job]
    fn where_am_i(seen: Data<Notes>) {
        seen.note(std::thread::current().id());
    }

    #[tokio::test]
    async fn functions_leave_the_async_thread_alone() {
        let (seen, state) = seen();

        run(WhereAmI::new(), state).await.unwrap();

        assert_ne!(seen.notes(), [format!("{:?}", std::thread::current().id())]);
    }

    #[kiq::job]
    fn panics_in_a_thread(what: String) {
        panic!("blocked: {what}");
    }

    #[kiq::job]
    async fn panics_where_it_awaits(what: String) {
        tokio::task::yield_now().await;
        panic!("awaited: {what}");
    }

    #[tokio::test]
    async fn a_panic_reaches_the_worker_with_its_message() {
        for (job, expected) in [
            (tokio::spawn(run(PanicsInAThread::new("x"), State::new())), "blocked: x"),
            (tokio::spawn(run(PanicsWhereItAwaits::new("y"), State::new())), "awaited: y"),
        ] {
            let panic = job.await.unwrap_err().into_panic();

            assert_eq!(Failure::from_panic(&*panic).message(), expected);
        }
    }
}

mod results {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no {0}")]
    struct Missing(&'static str);

    #[kiq::job]
    async fn enumerated() -> Result<(), Missing> {
        Err(Missing("order"))
    }

    #[kiq::job]
    async fn with_anyhow() -> anyhow::Result<()> {
        Err(anyhow::Error::new(Missing("order")).context("while sending"))
    }

    #[kiq::job]
    async fn with_eyre() -> eyre::Result<()> {
        Err(eyre::Report::new(Missing("order")))
    }

    #[kiq::job]
    async fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("plain".into())
    }

    #[kiq::job]
    async fn text() -> Result<(), String> {
        Err("in words".to_owned())
    }

    type Outcome = Result<(), Missing>;

    #[kiq::job]
    async fn aliased() -> Outcome {
        Ok(())
    }

    #[tokio::test]
    async fn of_any_error_type_become_failures() {
        assert_eq!(failure(Enumerated::new()).await.message(), "no order");
        assert!(failure(Enumerated::new()).await.class().ends_with("results::Missing"));
        assert_eq!(failure(WithAnyhow::new()).await.message(), "while sending");
        assert_eq!(failure(WithEyre::new()).await.message(), "no order");
        assert_eq!(failure(Boxed::new()).await.message(), "plain");
        assert_eq!(failure(Text::new()).await.message(), "in words");
        run(Aliased::new(), State::new()).await.unwrap();
    }

    #[tokio::test]
    async fn keep_the_chain_of_sources() {
        let error = failure(WithAnyhow::new()).await;

        assert_eq!(error.error().source().unwrap().to_string(), "no order");
    }
}

mod dispositions {
    use super::*;

    #[derive(Debug, Clone, thiserror::Error)]
    #[error("http {0}")]
    struct HttpError(u16);

    #[derive(Debug, thiserror::Error)]
    #[error("gone")]
    struct Gone;

    #[derive(Debug, thiserror::Error)]
    enum OrderError {
        #[error("payment")]
        Payment(#[from] HttpError),
        #[error("boxed")]
        Boxed(#[source] Box<HttpError>),
        #[error("shared")]
        Shared(#[source] Arc<HttpError>),
        #[error("any")]
        Any(#[source] Box<dyn Error + Send + Sync>),
        #[error(transparent)]
        Transparent(Box<OrderError>),
        #[error("io")]
        Io(#[source] std::io::Error),
        #[error(transparent)]
        Hidden(HttpError),
        #[error("anyhow")]
        Anyhow(#[source] anyhow::Error),
        #[error("gone")]
        Gone(#[from] Gone),
        #[error("other")]
        Other,
    }

    const TRANSIENT: [u8; 7] = [0, 1, 2, 3, 4, 5, 6];
    const GONE: u8 = 7;
    const OTHER: u8 = 8;
    const HIDDEN: u8 = 9;

    fn order_error(which: u8) -> OrderError {
        match which {
            0 => HttpError(500).into(),
            1 => OrderError::Boxed(Box::new(HttpError(500))),
            2 => OrderError::Shared(Arc::new(HttpError(500))),
            3 => OrderError::Any(Box::new(HttpError(500))),
            4 => OrderError::Transparent(Box::new(HttpError(500).into())),
            5 => OrderError::Io(std::io::Error::other(HttpError(500))),
            6 => OrderError::Anyhow(anyhow::Error::new(HttpError(500)).context("within")),
            GONE => Gone.into(),
            HIDDEN => OrderError::Hidden(HttpError(500)),
            _ => OrderError::Other,
        }
    }

    #[kiq::job(transient = [HttpError], discard = [Gone])]
    async fn by_enum(which: u8) -> Result<(), OrderError> {
        Err(order_error(which))
    }

    #[kiq::job(transient = [HttpError], discard = [Gone])]
    async fn by_anyhow(which: u8) -> anyhow::Result<()> {
        Err(match which {
            10 => anyhow::Error::new(HttpError(500)),
            11 => anyhow::Error::new(HttpError(500)).context("outside"),
            // The wanted type is the context, not the error.
            12 => anyhow::Error::new(OrderError::Other).context(HttpError(500)),
            13 => anyhow::Error::new(OrderError::Other).context(Gone),
            14 => anyhow::anyhow!("http 500"),
            which => order_error(which).into(),
        })
    }

    #[kiq::job(transient = [HttpError], discard = [Gone])]
    async fn by_eyre(which: u8) -> eyre::Result<()> {
        Err(match which {
            10 => eyre::Report::new(HttpError(500)),
            11 => eyre::Report::new(HttpError(500)).wrap_err("outside"),
            12 => eyre::Report::new(OrderError::Other).wrap_err(HttpError(500)),
            13 => eyre::Report::new(Gone).wrap_err("a").wrap_err("b"),
            14 => eyre::eyre!("http 500"),
            which => order_error(which).into(),
        })
    }

    #[kiq::job(transient = [HttpError], discard = [Gone])]
    async fn by_box(which: u8) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(match which {
            10 => Box::new(HttpError(500)),
            11 => Box::new(Box::new(HttpError(500))),
            12 => Box::new(Arc::new(HttpError(500))),
            13 => Box::new(Gone),
            14 => "http 500".into(),
            which => order_error(which).into(),
        })
    }

    async fn of_each(which: u8) -> [Disposition; 3] {
        [
            failure(ByAnyhow::new(which)).await.disposition(),
            failure(ByEyre::new(which)).await.disposition(),
            failure(ByBox::new(which)).await.disposition(),
        ]
    }

    #[tokio::test]
    async fn a_listed_type_is_found_wherever_it_sits_in_the_error() {
        for which in TRANSIENT {
            assert_eq!(failure(ByEnum::new(which)).await.disposition(), Disposition::Transient, "{which}");
            assert_eq!(of_each(which).await, [Disposition::Transient; 3], "{which}");
        }
        for which in [10, 11, 12] {
            assert_eq!(of_each(which).await, [Disposition::Transient; 3], "{which}");
        }
        assert_eq!(failure(ByEnum::new(GONE)).await.disposition(), Disposition::Discard);
        for which in [GONE, 13] {
            assert_eq!(of_each(which).await, [Disposition::Discard; 3], "{which}");
        }
    }

    #[tokio::test]
    async fn an_error_that_is_not_listed_is_retried() {
        assert_eq!(failure(ByEnum::new(OTHER)).await.disposition(), Disposition::Retry);
        for which in [OTHER, 14] {
            assert_eq!(of_each(which).await, [Disposition::Retry; 3], "{which}");
        }
    }

    #[tokio::test]
    async fn a_transparent_variant_hides_the_type_it_holds() {
        assert_eq!(failure(ByEnum::new(HIDDEN)).await.disposition(), Disposition::Retry);
    }

    #[kiq::job(transient = [HttpError])]
    async fn itself() -> Result<(), HttpError> {
        Err(HttpError(500))
    }

    #[kiq::job(discard = [HttpError])]
    async fn in_a_box() -> Result<(), Box<HttpError>> {
        Err(Box::new(HttpError(500)))
    }

    #[kiq::job(transient = [Gone])]
    fn another() -> Result<(), HttpError> {
        Err(HttpError(500))
    }

    #[tokio::test]
    async fn the_error_type_itself_may_be_listed() {
        assert_eq!(failure(Itself::new()).await.disposition(), Disposition::Transient);
        assert_eq!(failure(InABox::new()).await.disposition(), Disposition::Discard);
        assert_eq!(failure(Another::new()).await.disposition(), Disposition::Retry);
    }

    fn is_gone(error: &HttpError) -> bool {
        error.0 == 410
    }

    #[kiq::job(
        transient_if = |e: &HttpError| e.0 >= 500,
        discard_if = is_gone,
    )]
    async fn by_predicate(status: u16) -> anyhow::Result<()> {
        Err(OrderError::from(HttpError(status)).into())
    }

    #[kiq::job(discard_if = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound)]
    async fn by_kind(found: bool) -> std::io::Result<()> {
        Err(if found { std::io::ErrorKind::TimedOut } else { std::io::ErrorKind::NotFound }.into())
    }

    #[tokio::test]
    async fn a_predicate_looks_at_errors_of_its_own_type() {
        assert_eq!(failure(ByPredicate::new(503)).await.disposition(), Disposition::Transient);
        assert_eq!(failure(ByPredicate::new(410)).await.disposition(), Disposition::Discard);
        assert_eq!(failure(ByPredicate::new(404)).await.disposition(), Disposition::Retry);
        assert_eq!(failure(ByKind::new(false)).await.disposition(), Disposition::Discard);
        assert_eq!(failure(ByKind::new(true)).await.disposition(), Disposition::Retry);
    }

    #[kiq::job(transient = [HttpError], discard = [OrderError])]
    async fn both() -> Result<(), OrderError> {
        Err(HttpError(500).into())
    }

    #[tokio::test]
    async fn discard_goes_before_transient() {
        assert_eq!(failure(Both::new()).await.disposition(), Disposition::Discard);
    }
}

mod options {
    use super::*;

    const QUEUE: &str = "from-a-const";
    const RETRIES: u32 = 3;
    const TAGS: &[&str] = &["x", "y"];
    const LIMIT: Duration = Duration::from_secs(90);
    const NAME: &str = "Named::ByConst";

    #[kiq::job]
    async fn plain() {}

    #[kiq::job(
        queue = "high",
        retry = 20,
        name = "Pdf::RenderJob",
        handle = Printer,
        dead = false,
        timeout = "1h30m",
        tags = ["billing", QUEUE],
        derive(Clone, PartialEq, Debug),
        transient = [],
    )]
    async fn full(id: u64) -> Result<(), std::fmt::Error> {
        let _ = id;
        Ok(())
    }

    #[kiq::job(queue = QUEUE, retry = RETRIES, tags = TAGS, timeout = LIMIT, name = NAME)]
    async fn by_const() {}

    #[kiq::job(retry = false)]
    async fn never() {}

    #[kiq::job(retry = true)]
    async fn default_retries() {}

    #[kiq::job(retry = 0)]
    async fn once() {}

    #[test]
    fn default_to_what_sidekiq_does() {
        assert_eq!(Plain::NAME, "Plain");
        assert_eq!(Plain::OPTIONS, kiq::JobOptions::new());
        assert_eq!(DefaultRetries::OPTIONS, kiq::JobOptions::new());
    }

    #[test]
    fn are_what_the_attribute_says() {
        let options = Printer::OPTIONS;

        assert_eq!((Printer::NAME, options.queue, options.retry), ("Pdf::RenderJob", "high", Retry::Max(20)));
        assert_eq!((options.dead, options.timeout), (false, Some(Duration::from_secs(5400))));
        assert_eq!(options.tags, ["billing", "from-a-const"]);
        assert_eq!(Printer::new(1).clone(), Printer { id: 1 });
        assert_eq!((Never::OPTIONS.retry, Once::OPTIONS.retry), (Retry::Never, Retry::Max(0)));
    }

    #[test]
    fn may_be_constants() {
        let options = ByConst::OPTIONS;

        assert_eq!((ByConst::NAME, options.queue), ("Named::ByConst", "from-a-const"));
        assert_eq!((options.retry, options.tags, options.timeout), (Retry::Max(3), TAGS, Some(LIMIT)));
    }

    mod renamed {
        pub(super) use ::kiq as queue;
    }

    #[kiq::job(crate = renamed::queue)]
    async fn by_path() {}

    #[kiq::job(crate = "renamed::queue")]
    async fn by_path_in_quotes() {}

    #[tokio::test]
    async fn find_kiq_under_another_path() {
        run(ByPath::new(), State::new()).await.unwrap();
        run(ByPathInQuotes::new(), State::new()).await.unwrap();
    }
}

mod names {
    use super::*;

    #[kiq::job]
    async fn send_2fa() {}

    #[kiq::job]
    async fn _leading() {}

    #[kiq::job]
    async fn r#match() {}

    #[kiq::job(handle = lower_case)]
    async fn lower_case() {}

    #[test]
    fn follow_the_functions() {
        assert_eq!(Send2fa::NAME, "Send2fa");
        assert_eq!(Leading::NAME, "Leading");
        assert_eq!(Match::NAME, "Match");
        assert_eq!(lower_case::NAME, "LowerCase");
        assert!(lower_case::new().to_args().is_ok());
    }
}

mod elsewhere {
    use super::*;

    #[kiq::job(name = "Legacy::SyncJob", queue = "ruby", retry = 2)]
    async fn legacy_sync(account_id: u64, reason: Option<String>);

    #[test]
    fn a_job_without_a_body_can_be_enqueued_and_not_performed() {
        assert_eq!(args(&LegacySync::new(7, None)), "[7,null]");
        assert_eq!((LegacySync::NAME, LegacySync::OPTIONS.queue), ("Legacy::SyncJob", "ruby"));
        assert!(Registry::linked().unwrap().get("Legacy::SyncJob").is_none());
    }
}

mod registration {
    use super::*;

    #[kiq::job]
    async fn registered(first: u8, second: u8) {
        let _ = (first, second);
    }

    #[test]
    fn happens_by_linking() {
        let jobs = Registry::linked().unwrap();

        let job = jobs.get("Registered").unwrap();

        assert_eq!(job.path, "job_macro::registration::registered");
        assert_eq!((job.file, job.params), (file!(), ["first", "second"].as_slice()));
        assert!((1..line!()).contains(&job.line));
    }

    #[tokio::test]
    async fn covers_jobs_in_function_bodies() {
        #[kiq::job]
        async fn inside_a_function(seen: Data<Notes>) {
            seen.note("ran");
        }
        let (seen, state) = seen();

        run(InsideAFunction::new(), state).await.unwrap();

        assert_eq!(seen.notes().len(), 1);
        assert!(Registry::linked().unwrap().get("InsideAFunction").is_some());
    }

    #[kiq::job]
    #[cfg(not(test))]
    async fn configured_away(missing: NoSuchType) {}

    #[cfg(test)]
    #[kiq::job]
    async fn configured_in() {}

    #[test]
    fn follows_cfg() {
        let jobs = Registry::linked().unwrap();

        assert!(jobs.get("ConfiguredAway").is_none());
        assert!(jobs.get("ConfiguredIn").is_some());
    }

    macro_rules! job {
        ($name:ident, $argument:ident: $ty:ty, $state:ty) => {
            #[kiq::job]
            async fn $name($argument: $ty, state: $state) {
                state.note($argument);
            }
        };
    }

    job!(by_macro, text: &str, Data<Notes>);

    #[tokio::test]
    async fn works_for_jobs_that_a_macro_writes() {
        let (seen, state) = seen();

        run(ByMacro::new("x"), state).await.unwrap();

        assert_eq!(seen.notes(), ["\"x\""]);
    }
}

/// A module where every lint is an error and every name means something else.
mod strict {
    #![deny(warnings, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    #![forbid(unsafe_code)]

    #[allow(dead_code)]
    mod shadows {
        pub(super) struct Option;
        pub(super) struct Result;
        pub(super) struct Vec;
        pub(super) struct String;
        pub(super) struct Box;
        pub(super) trait Into {}
        pub(super) trait Default {}
        pub(super) trait Debug {}
        pub(super) mod std {}
        pub(super) mod core {}
    }
    #[allow(unused_imports)]
    use shadows::{Box, Debug, Default, Into, Option, Result, String, Vec, core, std};

    #[allow(unused_macros)]
    macro_rules! concat {
        () => {};
    }

    /// Among shadows.
    #[kiq::job(queue = "low", retry = 3, timeout = "1s", tags = ["a"], transient = [::std::fmt::Error])]
    pub(crate) async fn shadowed(
        __r: u8,
        __w: &str,
        __cx: &[u8],
        #[arg(default = 1)] __out: u8,
        #[arg(default)] __a0: bool,
        __e: ::std::option::Option<u8>,
        cx: &kiq::JobContext,
    ) -> ::std::result::Result<(), ::std::fmt::Error> {
        let _ = (__r, __w, __cx, __out, __a0, __e, cx);
        ::std::future::ready(()).await;
        Err(::std::fmt::Error)
    }

    /// No longer used.
    #[deprecated]
    #[kiq::job]
    pub(crate) fn outdated() {}
}

#[tokio::test]
async fn generated_code_does_not_care_what_names_mean_in_the_module() {
    let failure = failure(strict::Shadowed::new(1, "x", vec![2], 3, true, None)).await;

    assert_eq!(failure.disposition(), Disposition::Transient);
}
