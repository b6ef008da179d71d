//! `queues!`: the queues there are.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitStr};

use crate::expand::at;
use crate::name;
use crate::parse::{self, Mistakes};

/// One queue as it was written: `high`, or `"mail-out"` where the name is no word of Rust.
struct Queue {
    docs: Vec<Attribute>,
    name: String,
    span: Span,
}

impl Parse for Queue {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let docs = input.call(Attribute::parse_outer)?;
        let (name, span) = if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            (text.value(), text.span())
        } else if input.peek(Ident::peek_any) {
            let word = input.call(Ident::parse_any)?;
            (word.unraw().to_string(), word.span())
        } else {
            return Err(input.error("expected the name of a queue: `high`, or `\"mail-out\"` if it is no plain word"));
        };
        Ok(Queue { docs, name, span })
    }
}

/// What `queues! { input }` becomes: a module of constants, and a trait that jobs find where it is in scope.
pub(crate) fn queues(input: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let (vis, names) = parse::visibility(input);
    let (krate, names) = parse::crate_path(names);
    let p = match krate {
        Some(krate) => quote!(#krate::__private),
        None => quote!(::kiq::__private),
    };
    let found: Vec<Queue> = parse::list(names, &mut mistakes);
    if found.is_empty() && mistakes.count() == 0 {
        mistakes.at(Span::call_site(), "name at least one queue: `kiq::queues! { high, default, low }`");
    }
    let mut queues: Vec<(Queue, Ident)> = Vec::new();
    for queue in found {
        if let Some(fault) = name::queue_fault(&queue.name) {
            mistakes.at(queue.span, fault);
            continue;
        }
        let constant = name::constant(&queue.name);
        if let Some((earlier, _)) = queues.iter().find(|(_, other)| *other == constant) {
            let message = match earlier.name == queue.name {
                true => format!("`{}` is listed twice", queue.name),
                false => format!("`{}` and `{}` would both be the constant `{constant}`", earlier.name, queue.name),
            };
            mistakes.at(queue.span, message);
            continue;
        }
        if constant == "ALL" {
            mistakes.at(queue.span, format!("`{}` would be the constant `ALL`, which is the list of all", queue.name));
            continue;
        }
        let constant = Ident::new(&constant, at(queue.span));
        queues.push((queue, constant));
    }

    let errors = mistakes.to_compile_errors();
    let constants = queues.iter().map(|(queue, constant)| {
        let Queue { docs, name, .. } = queue;
        let text = format!("The queue `{name}`.");
        let docs = if docs.is_empty() { quote!(#[doc = #text]) } else { quote!(#(#docs)*) };
        quote!(#docs pub const #constant: &str = #name;)
    });
    let all: Vec<&Ident> = queues.iter().map(|(_, constant)| constant).collect();
    let count = all.len();
    let names: Vec<&str> = queues.iter().map(|(queue, _)| queue.name.as_str()).collect();
    let fault = format!("a queue of this job is not among those of `kiq::queues!`: {}", names.join(", "));
    // A list with a mistake in it may lack the very queue that a job names.
    let declared =
        if mistakes.count() == 0 { quote!(#p::Option::Some(&queues::ALL)) } else { quote!(#p::Option::None) };
    quote! {
        #errors

        #[doc = "The queues of this program: written by `kiq::queues!`."]
        #[allow(dead_code, unreachable_pub)]
        #vis mod queues {
            #(#constants)*

            #[doc = "All of them, in the order they were declared."]
            pub const ALL: [&str; #count] = [#(#all),*];

            #[doc = "Where this trait is in scope, a job cannot name another queue."]
            pub trait Declared {
                #[doc(hidden)]
                fn kiq_queues(self) -> __Declared;
            }

            #[doc(hidden)]
            #[allow(missing_debug_implementations)]
            pub struct __Declared;
        }

        #[automatically_derived]
        impl queues::Declared for #p::Here {
            fn kiq_queues(self) -> queues::__Declared { queues::__Declared }
        }

        #[automatically_derived]
        impl #p::Queues for queues::__Declared {
            const DECLARED: #p::Option<&'static [&'static str]> = #declared;
            const FAULT: &'static str = #fault;
        }

        #[allow(unused_imports)]
        use queues::Declared as _;
    }
}
