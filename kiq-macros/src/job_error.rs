//! `#[derive(JobError)]`: a rule for every variant of an error type.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, Ident, Item, Member, Meta, Path, Token};

use crate::expand::at;
use crate::parse::Mistakes;

/// The rules, as attributes, each with the constructor of `Plan`; `defer` has none.
const RULES: [(&str, Option<&str>); 6] = [
    ("transient", Some("transient")),
    ("permanent", Some("permanent")),
    ("discard", Some("discard")),
    ("fatal", Some("fatal")),
    ("rate_limited", Some("rate_limited")),
    ("defer", None),
];

/// Those that may say how long to wait.
const MAY_WAIT: [&str; 2] = ["transient", "rate_limited"];

const CHOICE: &str = "`#[transient]` (retry, tell nobody yet), `#[permanent]` (retry, tell at once), `#[discard]`, \
                      `#[fatal]` (straight to the dead), `#[rate_limited]` or `#[defer]` (what it comes from decides)";

/// What an attribute of a rule holds: `after = field`.
struct After(Member);

impl Parse for After {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let word: Ident = input.parse()?;
        if word.unraw() != "after" {
            return Err(syn::Error::new(word.span(), format!("unknown option `{word}`; expected `after = field`")));
        }
        input.parse::<Token![=]>()?;
        input.parse().map(After)
    }
}

/// `crate = path` in `#[kiq(…)]`.
struct CratePath(Path);

impl Parse for CratePath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.parse::<Token![crate]>().map_err(|error| syn::Error::new(error.span(), "expected `crate = path`"))?;
        input.parse::<Token![=]>()?;
        input.call(Path::parse_mod_style).map(CratePath)
    }
}

/// A rule of one variant.
struct Rule {
    plan: Option<Ident>,
    after: Option<Member>,
}

/// What the derive writes beside the type.
pub(crate) fn job_error(input: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let item = match syn::parse2::<Item>(input) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let (name, generics, attrs) = match &item {
        Item::Enum(item) => (&item.ident, &item.generics, &item.attrs),
        Item::Struct(item) => (&item.ident, &item.generics, &item.attrs),
        _ => return syn::Error::new_spanned(item, "`JobError` is for an enum or a struct").to_compile_error(),
    };
    check_generics(generics, &mut mistakes);
    let p = private(attrs, &mut mistakes);
    let arms: Vec<TokenStream> = match &item {
        Item::Enum(item) => {
            if let Some(attribute) = attrs.iter().find(|attribute| rule_name(attribute).is_some()) {
                mistakes.on(attribute, "on an enum, every variant has a rule of its own; put this above a variant");
            }
            let arm = |variant: &syn::Variant| {
                let (ident, cfgs) = (&variant.ident, cfgs(&variant.attrs));
                let rule = rule_of(ident, &variant.attrs, &mut mistakes)?;
                Some(arm(&quote!(Self::#ident), &cfgs, &rule, &p))
            };
            item.variants.iter().filter_map(arm).collect()
        }
        _ => rule_of(name, attrs, &mut mistakes).iter().map(|rule| arm(&quote!(Self), &[], rule, &p)).collect(),
    };
    let errors = mistakes.to_compile_errors();
    let is_whole = mistakes.count() == 0;
    // With a mistake in it, it still is a `JobError`, so that the mistake is all that is reported.
    let body = if is_whole && !arms.is_empty() { quote!(match self { #(#arms)* }) } else { quote!(#p::Option::None) };
    let register = is_whole.then(|| quote!(const _: () = { #p::register_error! { #name } };));
    let name = Ident::new(&name.to_string(), at(name.span()));
    let (impl_generics, type_generics, bounds) = generics.split_for_impl();
    quote! {
        #errors

        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #p::JobError for #name #type_generics #bounds {
            fn plan(&self) -> #p::Option<#p::Plan> { #body }
        }

        #register
    }
}

fn check_generics(generics: &Generics, mistakes: &mut Mistakes) {
    if !generics.params.is_empty() {
        let message = "`JobError` cannot be derived for a type with parameters: a worker has to know each type it looks for; \
                       put what varies into a box, or give the rule to the application with `App::rule_for`";
        mistakes.on(&generics.params, message);
    }
}

/// Where the runtime is.
fn private(attrs: &[Attribute], mistakes: &mut Mistakes) -> TokenStream {
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("kiq")) {
        match attribute.parse_args::<CratePath>() {
            Ok(CratePath(path)) => return quote!(#path::__private),
            Err(error) => mistakes.add(error),
        }
    }
    quote!(::kiq::__private)
}

fn rule_name(attribute: &Attribute) -> Option<&'static str> {
    RULES.iter().map(|(name, _)| *name).find(|name| attribute.path().is_ident(name))
}

fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
}

/// The one rule of a variant; `None` is a mistake.
fn rule_of(variant: &Ident, attrs: &[Attribute], mistakes: &mut Mistakes) -> Option<Rule> {
    let mut rules = attrs.iter().filter_map(|attribute| rule_name(attribute).map(|name| (attribute, name)));
    let Some((attribute, name)) = rules.next() else {
        mistakes.on(variant, format!("`{variant}` has no rule; put one above it: {CHOICE}"));
        return None;
    };
    if let Some((second, other)) = rules.next() {
        mistakes.on(second, format!("`{variant}` has two rules, `{name}` and `{other}`; leave one out"));
        return None;
    }
    let after = match &attribute.meta {
        Meta::Path(_) => None,
        Meta::List(list) if MAY_WAIT.contains(&name) => match list.parse_args::<After>() {
            Ok(After(member)) => Some(member),
            Err(error) => {
                mistakes.add(error);
                return None;
            }
        },
        meta if MAY_WAIT.contains(&name) => {
            mistakes.on(meta, format!("to wait as the error says, write `#[{name}(after = field)]`"));
            return None;
        }
        meta => {
            mistakes.on(meta, format!("`{name}` takes no options"));
            return None;
        }
    };
    let plan = RULES.iter().find(|(other, _)| *other == name).and_then(|(_, plan)| *plan);
    Some(Rule { plan: plan.map(|plan| Ident::new(plan, Span::call_site())), after })
}

fn arm(pattern: &TokenStream, cfgs: &[&Attribute], rule: &Rule, p: &TokenStream) -> TokenStream {
    let Some(plan) = &rule.plan else {
        return quote!(#(#cfgs)* #pattern { .. } => #p::Option::None,);
    };
    match &rule.after {
        None => quote!(#(#cfgs)* #pattern { .. } => #p::Option::Some(#p::Plan::#plan()),),
        Some(field) => {
            let span = at(match field {
                Member::Named(name) => name.span(),
                Member::Unnamed(index) => index.span,
            });
            let after = format_ident!("__after", span = span);
            let plan = quote_spanned!(span=> #p::Plan::#plan().after(::core::clone::Clone::clone(#after)));
            quote!(#(#cfgs)* #pattern { #field: #after, .. } => #p::Option::Some(#plan),)
        }
    }
}
