#[job]
async fn a(
    text: &str,
    list: &[u8],
    borrowed: &Order,
    owned: String,
    #[arg(default)] count: u32,
    #[arg(default = "a4")] size: &str,
    title: Option<String>,
) {
}
// ---- becomes ----
async fn a(
    text: &str,
    list: &[u8],
    borrowed: &Order,
    owned: String,
    count: u32,
    size: &str,
    title: Option<String>,
) {}
///Enqueues [`a`](fn@a).
#[allow(non_camel_case_types, dead_code)]
struct A {
    ///Argument `text` of `a`.
    text: ::kiq::__private::String,
    ///Argument `list` of `a`.
    list: ::kiq::__private::Vec<u8>,
    ///Argument `borrowed` of `a`.
    borrowed: Order,
    ///Argument `owned` of `a`.
    owned: String,
    ///Argument `count` of `a`.
    count: u32,
    ///Argument `size` of `a`.
    size: ::kiq::__private::String,
    ///Argument `title` of `a`.
    title: Option<String>,
}
#[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
impl A {
    #[doc(hidden)]
    const fn __arg0() -> ::kiq::__private::ArgKey<::kiq::__private::String> {
        ::kiq::__private::ArgKey::<::kiq::__private::String>::new("text")
    }
    #[doc(hidden)]
    const fn __arg1() -> ::kiq::__private::ArgKey<::kiq::__private::Vec<u8>> {
        ::kiq::__private::ArgKey::<::kiq::__private::Vec<u8>>::new("list")
    }
    #[doc(hidden)]
    const fn __arg2() -> ::kiq::__private::ArgKey<Order> {
        ::kiq::__private::ArgKey::<Order>::new("borrowed")
    }
    #[doc(hidden)]
    const fn __arg3() -> ::kiq::__private::ArgKey<String> {
        ::kiq::__private::ArgKey::<String>::new("owned")
    }
    #[doc(hidden)]
    const fn __arg4() -> ::kiq::__private::ArgKey<u32> {
        ::kiq::__private::ArgKey::<u32>::new("count")
    }
    #[doc(hidden)]
    const fn __arg5() -> ::kiq::__private::ArgKey<::kiq::__private::String> {
        ::kiq::__private::ArgKey::<::kiq::__private::String>::new("size")
    }
    #[doc(hidden)]
    const fn __arg6() -> ::kiq::__private::ArgKey<Option<String>> {
        ::kiq::__private::ArgKey::<Option<String>>::new("title")
    }
    ///The job as a value, for enqueueing many and for assertions.
    fn new(
        text: impl ::kiq::__private::Into<::kiq::__private::String>,
        list: ::kiq::__private::Vec<u8>,
        borrowed: Order,
        owned: impl ::kiq::__private::Into<String>,
        count: u32,
        size: impl ::kiq::__private::Into<::kiq::__private::String>,
        title: Option<String>,
    ) -> Self {
        Self {
            text: ::kiq::__private::Into::into(text),
            list,
            borrowed,
            owned: ::kiq::__private::Into::into(owned),
            count,
            size: ::kiq::__private::Into::into(size),
            title,
        }
    }
    ///Enqueues [`a`](fn@a).
    fn enqueue(
        text: impl ::kiq::__private::Into<::kiq::__private::String>,
        list: ::kiq::__private::Vec<u8>,
        borrowed: Order,
        owned: impl ::kiq::__private::Into<String>,
        count: u32,
        size: impl ::kiq::__private::Into<::kiq::__private::String>,
        title: Option<String>,
    ) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(
            Self::new(text, list, borrowed, owned, count, size, title),
        )
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
        __w.arg(Self::__arg0(), &self.text);
        __w.arg(Self::__arg1(), &self.list);
        __w.arg(Self::__arg2(), &self.borrowed);
        __w.arg(Self::__arg3(), &self.owned);
        __w.arg(Self::__arg4(), &self.count);
        __w.arg(Self::__arg5(), &self.size);
        __w.arg(Self::__arg6(), &self.title);
    }
    fn read_args(
        __r: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {
            text: __r.arg(Self::__arg0())?,
            list: __r.arg(Self::__arg1())?,
            borrowed: __r.arg(Self::__arg2())?,
            owned: __r.arg(Self::__arg3())?,
            count: __r.arg_or(Self::__arg4(), ::kiq::__private::Default::default)?,
            size: __r.arg_or(Self::__arg5(), || ::kiq::__private::Into::into("a4"))?,
            title: __r.arg_or(Self::__arg6(), ::kiq::__private::Default::default)?,
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
                    let A {
                        text: __a0,
                        list: __a1,
                        borrowed: __a2,
                        owned: __a3,
                        count: __a4,
                        size: __a5,
                        title: __a6,
                    } = __cx.job::<A>()?;
                    let __out = ::kiq::__private::assert_send(
                            a(&__a0, &__a1, &__a2, __a3, __a4, &__a5, __a6),
                        )
                        .await;
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
        .params(&["text", "list", "borrowed", "owned", "count", "size", "title"])
        .optional(3usize);
}
#[allow(deprecated)]
const _: () = {
    ::kiq::__private::register! {
        < A as ::kiq::__private::Perform > ::DEF
    }
};
