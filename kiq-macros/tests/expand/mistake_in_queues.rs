queues! { high, high }
// ---- becomes ----
::core::compile_error! {
    "`high` is listed twice"
}
///The queues of this program: written by `kiq::queues!`.
#[allow(dead_code, unreachable_pub)]
pub(crate) mod queues {
    ///The queue `high`.
    pub const HIGH: &str = "high";
    ///All of them, in the order they were declared.
    pub const ALL: [&str; 1usize] = [HIGH];
    ///Where this trait is in scope, a job cannot name another queue.
    pub trait Declared {
        #[doc(hidden)]
        fn kiq_queues(self) -> __Declared;
    }
    #[doc(hidden)]
    #[allow(missing_debug_implementations)]
    pub struct __Declared;
}
#[automatically_derived]
impl queues::Declared for ::kiq::__private::Here {
    fn kiq_queues(self) -> queues::__Declared {
        queues::__Declared
    }
}
#[automatically_derived]
impl ::kiq::__private::Queues for queues::__Declared {
    const DECLARED: ::kiq::__private::Option<&'static [&'static str]> = ::kiq::__private::Option::None;
    const FAULT: &'static str = "a queue of this job is not among those of `kiq::queues!`: high";
}
#[allow(unused_imports)]
use queues::Declared as _;
