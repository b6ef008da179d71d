//! The attribute `#[job]`. Use it as `kiq::job`.

use proc_macro::TokenStream;

/// Documented on its re-export, `kiq::job`.
#[proc_macro_attribute]
pub fn job(_options: TokenStream, item: TokenStream) -> TokenStream {
    item
}
