#[job(queue = "ruby")]
pub async fn legacy_sync(account_id: u64, reason: Option<String>);
// ---- becomes ----
///Enqueues the job `legacy_sync`, which is performed elsewhere.
#[allow(non_camel_case_types, dead_code)]
pub struct LegacySync {
    ///Argument `account_id` of `legacy_sync`.
    pub account_id: u64,
    ///Argument `reason` of `legacy_sync`.
    pub reason: Option<String>,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl LegacySync {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<u64> {
        ::kiq::__private::ArgKey::<u64>::new("account_id")
    }
    #[doc(hidden)]
    const fn __arg1() -> ::kiq::__private::ArgKey<Option<String>> {
        ::kiq::__private::ArgKey::<Option<String>>::new("reason")
    }
    ///The job as a value, for enqueueing many and for assertions.
    pub fn new(account_id: u64, reason: Option<String>) -> Self {
        Self { account_id, reason }
    }
    ///Enqueues the job `legacy_sync`, which is performed elsewhere.
    pub fn enqueue(
        account_id: u64,
        reason: Option<String>,
    ) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new(account_id, reason))
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for LegacySync {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        ::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Job for LegacySync {
    const NAME: &'static str = "LegacySync";
    const OPTIONS: ::kiq::__private::JobOptions = {
        let __scope = ::kiq::__private::scope!();
        __scope.options.queue(__scope.queue("ruby"))
    };
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {
        __w.arg(Self::__arg0(), &self.account_id);
        __w.arg(Self::__arg1(), &self.reason);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            account_id: __r.arg(Self::__arg0())?,
            reason: __r.arg_or(Self::__arg1(), ::kiq::__private::Default::default)?,
        })
    }
}
