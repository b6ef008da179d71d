#[job]
fn crunch(numbers: &[u64], db: Data<Db>) -> std::io::Result<()> {
    sum(numbers)
}
// ---- becomes ----
fn crunch(numbers: &[u64], db: Data<Db>) -> std::io::Result<()> {
    sum(numbers)
}
///Enqueues [`crunch`](fn@crunch).
#[allow(non_camel_case_types, dead_code)]
struct Crunch {
    ///Argument `numbers` of `crunch`.
    numbers: ::kiq::__private::Vec<u64>,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl Crunch {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<::kiq::__private::Vec<u64>> {
        ::kiq::__private::ArgKey::<::kiq::__private::Vec<u64>>::new("numbers")
    }
    #[doc(hidden)]
    const fn __in0() -> ::kiq::__private::Supply<Data<Db>> {
        ::kiq::__private::Supply::<Data<Db>>::of()
    }
    ///The job as a value, for enqueueing many and for assertions.
    fn new(numbers: ::kiq::__private::Vec<u64>) -> Self {
        Self { numbers }
    }
    ///Enqueues [`crunch`](fn@crunch).
    fn enqueue(numbers: ::kiq::__private::Vec<u64>) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new(numbers))
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for Crunch {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        ::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Job for Crunch {
    const NAME: &'static str = "Crunch";
    const OPTIONS: ::kiq::__private::JobOptions = {
        let __scope = ::kiq::__private::scope!().blocking();
        __scope.with_its_queue()
    };
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {
        __w.arg(Self::__arg0(), &self.numbers);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            numbers: __r.arg(Self::__arg0())?,
        })
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Perform for Crunch {
    const DEF: ::kiq::__private::JobDef = ::kiq::__private::JobDef::new::<
        Self,
    >({
            fn __run(
                __cx: ::kiq::__private::JobContext,
            ) -> ::kiq::__private::BoxFuture<'static, ::kiq::__private::JobResult> {
                ::kiq::__private::Box::pin(async move {
                    let Crunch { numbers: __a0 } = __cx.job::<Crunch>()?;
                    let __a1 = Crunch::__in0().make(&__cx).await?;
                    let __out = ::kiq::__private::blocking(
                            &__cx,
                            move || crunch(&__a0, __a1),
                        )
                        .await;
                    ::kiq::__private::finish::<
                        Crunch,
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
            ::core::concat!(::core::module_path!(), "::", "crunch"),
            ::core::file!(),
            ::core::line!(),
        )
        .params(&["numbers"])
        .check({
            fn __check(
                __state: &::kiq::__private::State,
            ) -> ::kiq::__private::Result<(), ::kiq::__private::MissingState> {
                Crunch::__in0().check(__state)?;
                ::kiq::__private::Ok(())
            }
            __check
        });
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < Crunch as ::kiq::__private::Perform > ::DEF
    }
};
