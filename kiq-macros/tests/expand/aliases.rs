#[job(aliases = ["OldName", "Billing::Charge"])]
async fn charge() {}
// ---- becomes ----
async fn charge() {}
///Enqueues [`charge`](fn@charge).
#[allow(non_camel_case_types, dead_code)]
struct Charge {}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl Charge {
    ///The job as a value, for enqueueing many and for assertions.
    fn new() -> Self {
        Self {}
    }
    ///Enqueues [`charge`](fn@charge).
    fn enqueue() -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new())
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for Charge {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        ::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Job for Charge {
    const NAME: &'static str = "Charge";
    const OPTIONS: ::kiq::__private::JobOptions = {
        let __scope = ::kiq::__private::scope!();
        __scope.with_its_queue()
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
impl ::kiq::__private::Perform for Charge {
    const DEF: ::kiq::__private::JobDef = ::kiq::__private::JobDef::new::<
        Self,
    >({
            fn __run(
                __cx: ::kiq::__private::JobContext,
            ) -> ::kiq::__private::BoxFuture<'static, ::kiq::__private::JobResult> {
                ::kiq::__private::Box::pin(async move {
                    let Charge {} = __cx.job::<Charge>()?;
                    let __out = ::kiq::__private::assert_send(charge()).await;
                    ::kiq::__private::finish::<
                        Charge,
                        _,
                    >(__out, &__cx, ::kiq::__private::retry, ::kiq::__private::no_root)
                })
            }
            __run
        })
        .at(
            ::core::concat!(::core::module_path!(), "::", "charge"),
            ::core::file!(),
            ::core::line!(),
        )
        .params(&[])
        .aliases(::kiq::__private::check_names(&["OldName", "Billing::Charge"]));
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < Charge as ::kiq::__private::Perform > ::DEF
    }
};
