#[job(quue = "high", retry = -1)]
async fn a(id: u64) {}
// ---- becomes ----
::core::compile_error! {
    "unknown option `quue`; did you mean `queue`?"
}
::core::compile_error! {
    "`retry` cannot be negative; use `retry = false` to turn retries off"
}
async fn a(id: u64) {}
///Enqueues [`a`](fn@a).
#[allow(non_camel_case_types, dead_code)]
struct A {
    ///Argument `id` of `a`.
    id: u64,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl A {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<u64> {
        ::kiq::__private::ArgKey::<u64>::new("id")
    }
    ///The job as a value, for enqueueing many and for assertions.
    fn new(id: u64) -> Self {
        Self { id }
    }
    ///Enqueues [`a`](fn@a).
    fn enqueue(id: u64) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new(id))
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for A {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        ::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Job for A {
    const NAME: &'static str = "A";
    const OPTIONS: ::kiq::__private::JobOptions = {
        let __scope = ::kiq::__private::scope!();
        __scope.with_its_queue()
    };
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {
        __w.arg(Self::__arg0(), &self.id);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            id: __r.arg(Self::__arg0())?,
        })
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Perform for A {
    const DEF: ::kiq::__private::JobDef = ::kiq::__private::JobDef::new::<
        Self,
    >({
            fn __run(
                __cx: ::kiq::__private::JobContext,
            ) -> ::kiq::__private::BoxFuture<'static, ::kiq::__private::JobResult> {
                ::kiq::__private::Box::pin(async move {
                    let A { id: __a0 } = __cx.job::<A>()?;
                    let __out = ::kiq::__private::assert_send(a(__a0)).await;
                    ::kiq::__private::finish::<
                        A,
                        _,
                    >(__out, &__cx, ::kiq::__private::retry, ::kiq::__private::no_root)
                })
            }
            __run
        })
        .at(
            ::core::concat!(::core::module_path!(), "::", "a"),
            ::core::file!(),
            ::core::line!(),
        )
        .params(&["id"]);
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < A as ::kiq::__private::Perform > ::DEF
    }
};
