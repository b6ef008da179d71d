#[job(queue = "high", retry = 20, transient = [HttpError])]
/// Charges an order.
pub async fn charge_order(order_id: u64, note: &str, db: Data<Db>) -> Result<(), OrderError> {
    db.charge(order_id, note).await
}
// ---- becomes ----
/// Charges an order.
pub async fn charge_order(
    order_id: u64,
    note: &str,
    db: Data<Db>,
) -> Result<(), OrderError> {
    db.charge(order_id, note).await
}
/// Charges an order.
///
///Enqueues [`charge_order`](fn@charge_order).
#[allow(non_camel_case_types, dead_code)]
pub struct ChargeOrder {
    ///Argument `order_id` of `charge_order`.
    pub order_id: u64,
    ///Argument `note` of `charge_order`.
    pub note: ::kiq::__private::String,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl ChargeOrder {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<u64> {
        ::kiq::__private::ArgKey::<u64>::new("order_id")
    }
    #[doc(hidden)]
    const fn __arg1() -> ::kiq::__private::ArgKey<::kiq::__private::String> {
        ::kiq::__private::ArgKey::<::kiq::__private::String>::new("note")
    }
    #[doc(hidden)]
    const fn __in0() -> ::kiq::__private::Supply<Data<Db>> {
        ::kiq::__private::Supply::<Data<Db>>::of()
    }
    ///The job as a value, for enqueueing many and for assertions.
    pub fn new(
        order_id: u64,
        note: impl ::kiq::__private::Into<::kiq::__private::String>,
    ) -> Self {
        Self {
            order_id,
            note: ::kiq::__private::Into::into(note),
        }
    }
    ///Enqueues [`charge_order`](fn@charge_order).
    pub fn enqueue(
        order_id: u64,
        note: impl ::kiq::__private::Into<::kiq::__private::String>,
    ) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new(order_id, note))
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for ChargeOrder {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        ::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Job for ChargeOrder {
    const NAME: &'static str = "ChargeOrder";
    const OPTIONS: ::kiq::__private::JobOptions = {
        let __scope = ::kiq::__private::scope!();
        __scope
            .options
            .queue(__scope.queue("high"))
            .retry(::kiq::__private::Retry::Max(20u32))
    };
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {
        __w.arg(Self::__arg0(), &self.order_id);
        __w.arg(Self::__arg1(), &self.note);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            order_id: __r.arg(Self::__arg0())?,
            note: __r.arg(Self::__arg1())?,
        })
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Perform for ChargeOrder {
    const DEF: ::kiq::__private::JobDef = ::kiq::__private::JobDef::new::<
        Self,
    >({
            fn __run(
                __cx: ::kiq::__private::JobContext,
            ) -> ::kiq::__private::BoxFuture<'static, ::kiq::__private::JobResult> {
                ::kiq::__private::Box::pin(async move {
                    let ChargeOrder { order_id: __a0, note: __a1 } = __cx
                        .job::<ChargeOrder>()?;
                    let __a2 = ChargeOrder::__in0().make(&__cx).await?;
                    let __out = ::kiq::__private::assert_send(
                            charge_order(__a0, &__a1, __a2),
                        )
                        .await;
                    ::kiq::__private::finish::<
                        ChargeOrder,
                        _,
                    >(
                        __out,
                        &__cx,
                        |__e| {
                            #[allow(unused_imports)]
                            use ::kiq::__private::{AsDynError as _, DowncastRef as _};
                            if ::kiq::__private::matches::<
                                HttpError,
                            >(__e.downcast_ref(), __e.as_dyn_error()) {
                                return ::kiq::__private::Disposition::Transient;
                            }
                            ::kiq::__private::Disposition::Retry
                        },
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
            ::core::concat!(::core::module_path!(), "::", "charge_order"),
            ::core::file!(),
            ::core::line!(),
        )
        .params(&["order_id", "note"])
        .check({
            fn __check(
                __state: &::kiq::__private::State,
            ) -> ::kiq::__private::Result<(), ::kiq::__private::MissingState> {
                ChargeOrder::__in0().check(__state)?;
                ::kiq::__private::Ok(())
            }
            __check
        });
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < ChargeOrder as ::kiq::__private::Perform > ::DEF
    }
};
