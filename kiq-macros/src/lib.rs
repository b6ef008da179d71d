//! The attribute `#[job]`, and `defaults!`, `queues!` and `#[derive(JobError)]` beside it. Use them through the crate `kiq`.
//!
//! `parse` reads tokens, `options` and `model` decide what they mean and collect every mistake, `expand` writes the code,
//! `fallback` stands in where a mistake leaves nothing to expand.
#![warn(unreachable_pub)]

mod awaits;
mod defaults;
mod duration;
mod expand;
mod fallback;
mod job_error;
mod model;
mod name;
mod options;
mod parse;
mod queues;
mod suggest;
mod types;

use proc_macro::TokenStream;

/// Documented on its re-export, `kiq::job`.
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::job(options.into(), item.into(), cfg!(feature = "await-points")).into()
}

/// Documented on its re-export, `kiq::defaults`.
#[proc_macro]
pub fn defaults(input: TokenStream) -> TokenStream {
    defaults::defaults(input.into()).into()
}

/// Documented on its re-export, `kiq::queues`.
#[proc_macro]
pub fn queues(input: TokenStream) -> TokenStream {
    queues::queues(input.into()).into()
}

/// Documented on its re-export, `kiq::JobError`.
#[proc_macro_derive(JobError, attributes(transient, permanent, discard, fatal, rate_limited, defer, kiq))]
pub fn job_error(input: TokenStream) -> TokenStream {
    job_error::job_error(input.into()).into()
}
