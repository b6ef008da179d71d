#[derive(JobError)]
enum ShopError {
    #[transient]
    Down,
    Gone,
}
// ---- becomes ----
::core::compile_error! {
    "`Gone` has no rule; put one above it: `#[transient]` (retry, tell nobody yet), `#[permanent]` (retry, tell at once), `#[discard]`, `#[fatal]` (straight to the dead), `#[rate_limited]` or `#[defer]` (what it comes from decides)"
}
#[automatically_derived]
#[allow(deprecated)]
impl ::kiq::__private::JobError for ShopError {
    fn plan(&self) -> ::kiq::__private::Option<::kiq::__private::Plan> {
        ::kiq::__private::Option::None
    }
}
