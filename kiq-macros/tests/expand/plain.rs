#[job]
/// Sends the welcome mail.
pub async fn send_welcome(
    /// Who.
    user_id: u64,
) {
    greet(user_id).await;
}
// ---- becomes ----
/// Sends the welcome mail.
pub async fn send_welcome(user_id: u64) {
    greet(user_id).await;
}
/// Sends the welcome mail.
///
///Enqueues [`send_welcome`](fn@send_welcome).
#[allow(non_camel_case_types, dead_code)]
pub struct SendWelcome {
    /// Who.
    pub user_id: u64,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl SendWelcome {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<u64> {
        ::kiq::__private::ArgKey::<u64>::new("user_id")
    }
    ///The job as a value, for enqueueing many and for assertions.
    pub fn new(user_id: u64) -> Self {
        Self { user_id }
    }
    ///Enqueues [`send_welcome`](fn@send_welcome).
    pub fn enqueue(user_id: u64) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self::new(user_id))
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::core::fmt::Debug for SendWelcome {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        ::kiq::__private::debug_job(self, __f)
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Job for SendWelcome {
    const NAME: &'static str = "SendWelcome";
    const OPTIONS: ::kiq::__private::JobOptions = {
        let __scope = ::kiq::__private::scope!();
        __scope.with_its_queue()
    };
    fn write_args(&self, __w: &mut ::kiq::__private::ArgsWriter) {
        __w.arg(Self::__arg0(), &self.user_id);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            user_id: __r.arg(Self::__arg0())?,
        })
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl ::kiq::__private::Perform for SendWelcome {
    const DEF: ::kiq::__private::JobDef = ::kiq::__private::JobDef::new::<
        Self,
    >({
            fn __run(
                __cx: ::kiq::__private::JobContext,
            ) -> ::kiq::__private::BoxFuture<'static, ::kiq::__private::JobResult> {
                ::kiq::__private::Box::pin(async move {
                    let SendWelcome { user_id: __a0 } = __cx.job::<SendWelcome>()?;
                    let __out = ::kiq::__private::assert_send(send_welcome(__a0)).await;
                    ::kiq::__private::finish::<
                        SendWelcome,
                        _,
                    >(__out, &__cx, ::kiq::__private::retry, ::kiq::__private::no_root)
                })
            }
            __run
        })
        .at(
            ::core::concat!(::core::module_path!(), "::", "send_welcome"),
            ::core::file!(),
            ::core::line!(),
        )
        .params(&["user_id"]);
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < SendWelcome as ::kiq::__private::Perform > ::DEF
    }
};
