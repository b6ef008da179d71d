//! A job that is not written yet, and says so.

use super::plan::{JobError, Plan};

/// A job has not been written yet: what [`not_implemented!`](crate::not_implemented) fails with.
///
/// No retry helps, so the job goes to the dead set at once, and whoever is told of deaths is told. Once it is written, it can be
/// retried from there.
///
/// # Examples
/// ```standalone_crate
/// #[kiq::job]
/// async fn send_report(user_id: u64) -> Result<(), kiq::NotImplemented> {
///     kiq::not_implemented!(user_id)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = send_report(7).await.unwrap_err();
/// assert!(error.to_string().starts_with("this job is not written yet: write it in place of `kiq::not_implemented!` at "));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this job is not written yet: write it in place of `kiq::not_implemented!` at {file}:{line}, then its test")]
pub struct NotImplemented {
    file: &'static str,
    line: u32,
}

impl NotImplemented {
    #[doc(hidden)]
    pub fn at(file: &'static str, line: u32) -> Self {
        NotImplemented { file, line }
    }
}

impl JobError for NotImplemented {
    fn plan(&self) -> Option<Plan> {
        Some(Plan::fatal())
    }
}

#[cfg(feature = "inventory")]
inventory::submit!(super::plan::LinkedError::of::<NotImplemented>());

/// Stands where the body of a job will, and fails for good: returns a [`NotImplemented`](crate::job::NotImplemented) from the
/// function, whose error that has to be, or be made of (`#[from]`, `anyhow::Error`, `Box<dyn Error + Send + Sync>`).
///
/// It takes the names of the arguments, so that nobody warns that they are not used. `cargo kiq generate job` writes it.
///
/// # Examples
/// ```standalone_crate
/// use kiq::NotImplemented;
///
/// #[kiq::job(queue = "low")]
/// async fn send_report(user_id: u64, month: &str) -> Result<(), NotImplemented> {
///     kiq::not_implemented!(user_id, month)
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! not_implemented {
    ($($argument:expr),* $(,)?) => {{
        $(let _ = &$argument;)*
        return ::core::result::Result::Err(::core::convert::From::from($crate::job::NotImplemented::at(
            ::core::file!(),
            ::core::line!(),
        )));
    }};
}
