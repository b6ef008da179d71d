//! What stands in for an expansion after a mistake in the signature: the function as written, and a struct that takes
//! anything, so that the mistake is the only thing the compiler complains about.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use crate::expand::{Paths, at};
use crate::model::Model;

pub(crate) fn sketch(model: &Model) -> TokenStream {
    let Model { function, vis, cfgs, .. } = model;
    let function = quote!(#[allow(dead_code)] #function);
    let function = if model.function.body.is_some() { function } else { TokenStream::new() };
    let Some(handle) = &model.handle else { return function };
    let handle = Ident::new(&handle.to_string(), at(handle.span()));
    let p = Paths::of(&model.options).private(Span::call_site());
    let name = handle.to_string();
    let anything: Vec<TokenStream> = model.function.sig.inputs.iter().map(|_| quote!(_: impl Sized)).collect();
    let anything = anything.get(..model.stored_in_signature()).unwrap_or(&anything);
    quote! {
        #function

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
