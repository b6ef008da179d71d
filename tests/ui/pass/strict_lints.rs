//! In a crate where every warning is an error.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications, single_use_lifetimes)]
#![deny(rust_2018_idioms, unused, non_local_definitions, trivial_casts, let_underscore, keyword_idents)]
#![forbid(unsafe_code)]

/// Jobs of their own.
pub mod jobs {
    use kiq::{Data, JobContext, RetryContext, RetryIn};

    kiq::queues! { high, low }

    kiq::defaults! { queue = queues::LOW, retry = 5 }

    /// Charges.
    #[must_use]
    #[kiq::job(queue = "high", transient = [std::fmt::Error], retry_in = ask, on_exhausted = bury, aliases = ["Old"])]
    pub async fn charge(
        /// The order.
        order_id: u64,
        note: &str,
        db: Data<u8>,
        cx: &JobContext,
    ) -> Result<(), std::fmt::Error> {
        let _unused = (order_id, note, db, cx);
        Err(std::fmt::Error)
    }

    const fn ask(_: &RetryContext<'_>) -> RetryIn {
        RetryIn::Kill
    }

    async fn bury(_: kiq::DeadJob) {}

    #[kiq::job]
    pub(crate) fn blocking() {}

    #[kiq::job]
    fn private(numbers: &[u8]) {
        drop(numbers.to_vec());
    }

    #[deprecated]
    #[doc(hidden)]
    #[kiq::job]
    pub async fn outdated() {}

    #[kiq::job(queue = "low")]
    pub(super) async fn elsewhere(id: u64);
}

fn main() {}
