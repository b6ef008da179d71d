//! What a function with `#[job]` on it means: which parameters are stored and which are supplied, and every mistake in it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, FnArg, Ident, Lit, Meta, Pat, PatType, ReturnType, Safety, Signature, Type, TypeParamBound,
    Visibility,
};

use crate::options::{Name, Options, Texts};
use crate::parse::{self, Entry, Function, Mistakes, Value};
use crate::types::{Borrow, bare, find_borrow, is_option, is_string, last_segment};
use crate::{name, options};

/// A function with `#[job]` on it, understood as far as it can be.
pub(crate) struct Model {
    pub(crate) function: Function,
    pub(crate) vis: Visibility,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) docs: Vec<Attribute>,
    /// `None` where no struct may stand, or no name could be found for it.
    pub(crate) handle: Option<Ident>,
    pub(crate) params: Vec<Param>,
    pub(crate) options: Options,
    /// Whether the parameters can be trusted; if not, there is nothing to expand.
    pub(crate) sound: bool,
}

pub(crate) enum Param {
    /// Written to Redis, read back by the worker.
    Stored(Box<Stored>),
    /// Made by the worker for each run: its type, without a reference.
    Supplied { ty: Box<Type>, by_ref: bool },
}

pub(crate) struct Stored {
    pub(crate) name: Ident,
    /// As the user wrote it, for its span.
    pub(crate) written: Type,
    pub(crate) kept_as: KeptAs,
    pub(crate) by_ref: bool,
    pub(crate) absent: Absent,
    pub(crate) docs: Vec<Attribute>,
}

/// The type of the field.
pub(crate) enum KeptAs {
    Written(Type),
    /// `&str` and `String`: a constructor takes whatever converts into it.
    Text,
    VecOf(Type),
}

/// What an argument is when an older payload ends before it.
pub(crate) enum Absent {
    Mistake,
    Default,
    Value(Box<Expr>),
}

/// Understands options and function.
pub(crate) fn build(entries: Vec<Entry>, mut function: Function, mistakes: &mut Mistakes) -> Model {
    let before = mistakes.count();
    check_signature(&function.sig, mistakes);
    check_role(&function, mistakes);
    let mut params = take_params(&mut function, mistakes);
    check_order(&params, mistakes);
    default_trailing_options(&mut params);
    let sound = mistakes.count() == before;

    let options = options::of_job(entries, &function, mistakes);
    check_aliases(&options, &function, mistakes);
    let handle = match (function.sig.receiver(), &options.handle) {
        (Some(_), _) => None,
        (None, Some(handle)) => Some(handle.clone()),
        (None, None) => default_handle(&function.sig.ident, options.name.is_some(), mistakes),
    };
    Model {
        vis: function.vis.clone(),
        cfgs: attributes_named("cfg", &function.attrs),
        docs: attributes_named("doc", &function.attrs),
        handle,
        params,
        options,
        sound,
        function,
    }
}

fn check_signature(sig: &Signature, mistakes: &mut Mistakes) {
    if let Some(receiver) = sig.receiver() {
        let message = format!(
            "a job is a free function and cannot take `self`; move `{}` out of the `impl` block and pass the data it needs \
             as arguments or as `Data<T>`",
            sig.ident
        );
        mistakes.on(&receiver, message);
    }
    if let Some(constness) = &sig.constness {
        mistakes.on(&constness, "a job cannot be a `const fn`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        mistakes.on(&token, "a job cannot be `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        mistakes.on(&abi, "a job cannot be `extern`");
    }
    for generic in &sig.generics.params {
        let message = match generic {
            syn::GenericParam::Lifetime(_) => {
                "a job cannot have lifetime parameters; leave the lifetime out (`&str`) or take an owned type"
            }
            _ => "a job cannot be generic: the worker has to know every argument type when it reads the job back",
        };
        mistakes.on(&generic, message);
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Type::ImplTrait(returned) = bare(ty)
        && returned.bounds.iter().any(is_future)
    {
        mistakes.on(&ty, "write `async fn` instead of returning `impl Future`");
    }
}

fn is_future(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound) if bound.path.segments.last().is_some_and(|last| last.ident == "Future"))
}

/// `main` and tests are run by somebody else.
fn check_role(function: &Function, mistakes: &mut Mistakes) {
    if function.sig.ident == "main" {
        mistakes.on(&function.sig.ident, "`main` starts the program and cannot be a job");
    }
    for attr in &function.attrs {
        if attr.path().segments.last().is_some_and(|last| last.ident == "test") {
            mistakes.on(&attr, "a test cannot be a job; call the job's function from the test");
        }
    }
}

/// Reads the parameters, and takes the attributes off them that only `#[job]` knows.
fn take_params(function: &mut Function, mistakes: &mut Mistakes) -> Vec<Param> {
    let has_body = function.body.is_some();
    let mut params = Vec::new();
    for input in &mut function.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let marks = take_marks(input, mistakes);
        if let Some(param) = param(input, marks, has_body, mistakes) {
            params.push(param);
        }
    }
    params
}

/// What the attributes of a parameter say.
struct Marks {
    arg: Option<Span>,
    inject: Option<Span>,
    default: Option<Absent>,
    docs: Vec<Attribute>,
}

fn take_marks(input: &mut PatType, mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks { arg: None, inject: None, default: None, docs: Vec::new() };
    for attr in std::mem::take(&mut input.attrs) {
        let path = attr.path();
        if path.is_ident("arg") {
            marks.arg = Some(attr.span());
            read_arg(&attr, &mut marks, mistakes);
        } else if path.is_ident("inject") {
            marks.inject = Some(attr.span());
            if !matches!(attr.meta, Meta::Path(_)) {
                mistakes.on(&attr.meta, "`#[inject]` takes no options");
            }
        } else if path.is_ident("doc") {
            marks.docs.push(attr);
        } else if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            let message = format!(
                "`#[{}]` on a job parameter would change what is stored in Redis; put it on the whole function",
                path.to_token_stream()
            );
            mistakes.on(&attr, message);
        } else {
            input.attrs.push(attr);
        }
    }
    if let (Some(_), Some(inject)) = (marks.arg, marks.inject) {
        mistakes
            .at(inject, "a parameter is either stored (`#[arg]`) or supplied by the worker (`#[inject]`), not both");
    }
    marks
}

fn read_arg(attr: &Attribute, marks: &mut Marks, mistakes: &mut Mistakes) {
    let inside = match &attr.meta {
        Meta::Path(_) => return,
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            mistakes.on(&pair, "write `#[arg]`, `#[arg(default)]` or `#[arg(default = …)]`");
            return;
        }
    };
    for entry in parse::options(inside, mistakes) {
        match entry {
            Entry::Option(key, Value::Nothing) if key == "default" => marks.default = Some(Absent::Default),
            Entry::Option(key, Value::Expr(value)) if key == "default" => marks.default = Some(Absent::Value(value)),
            // `default = []` is a value like any other.
            Entry::Option(key, Value::List(inside, span)) if key == "default" => {
                let list = quote::quote_spanned!(span=> [#inside]);
                match syn::parse2(list) {
                    Ok(value) => marks.default = Some(Absent::Value(Box::new(value))),
                    Err(error) => mistakes.add(error),
                }
            }
            Entry::Option(key, Value::Arguments(_)) if key == "default" => {
                mistakes.on(&key, "write `default` or `default = …`");
            }
            Entry::Option(key, _) => {
                mistakes.on(&key, format!("unknown argument option `{key}`; expected `default`"));
            }
            Entry::Stray(stray) => mistakes.on(&stray, "expected `default` or `default = …`"),
        }
    }
}

fn param(input: &PatType, marks: Marks, has_body: bool, mistakes: &mut Mistakes) -> Option<Param> {
    let (inner, by_ref) = match bare(&input.ty) {
        Type::Reference(reference) if reference.mutability.is_some() => {
            mistakes.on(&input.ty, "a job parameter cannot be `&mut`");
            return None;
        }
        Type::Reference(reference) => (bare(&reference.elem), true),
        other => (other, false),
    };
    let is_supplied = match (marks.arg, marks.inject) {
        (Some(_), _) => false,
        (None, Some(_)) => true,
        (None, None) => match last_segment(inner) {
            Some(last) if last == "Checkpoint" => {
                mistakes.on(&last, "`Checkpoint` is not supported yet");
                return None;
            }
            Some(last) => last == "Data" || last == "JobContext",
            None => false,
        },
    };
    if is_supplied {
        if !has_body {
            let message =
                "this is supplied by a worker of this program, and a job without a body is performed elsewhere";
            mistakes.on(&input.ty, message);
        }
        return Some(Param::Supplied { ty: Box::new(inner.clone()), by_ref });
    }
    let name = stored_name(&input.pat, mistakes)?;
    check_owned(&name, &input.ty, mistakes)?;
    let kept_as = match inner {
        Type::Path(path) if by_ref && path.qself.is_none() && path.path.is_ident("str") => KeptAs::Text,
        Type::Slice(slice) if by_ref => KeptAs::VecOf((*slice.elem).clone()),
        Type::Path(path) if path.qself.is_none() && is_string(&path.path) => KeptAs::Text,
        other => KeptAs::Written(other.clone()),
    };
    let absent = marks.default.unwrap_or(Absent::Mistake);
    let written = (*input.ty).clone();
    Some(Param::Stored(Box::new(Stored { name, written, kept_as, by_ref, absent, docs: marks.docs })))
}

fn stored_name(pat: &Pat, mistakes: &mut Mistakes) -> Option<Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(pat.ident.clone()),
        Pat::Wild(_) => {
            mistakes.on(&pat, "a job argument needs a name; prefix it with `_` if the job does not use it");
            None
        }
        _ => {
            mistakes.on(&pat, "a job argument must be a plain name, not a pattern; destructure it in the body");
            None
        }
    }
}

/// A stored argument outlives the process that made it, so its type cannot borrow.
fn check_owned(name: &Ident, ty: &Type, mistakes: &mut Mistakes) -> Option<()> {
    let name = name.unraw();
    let inner = match bare(ty) {
        Type::Reference(reference) => {
            if let Some(lifetime) = &reference.lifetime
                && lifetime.ident == "static"
            {
                let message = format!(
                    "`{name}` is read back from Redis and cannot be `'static`; use `&str`, `String` or another owned type"
                );
                mistakes.on(&lifetime, message);
                return None;
            }
            bare(&reference.elem)
        }
        other => other,
    };
    match find_borrow(inner.to_token_stream()) {
        None => Some(()),
        Some(Borrow::Reference(span)) => {
            let message = format!(
                "`{name}` borrows inside its type; a job argument is read back from Redis, so use an owned type here \
                 (`String`, `Vec<T>`)"
            );
            mistakes.at(span, message);
            None
        }
        Some(Borrow::Unsized(word, span)) => {
            let message =
                format!("`{name}` needs a concrete type: `{word} Trait` arguments cannot be read back from Redis");
            mistakes.at(span, message);
            None
        }
    }
}

/// Arguments are positional, so only the last ones can be missing from an older payload.
fn check_order(params: &[Param], mistakes: &mut Mistakes) {
    let mut defaulted: Option<&Ident> = None;
    for param in params {
        let Param::Stored(param) = param else { continue };
        match (&param.absent, defaulted) {
            (Absent::Mistake, Some(earlier)) if !is_option(&param.written) => {
                let message = format!(
                    "`{}` has a default, so every argument after it needs one too (arguments are positional in Redis); \
                     `{}` has none",
                    earlier.unraw(),
                    param.name.unraw()
                );
                mistakes.on(&param.written, message);
            }
            (Absent::Mistake, _) => {}
            _ => defaulted = defaulted.or(Some(&param.name)),
        }
    }
}

/// Lets the `Option`s at the end be missing.
fn default_trailing_options(params: &mut [Param]) {
    for param in params.iter_mut().rev() {
        match param {
            Param::Supplied { .. } => {}
            Param::Stored(param) => match param.absent {
                Absent::Mistake if is_option(&param.written) => param.absent = Absent::Default,
                Absent::Mistake => return,
                Absent::Default | Absent::Value(_) => {}
            },
        }
    }
}

/// The job's own name needs no alias.
fn check_aliases(options: &Options, function: &Function, mistakes: &mut Mistakes) {
    let name = match &options.name {
        Some(Name::Literal(name)) => name.clone(),
        Some(Name::Const(_)) => return,
        None => default_name(&function.sig.ident),
    };
    let Some(Texts::List(aliases)) = &options.aliases else { return };
    for alias in aliases {
        if let Some(Lit::Str(text)) = options::literal(alias)
            && text.value() == name
        {
            mistakes.on(&text, format!("`{name}` is the job's name already; `aliases` are names it had before"));
        }
    }
}

fn default_handle(function: &Ident, is_named: bool, mistakes: &mut Mistakes) -> Option<Ident> {
    let bare = function.unraw();
    let camel = default_name(function);
    if syn::parse_str::<Ident>(&camel).is_err() {
        let message = format!("`{bare}` gives no name for the job's struct; set one with `handle = …`");
        mistakes.on(&function, message);
        return None;
    }
    if !is_named && !name::is_job_name(&camel) {
        let message = format!("`{bare}` gives no name that Sidekiq could look up; set one with `name = \"…\"`");
        mistakes.on(&function, message);
    }
    Some(Ident::new(&camel, function.span()))
}

fn attributes_named(name: &str, attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident(name)).cloned().collect()
}

/// The job's name where none is given.
pub(crate) fn default_name(function: &Ident) -> String {
    name::camel_case(&function.unraw().to_string())
}

impl Model {
    /// How many arguments a constructor takes, those with mistakes included.
    pub(crate) fn stored_in_signature(&self) -> usize {
        let supplied = self.params.iter().filter(|param| matches!(param, Param::Supplied { .. })).count();
        self.function.sig.inputs.len().saturating_sub(supplied)
    }
}

impl ToTokens for Function {
    /// The function as written, without what only `#[job]` understands.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { attrs, vis, sig, body } = self;
        if let Some(body) = body {
            tokens.extend(quote!(#(#attrs)* #vis #sig #body));
        }
    }
}
