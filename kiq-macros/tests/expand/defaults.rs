defaults! { queue = "low", retry = 5, tags = ["mail"] }
// ---- becomes ----
///What the jobs ask for, where this trait is in scope, when they say nothing else: written by `kiq::defaults!`.
#[allow(dead_code, unreachable_pub)]
pub(crate) trait JobDefaults {
    #[doc(hidden)]
    fn kiq_defaults(self) -> __JobDefaults;
}
#[doc(hidden)]
#[allow(dead_code, unreachable_pub, missing_debug_implementations)]
pub(crate) struct __JobDefaults;
#[automatically_derived]
impl JobDefaults for ::kiq::__private::Here {
    fn kiq_defaults(self) -> __JobDefaults {
        __JobDefaults
    }
}
#[automatically_derived]
impl ::kiq::__private::Defaults for __JobDefaults {
    const OPTIONS: ::kiq::__private::JobOptions = ::kiq::__private::JobOptions::new()
        .queue(::kiq::__private::check_queue("low"))
        .retry(::kiq::__private::Retry::Max(5u32))
        .tags(::kiq::__private::check_tags(&["mail"]));
}
