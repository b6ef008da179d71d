//! The attribute `#[job]`. Use it as `kiq::job`.
//!
//! `parse` reads tokens, `model` decides what they mean and collects every mistake, `expand` writes the code, `fallback`
//! stands in where a mistake leaves nothing to expand.
#![warn(unreachable_pub)]

mod duration;
mod expand;
mod fallback;
mod model;
mod name;
mod parse;
mod suggest;

use proc_macro::TokenStream;

/// Documented on its re-export, `kiq::job`.
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::job(options.into(), item.into()).into()
}
