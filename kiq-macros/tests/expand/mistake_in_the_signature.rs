#[job]
async fn a(id: u64, name: Option<&str>, db: Data<Db>) {}
// ---- becomes ----
::core::compile_error! {
    "`name` borrows inside its type; a job argument is read back from Redis, so use an owned type here (`String`, `Vec<T>`)"
}
#[allow(dead_code)]
async fn a(id: u64, name: Option<&str>, db: Data<Db>) {}
///A job with a mistake in its signature.
#[allow(non_camel_case_types, dead_code)]
struct A {}
#[allow(missing_docs, dead_code, clippy::too_many_arguments)]
impl A {
    fn new(_: impl Sized, _: impl Sized) -> Self {
        Self {}
    }
    fn enqueue(_: impl Sized, _: impl Sized) -> ::kiq::__private::Enqueue<Self> {
        ::kiq::__private::Enqueue::new(Self {})
    }
}
#[automatically_derived]
impl ::kiq::__private::Job for A {
    const NAME: &'static str = "A";
    fn write_args(&self, _: &mut ::kiq::__private::ArgsWriter) {}
    fn read_args(
        _: &mut ::kiq::__private::ArgsReader<'_>,
    ) -> ::kiq::__private::Result<Self, ::kiq::__private::ArgsError> {
        ::kiq::__private::Ok(Self {})
    }
}
#[automatically_derived]
impl ::kiq::__private::Perform for A {
    const DEF: ::kiq::__private::JobDef = ::kiq::__private::JobDef::new::<
        Self,
    >(::kiq::__private::refused);
}
