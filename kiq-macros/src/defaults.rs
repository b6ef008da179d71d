//! `defaults!`: what the jobs of a module ask for when they say nothing else.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::expand::Paths;
use crate::options;
use crate::parse::{self, Mistakes};

/// What `defaults! { input }` becomes: a trait that jobs find where it is in scope, and the constants it stands for. On a
/// mistake too, so that the jobs around it have what could be understood.
pub(crate) fn defaults(input: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let (vis, entries) = parse::visibility(input);
    let entries = parse::options(entries, &mut mistakes);
    let options = options::of_module(entries, &mut mistakes);
    let errors = mistakes.to_compile_errors();
    let paths = Paths::of(&options);
    let p = paths.private(Span::call_site());
    let set = paths.set(&options, None);
    quote! {
        #errors

        #[doc = "What the jobs ask for, where this trait is in scope, when they say nothing else: written by `kiq::defaults!`."]
        #[allow(dead_code, unreachable_pub)]
        #vis trait JobDefaults {
            #[doc(hidden)]
            fn kiq_defaults(self) -> __JobDefaults;
        }

        #[doc(hidden)]
        #[allow(dead_code, unreachable_pub, missing_debug_implementations)]
        #vis struct __JobDefaults;

        #[automatically_derived]
        impl JobDefaults for #p::Here {
            fn kiq_defaults(self) -> __JobDefaults { __JobDefaults }
        }

        #[automatically_derived]
        impl #p::Defaults for __JobDefaults {
            const OPTIONS: #p::JobOptions = #p::JobOptions::new()#set;
        }
    }
}
