defaults! { pub, queue = "low", name = "A" }
// ---- becomes ----
::core::compile_error! {
    "`name` belongs to one job: set it in its `#[job(…)]`"
}
///What the jobs ask for, where this trait is in scope, when they say nothing else: written by `kiq::defaults!`.
#[allow(dead_code, unreachable_pub)]
pub trait JobDefaults {
    #[doc(hidden)]
    fn kiq_defaults(self) -> __JobDefaults;
}
#[doc(hidden)]
#[allow(dead_code, unreachable_pub, missing_debug_implementations)]
pub struct __JobDefaults;
#[automatically_derived]
impl JobDefaults for ::kiq::__private::Here {
    fn kiq_defaults(self) -> __JobDefaults {
        __JobDefaults
    }
}
#[automatically_derived]
impl ::kiq::__private::Defaults for __JobDefaults {
    const OPTIONS: ::kiq::__private::JobOptions = ::kiq::__private::JobOptions::new()
        .queue(::kiq::__private::check_queue("low"));
}
