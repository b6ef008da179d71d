//! What stands in for an expansion after a mistake in the signature: the function as written, and a struct that takes
//! anything, so that the mistake is the only thing the compiler complains about.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Ident, Visibility};

use crate::expand::{Paths, at};
use crate::model::{self, Model};
use crate::options::Options;
use crate::parse::Unfinished;

/// For a function that was read and has a mistake.
pub(crate) fn sketch(model: &Model) -> TokenStream {
    let Model { function, vis, cfgs, handle, options, .. } = model;
    let handle = handle.as_ref().map(|handle| {
        let arguments = model.stored_in_signature().min(function.sig.inputs.len());
        handle_sketch(handle, vis, cfgs, arguments, &Paths::of(options))
    });
    let function = function.body.is_some().then(|| quote!(#[allow(dead_code)] #function));
    quote!(#function #handle)
}

/// For a function in the middle of being typed. What is missing the compiler says itself, when it reads the item again: one
/// error, in its own words.
pub(crate) fn unfinished(function: &Unfinished, item: &TokenStream, options: &Options) -> TokenStream {
    let Unfinished { vis, cfgs, name, arguments } = function;
    let handle = options.handle.clone().or_else(|| {
        let camel = model::default_name(name);
        syn::parse_str::<Ident>(&camel).ok().map(|_| Ident::new(&camel, name.span()))
    });
    let handle = handle.map(|handle| handle_sketch(&handle, vis, cfgs, *arguments, &Paths::of(options)));
    quote!(#[allow(dead_code)] #item #handle)
}

fn handle_sketch(
    handle: &Ident,
    vis: &Visibility,
    cfgs: &[Attribute],
    arguments: usize,
    paths: &Paths<'_>,
) -> TokenStream {
    let handle = Ident::new(&handle.to_string(), at(handle.span()));
    let p = paths.private(Span::call_site());
    let name = handle.to_string();
    let anything: Vec<TokenStream> = (0..arguments).map(|_| quote!(_: impl Sized)).collect();
    quote! {
        #(#cfgs)*
        #[doc = "A job with a mistake in its signature."]
        #[allow(non_camel_case_types, dead_code)]
        #vis struct #handle {}

        #(#cfgs)*
        #[allow(missing_docs, dead_code, clippy::too_many_arguments)]
        impl #handle {
            #vis fn new(#(#anything),*) -> Self { Self {} }
            #vis fn enqueue(#(#anything),*) -> #p::Enqueue<Self> { #p::Enqueue::new(Self {}) }
        }

        #(#cfgs)*
        #[automatically_derived]
        impl #p::Job for #handle {
            const NAME: &'static str = #name;
            fn write_args(&self, _: &mut #p::ArgsWriter) {}
            fn read_args(_: &mut #p::ArgsReader<'_>) -> #p::Result<Self, #p::ArgsError> { #p::Ok(Self {}) }
        }

        #(#cfgs)*
        #[automatically_derived]
        impl #p::Perform for #handle {
            const DEF: #p::JobDef = #p::JobDef::new::<Self>(#p::refused);
        }
    }
}
