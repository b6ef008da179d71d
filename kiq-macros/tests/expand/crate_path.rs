#[job(crate = my::kiq)]
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
    fn enqueue() -> my::kiq::__private::Enqueue<Self> {
        my::kiq::__private::Enqueue::new(Self::new())
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for A {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        my::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl my::kiq::__private::Job for A {
    const NAME: &'static str = "A";
    const OPTIONS: my::kiq::__private::JobOptions = {
        let __scope = my::kiq::__private::scope!();
        __scope.with_its_queue()
    };
    #[allow(unused_variables)]
    fn write_args(&self, __w: &mut my::kiq::__private::ArgsWriter) {}
    #[allow(unused_variables)]
    fn read_args(
        __r: &mut my::kiq::__private::ArgsReader<'_>,
    ) -> my::kiq::__private::Result<Self, my::kiq::__private::ArgsError> {
        my::kiq::__private::Ok(Self {})
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl my::kiq::__private::Perform for A {
    const DEF: my::kiq::__private::JobDef = my::kiq::__private::JobDef::new::<
        Self,
    >({
            fn __run(
                __cx: my::kiq::__private::JobContext,
            ) -> my::kiq::__private::BoxFuture<'static, my::kiq::__private::JobResult> {
                my::kiq::__private::Box::pin(async move {
                    let A {} = __cx.job::<A>()?;
                    let __out = my::kiq::__private::assert_send(a()).await;
                    my::kiq::__private::finish::<
                        A,
                        _,
                    >(
                        __out,
                        &__cx,
                        my::kiq::__private::retry,
                        my::kiq::__private::no_root,
                    )
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
    my::kiq::__private::register! {
        < A as my::kiq::__private::Perform > ::DEF
    }
};
