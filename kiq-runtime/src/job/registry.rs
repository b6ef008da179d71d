//! Name → how to perform it. Filled by `#[job]` when the program is linked, or by hand.

use std::collections::BTreeMap;

use super::payload::Payload;
use super::{JobDef, Perform};

/// The jobs a worker can perform.
///
/// # Examples
/// ```standalone_crate
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// let jobs = kiq::Registry::linked()?;
/// assert!(jobs.get("SendWelcome").is_some());
/// # Ok::<(), kiq::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    jobs: BTreeMap<&'static str, JobDef>,
    /// A former name → the name of the job.
    aliases: BTreeMap<&'static str, &'static str>,
}

impl Registry {
    /// No jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// All jobs that `#[job]` registered in this program (feature `inventory`; without it, none).
    ///
    /// # Errors
    /// When two jobs have one name.
    pub fn linked() -> Result<Self, RegistryError> {
        // The linker's order means nothing: go by name and place, so that a message is the same at every start.
        let mut jobs = linked();
        jobs.sort_by_key(|job| (job.name, job.path, job.line));
        let mut registry = Registry::new();
        for job in jobs {
            registry.insert(job)?;
        }
        Ok(registry)
    }

    /// Adds one job. The same one again changes nothing.
    ///
    /// # Errors
    /// When another job has its name.
    pub fn register<J: Perform>(&mut self) -> Result<(), RegistryError> {
        self.insert(J::DEF)
    }

    /// Adds all jobs of another registry.
    ///
    /// # Errors
    /// When another job has the name of one of them.
    pub fn add_all(&mut self, other: &Registry) -> Result<(), RegistryError> {
        other.iter().try_for_each(|job| self.insert(*job))
    }

    fn insert(&mut self, job: JobDef) -> Result<(), RegistryError> {
        for name in [job.name].iter().chain(job.aliases) {
            match self.get(name) {
                Some(first) if (first.path, first.file, first.line) != (job.path, job.file, job.line) => {
                    return Err(RegistryError { name, first: place(first), second: place(&job) });
                }
                _ => {}
            }
        }
        self.jobs.insert(job.name, job);
        self.aliases.extend(job.aliases.iter().map(|alias| (*alias, job.name)));
        Ok(())
    }

    /// The job of that name, or that once had it (`aliases = […]`).
    pub fn get(&self, name: &str) -> Option<&JobDef> {
        self.jobs.get(name).or_else(|| self.jobs.get(self.aliases.get(name)?))
    }

    /// The job that performs `payload`: the one of its class, or of the class inside of ActiveJob's wrapper.
    pub fn of(&self, payload: &Payload) -> Option<&JobDef> {
        self.get(payload.class()).or_else(|| self.get(&payload.wrapped()?.class()?))
    }

    /// All jobs, by name; each once, whatever its aliases.
    pub fn iter(&self) -> impl Iterator<Item = &JobDef> {
        self.jobs.values()
    }

    /// Whether there is no job at all.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

#[cfg(feature = "inventory")]
fn linked() -> Vec<JobDef> {
    inventory::iter::<Linked>.into_iter().map(|linked| linked.0).collect()
}

#[cfg(not(feature = "inventory"))]
fn linked() -> Vec<JobDef> {
    Vec::new()
}

fn place(job: &JobDef) -> String {
    match job.file {
        "" => job.path.to_owned(),
        file => format!("{} ({file}:{})", job.path, job.line),
    }
}

/// Two jobs of one program have the same name, so a worker could not tell whose payload it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "two jobs are registered as {name}: {first} and {second}; rename one, or give it a name of its own with `#[job(name = \"…\")]` (`aliases` count as names)"
)]
pub struct RegistryError {
    name: &'static str,
    first: String,
    second: String,
}

/// One entry of the link-time list.
#[cfg(feature = "inventory")]
#[derive(Debug)]
pub struct Linked(pub JobDef);

#[cfg(feature = "inventory")]
inventory::collect!(Linked);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{ArgsError, ArgsReader, ArgsWriter, Job};

    macro_rules! job {
        ($job:ident, $aliases:expr) => {
            struct $job;
            impl Job for $job {
                const NAME: &'static str = stringify!($job);
                fn write_args(&self, _: &mut ArgsWriter) {}
                fn read_args(_: &mut ArgsReader<'_>) -> Result<Self, ArgsError> {
                    Ok($job)
                }
            }
            impl Perform for $job {
                const DEF: JobDef = JobDef::new::<Self>(|_| Box::pin(std::future::ready(Ok(())))).aliases($aliases).at(
                    concat!("jobs::", stringify!($job)),
                    file!(),
                    line!(),
                );
            }
        };
    }

    job!(Charge, &["Pay", "OldPay"]);
    job!(Refund, &["OldPay"]);
    job!(Pay, &[]);

    #[test]
    fn a_job_is_found_under_all_its_names_and_listed_once() {
        let mut jobs = Registry::new();
        jobs.register::<Charge>().unwrap();
        jobs.register::<Charge>().unwrap();

        for name in ["Charge", "Pay", "OldPay"] {
            assert_eq!(jobs.get(name).map(|job| job.name), Some("Charge"), "{name}");
        }
        assert!(jobs.get("Refund").is_none());
        assert_eq!(jobs.iter().count(), 1);
    }

    #[test]
    fn a_former_name_that_another_job_has_is_an_error() {
        let mut jobs = Registry::new();
        jobs.register::<Charge>().unwrap();

        for (error, name) in [(jobs.register::<Refund>(), "OldPay"), (jobs.register::<Pay>(), "Pay")] {
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with(&format!("two jobs are registered as {name}: jobs::Charge")), "{error}");
        }
        assert_eq!(jobs.iter().count(), 1);
    }
}
