//! Questions about a type as it is written. A macro sees no more of it.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, Ident, Path, PathArguments, Type};

/// A type without the invisible delimiters of `macro_rules` and without parentheses.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(bare(ty)).is_some_and(|last| last == "Option")
}

pub(crate) fn is_string(path: &Path) -> bool {
    let path = path.to_token_stream().to_string().replace(' ', "");
    matches!(path.trim_start_matches("::"), "String" | "std::string::String" | "alloc::string::String")
}

/// The enum, if the last two parts of the path are both written like types.
pub(crate) fn looks_like_a_variant(ty: &Type) -> Option<String> {
    let Type::Path(path) = bare(ty) else { return None };
    let segments: Vec<_> = path.path.segments.iter().collect();
    let [.., of, variant] = segments.as_slice() else { return None };
    let is_type_like = |ident: &Ident| ident.to_string().starts_with(char::is_uppercase);
    if path.qself.is_some() || !is_type_like(&of.ident) || !is_type_like(&variant.ident) {
        return None;
    }
    let mut of = path.path.clone();
    of.segments.pop();
    of.segments.pop_punct();
    Some(of.to_token_stream().to_string().replace(' ', ""))
}

/// The `E` of `Result<T, E>`, where it can be seen.
pub(crate) fn error_type(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match (last.ident == "Result", arguments.args.iter().nth(1)) {
        (true, Some(GenericArgument::Type(error))) => Some(error),
        _ => None,
    }
}

pub(crate) fn is_text(error: &Type) -> bool {
    match bare(error) {
        Type::Path(path) => path.qself.is_none() && is_string(&path.path),
        Type::Reference(reference) => matches!(bare(&reference.elem), Type::Path(path) if path.path.is_ident("str")),
        _ => false,
    }
}

pub(crate) enum Borrow {
    Reference(Span),
    Unsized(&'static str, Span),
}

/// Goes by tokens, since every place in a type where a borrow can hide would be a case of its own.
pub(crate) fn find_borrow(tokens: TokenStream) -> Option<Borrow> {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => return Some(Borrow::Reference(punct.span())),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(lifetime)) if lifetime == "static" => {}
                _ => return Some(Borrow::Reference(punct.span())),
            },
            TokenTree::Ident(word) if word == "impl" => return Some(Borrow::Unsized("impl", word.span())),
            TokenTree::Ident(word) if word == "dyn" => return Some(Borrow::Unsized("dyn", word.span())),
            TokenTree::Group(group) => {
                if let Some(found) = find_borrow(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}
