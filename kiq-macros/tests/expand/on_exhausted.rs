#[job(on_exhausted = refund)]
async fn charge(order_id: u64) -> Result<(), HttpError> {}
// ---- becomes ----
async fn charge(order_id: u64) -> Result<(), HttpError> {}
///Enqueues [`charge`](fn@charge).
#[allow(non_camel_case_types, dead_code)]
struct Charge {
    ///Argument `order_id` of `charge`.
    order_id: u64,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl Charge {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<u64> {
        ::kiq::__private::ArgKey::<u64>::new("order_id")
    }
    ///The job as a value, for enqueueing many and for assertions.
    fn new(order_id: u64) -> Self {
        Self { order_id }
    }
    ///Enqueues [`charge`](fn@charge).
    fn enqueue(order_id: u64) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new(order_id))
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
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {
        __w.arg(Self::__arg0(), &self.order_id);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            order_id: __r.arg(Self::__arg0())?,
        })
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
                    let Charge { order_id: __a0 } = __cx.job::<Charge>()?;
                    let __out = ::kiq::__private::assert_send(charge(__a0)).await;
                    ::kiq::__private::finish::<
                        Charge,
                        _,
                    >(
                        __out,
                        &__cx,
                        ::kiq::__private::retry,
                        |__e| {
                            #[allow(unused_imports)]
                            use ::kiq::__private::{
                                HoldsError as _, IsError as _, IsText as _,
                            };
                            (&&&::kiq::__private::Probe(__e)).kiq_root()
                        },
                    )
                })
            }
            __run
        })
        .at(
            ::core::concat!(::core::module_path!(), "::", "charge"),
            ::core::file!(),
            ::core::line!(),
        )
        .params(&["order_id"])
        .on_exhausted(|__dead| ::kiq::__private::Box::pin(async move {
            ::kiq::__private::finish_beside(
                ::kiq::__private::assert_send(refund(__dead)).await,
            )
        }));
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < Charge as ::kiq::__private::Perform > ::DEF
    }
};
