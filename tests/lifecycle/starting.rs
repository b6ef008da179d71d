//! What a worker says before it takes the first job.

use kiq::{BoxFuture, BuildError, Client, Job, JobContext, JobDef, JobResult, Perform, Worker};

/// Two jobs by hand, with one name.
macro_rules! twin {
    ($name:ident, $line:literal) => {
        struct $name;

        impl Job for $name {
            const NAME: &'static str = "Twin";
            fn write_args(&self, _: &mut kiq::ArgsWriter) {}
            fn read_args(_: &mut kiq::ArgsReader<'_>) -> Result<Self, kiq::ArgsError> {
                Ok($name)
            }
        }

        impl Perform for $name {
            const DEF: JobDef = JobDef::new::<Self>(idle).at(stringify!($name), "jobs.rs", $line);
        }
    };
}

fn idle(_: JobContext) -> BoxFuture<'static, JobResult> {
    Box::pin(async { Ok(()) })
}

twin!(First, 3);
twin!(Second, 9);

#[test]
fn two_jobs_of_one_name_are_named_with_both_places() {
    let client = Client::in_memory();
    let built = Worker::builder().client(client).only_registered().register::<First>().register::<Second>().build();

    let error = built.unwrap_err();
    assert!(matches!(error, BuildError::TwoJobs(_)));
    let words = error.to_string();
    assert!(words.starts_with("two jobs are registered as Twin: First (jobs.rs:3) and Second (jobs.rs:9);"), "{words}");
}

#[test]
fn a_worker_without_jobs_says_what_to_do_about_it() {
    let error = Worker::builder().client(Client::in_memory()).only_registered().build().unwrap_err().to_string();

    assert!(error.contains("`use my_jobs as _;`") && error.contains("`.register::<MyJob>()`"), "{error}");
}
