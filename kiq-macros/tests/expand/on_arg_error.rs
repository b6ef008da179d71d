#[job(on_arg_error = dead)]
async fn a() {}
// ---- becomes ----
async fn a() {}
///Enqueues [`a`](fn@a).
#[allow(non_camel_case_types, dead_code)]
struct A {}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl A {
    ///The job as a value, for enqueueing many and for assertions.
    fn new() -> Self {
        Self {}
    }
    ///Enqueues [`a`](fn@a).
    fn enqueue() -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new())
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
        __scope.with_its_queue().on_arg_error(::kiq::__private::OnArgError::Dead)
    };
    #[allow(unused_variables)]
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {}
    #[allow(unused_variables)]
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {})
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
                    let A {} = __cx.job::<A>()?;
                    let __out = ::kiq::__private::assert_send(a()).await;
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
        .params(&[]);
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < A as ::kiq::__private::Perform > ::DEF
    }
};
