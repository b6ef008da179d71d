#[derive(JobError)]
enum ShopError {
    #[transient]
    Down,
    #[rate_limited(after = 0)]
    TooMany(Duration),
    #[cfg(feature = "cards")]
    #[transient(after = wait)]
    Busy { wait: Option<Duration> },
    #[defer]
    Database(DbError),
}
// ---- becomes ----
#[automatically_derived]
#[allow(deprecated)]
impl ::kiq::__private::JobError for ShopError {
    fn plan(&self) -> ::kiq::__private::Option<::kiq::__private::Plan> {
        match self {
            Self::Down { .. } => {
                ::kiq::__private::Option::Some(::kiq::__private::Plan::transient())
            }
            Self::TooMany { 0: __after, .. } => {
                ::kiq::__private::Option::Some(
                    ::kiq::__private::Plan::rate_limited()
                        .after(::core::clone::Clone::clone(__after)),
                )
            }
            #[cfg(feature = "cards")]
            Self::Busy { wait: __after, .. } => {
                ::kiq::__private::Option::Some(
                    ::kiq::__private::Plan::transient()
                        .after(::core::clone::Clone::clone(__after)),
                )
            }
            Self::Database { .. } => ::kiq::__private::Option::None,
        }
    }
}
const _: () = {
    ::kiq::__private::register_error! {
        ShopError
    }
};
