//! Each `.await` of a body → a place where a test may stop the job.
//!
//! The body is not parsed: `.await` becomes `.kiq_await(file, line).await` wherever the tokens stand, except in what is handed
//! to other macros, which may look for `.await` themselves, and in modules inside the body, where the trait is not in scope.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::quote_spanned;

use crate::expand::at;

/// The body, with the trait in scope that has the method.
pub(crate) fn as_places(body: TokenStream, private: &TokenStream) -> TokenStream {
    let mut is_first = true;
    let within = |token| match token {
        TokenTree::Group(group) if is_first && group.delimiter() == Delimiter::Brace => {
            is_first = false;
            let mut inner = watched(group.stream()).into_iter().peekable();
            let mut block = TokenStream::new();
            // `#![…]` comes first in a block.
            let mut begins = group.stream().into_iter();
            while let (Some(TokenTree::Punct(pound)), Some(TokenTree::Punct(bang)), Some(attribute)) =
                (begins.next(), begins.next(), begins.next())
                && (pound.as_char(), bang.as_char()) == ('#', '!')
            {
                block.extend([TokenTree::Punct(pound), TokenTree::Punct(bang), attribute]);
                inner.by_ref().take(3).for_each(drop);
            }
            let span = Span::call_site();
            block.extend(quote_spanned!(span=> #[allow(unused_imports)] use #private::Await as _;));
            block.extend(inner);
            regrouped(&group, block)
        }
        other => other,
    };
    body.into_iter().map(within).collect()
}

fn watched(tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut before: [Option<TokenTree>; 2] = [None, None];
    for token in tokens {
        let is_closed = match &before {
            // `name!(…)`, and not `if !(…)`.
            [Some(TokenTree::Ident(name)), Some(TokenTree::Punct(bang))] => {
                bang.as_char() == '!'
                    && !["if", "while", "match", "return", "in", "else"].iter().any(|word| name == word)
            }
            [Some(TokenTree::Ident(word)), Some(TokenTree::Ident(_))] => word == "mod",
            _ => false,
        };
        let is_after_dot = matches!(&before, [_, Some(TokenTree::Punct(dot))] if dot.as_char() == '.');
        let token = match token {
            TokenTree::Group(group) if !is_closed => {
                let inner = watched(group.stream());
                regrouped(&group, inner)
            }
            TokenTree::Ident(word) if is_after_dot && word == "await" => {
                let (span, line) = (at(word.span()), line(word.span()));
                out.extend(quote_spanned!(span=> kiq_await(::core::file!(), #line).));
                TokenTree::Ident(word)
            }
            other => other,
        };
        let [_, last] = before;
        before = [last, Some(token.clone())];
        out.extend([token]);
    }
    out
}

fn regrouped(group: &Group, inner: TokenStream) -> TokenTree {
    let mut regrouped = Group::new(group.delimiter(), inner);
    regrouped.set_span(group.span());
    TokenTree::Group(regrouped)
}

/// The line in the source; 0 where no compiler is there to say.
fn line(span: Span) -> u32 {
    match proc_macro::is_available() {
        true => u32::try_from(span.unwrap().line()).unwrap_or(0),
        false => 0,
    }
}
