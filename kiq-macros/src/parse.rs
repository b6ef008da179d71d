//! Tokens → the parts a user wrote. Judges nothing but whether they can be read.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{End, Parse, ParseStream, Parser};
use syn::{Attribute, Expr, Ident, Lit, Path, Signature, Token, Type, Visibility};

/// Everything that is wrong with one item, in the order it was found.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<syn::Error>);

impl Mistakes {
    /// A mistake that all of these tokens make up.
    pub(crate) fn on(&mut self, tokens: &impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new(span, message));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}

/// One entry of `#[job(…)]`.
pub(crate) enum Entry {
    /// `key`, `key = …`, `key(…)`.
    Option(Ident, Value),
    /// Something without a key.
    Stray(Expr),
}

/// What was written behind a key.
pub(crate) enum Value {
    Nothing,
    /// `= […]`: the inside, and where it is.
    List(TokenStream, Span),
    /// `= …`
    Expr(Box<Expr>),
    /// `(…)`
    Arguments(TokenStream),
}

/// An element of a list of types.
pub(crate) enum Listed {
    Type(Box<Type>),
    Literal(Lit),
    Closure(Expr),
    /// A path with braces or parentheses behind it, as a pattern has.
    Pattern(Box<Type>),
}

/// A function with an attribute on it; the body is never looked into.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for a function that ends in `;`.
    pub(crate) body: Option<TokenStream>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if input.peek(Token![;]) && input.peek2(End) {
            input.parse::<Token![;]>()?;
            None
        } else {
            Some(input.parse()?)
        };
        Ok(Function { attrs, vis, sig, body })
    }
}

/// Reads the options; what cannot be read is a mistake, and reading goes on behind the next comma.
pub(crate) fn options(tokens: TokenStream, mistakes: &mut Mistakes) -> Vec<Entry> {
    comma_separated(tokens, mistakes, entry)
}

/// Reads a list of types.
pub(crate) fn types(tokens: TokenStream, mistakes: &mut Mistakes) -> Vec<Listed> {
    comma_separated(tokens, mistakes, listed)
}

/// Reads a list of expressions.
pub(crate) fn expressions(tokens: TokenStream, mistakes: &mut Mistakes) -> Vec<Expr> {
    list(tokens, mistakes)
}

/// Reads a list of anything.
pub(crate) fn list<T: Parse>(tokens: TokenStream, mistakes: &mut Mistakes) -> Vec<T> {
    comma_separated(tokens, mistakes, T::parse)
}

/// Takes the `pub,` or `pub(…),` off the beginning; without one it is `pub(crate)`.
pub(crate) fn visibility(tokens: TokenStream) -> (Visibility, TokenStream) {
    let split = |input: ParseStream<'_>| {
        let vis: Visibility = input.parse()?;
        if !matches!(vis, Visibility::Inherited) {
            input.parse::<Option<Token![,]>>()?;
        }
        Ok((vis, input.parse()?))
    };
    match split.parse2(tokens.clone()) {
        Ok((Visibility::Inherited, rest)) => (syn::parse_quote!(pub(crate)), rest),
        Ok(found) => found,
        Err(_) => (syn::parse_quote!(pub(crate)), tokens),
    }
}

/// Takes the `crate = path,` off the beginning.
pub(crate) fn crate_path(tokens: TokenStream) -> (Option<Path>, TokenStream) {
    let split = |input: ParseStream<'_>| {
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        let path = input.call(Path::parse_mod_style)?;
        input.parse::<Option<Token![,]>>()?;
        Ok((Some(path), input.parse()?))
    };
    split.parse2(tokens.clone()).unwrap_or((None, tokens))
}

/// The keyword of an item that is no function.
pub(crate) fn item_keyword(item: &TokenStream) -> Option<Ident> {
    const KEYWORDS: [&str; 13] = [
        "struct",
        "enum",
        "union",
        "trait",
        "impl",
        "mod",
        "const",
        "static",
        "type",
        "use",
        "extern",
        "macro_rules",
        "macro",
    ];
    let mut keyword = None;
    for token in item.clone() {
        match token {
            TokenTree::Ident(word) if word == "fn" => return None,
            TokenTree::Ident(word) if keyword.is_none() && KEYWORDS.contains(&word.to_string().as_str()) => {
                keyword = Some(word);
            }
            _ => {}
        }
    }
    keyword
}

/// What can be said of a function that cannot be read, since somebody is typing it.
pub(crate) struct Unfinished {
    pub(crate) vis: Visibility,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) name: Ident,
    /// How many parameters look as if they were stored.
    pub(crate) arguments: usize,
}

/// Reads as much of a function as there is; `None` when it has no name yet.
pub(crate) fn unfinished(item: &TokenStream) -> Option<Unfinished> {
    let beginning = |input: ParseStream<'_>| {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        let rest: TokenStream = input.parse()?;
        Ok((attrs, vis, rest))
    };
    let (attrs, vis, rest) = beginning.parse2(item.clone()).ok()?;
    let mut rest = rest.into_iter().skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "fn"));
    rest.next()?;
    let Some(TokenTree::Ident(name)) = rest.next() else { return None };
    let parameters = rest.find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group.stream()),
        _ => None,
    });
    let cfgs = attrs.into_iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    Some(Unfinished { vis, cfgs, name, arguments: arguments(parameters.unwrap_or_default()) })
}

fn arguments(parameters: TokenStream) -> usize {
    let (mut count, mut depth, mut words) = (0, 0_usize, Vec::new());
    let is_stored = |words: &[String]| {
        let has = |word: &str| words.iter().any(|found| found == word);
        !words.is_empty() && (has("arg") || !["inject", "Data", "JobContext", "self"].into_iter().any(has))
    };
    for token in parameters {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' && depth == 0 => {
                count += usize::from(is_stored(&words));
                words.clear();
                continue;
            }
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth = depth.saturating_sub(1),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                words.extend(group.stream().into_iter().map(|token| token.to_string()));
            }
            _ => {}
        }
        words.push(token.to_string());
    }
    count + usize::from(is_stored(&words))
}

fn entry(input: ParseStream<'_>) -> syn::Result<Entry> {
    let starts_with_key = input.peek(Ident::peek_any)
        && (input.peek2(Token![=]) && !input.peek2(Token![==])
            || input.peek2(Token![,])
            || input.peek2(syn::token::Paren)
            || input.peek2(End)
            // `queue "high"`: the missing `=` is the better complaint.
            || input.peek2(syn::Lit)
            || input.peek2(Ident::peek_any));
    if !starts_with_key {
        return Ok(Entry::Stray(input.parse()?));
    }
    let key = input.call(Ident::parse_any)?;
    if input.peek(syn::token::Paren) {
        let inside;
        syn::parenthesized!(inside in input);
        return Ok(Entry::Option(key, Value::Arguments(inside.parse()?)));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(Entry::Option(key, Value::Nothing));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(Entry::Option(key, Value::Nothing));
    }
    if input.peek(syn::token::Bracket) && (input.peek2(Token![,]) || input.peek2(End)) {
        let inside;
        let bracket = syn::bracketed!(inside in input);
        return Ok(Entry::Option(key, Value::List(inside.parse()?, bracket.span.join())));
    }
    // `dead = true`, `crate = crate` and `retry = |e| …` are all expressions.
    Ok(Entry::Option(key, Value::Expr(Box::new(input.parse()?))))
}

fn listed(input: ParseStream<'_>) -> syn::Result<Listed> {
    if input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move]) {
        return Ok(Listed::Closure(input.parse()?));
    }
    if input.peek(Lit) {
        return Ok(Listed::Literal(input.parse()?));
    }
    let ty: Type = input.parse()?;
    if input.peek(syn::token::Brace) || input.peek(syn::token::Paren) {
        input.parse::<TokenTree>()?;
        return Ok(Listed::Pattern(Box::new(ty)));
    }
    Ok(Listed::Type(Box::new(ty)))
}

fn comma_separated<T>(
    tokens: TokenStream,
    mistakes: &mut Mistakes,
    element: impl Fn(ParseStream<'_>) -> syn::Result<T>,
) -> Vec<T> {
    let mut found = Vec::new();
    let read_all = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match element(input) {
                Ok(value) => {
                    found.push(value);
                    if !input.is_empty() && !input.peek(Token![,]) {
                        mistakes.at(input.span(), "expected `,`");
                        if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                            // Only the comma is missing: the next option can be read as it stands.
                            continue;
                        }
                    }
                }
                Err(error) => mistakes.add(error),
            }
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = read_all.parse2(tokens) {
        mistakes.add(error);
    }
    found
}
