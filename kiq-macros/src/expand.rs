//! The code for one job. Decides nothing.
//!
//! Spans: generated tokens resolve at the call site, so that lints take them for generated, and stand where the user's
//! token is that they are about. Within one expression all of them do, else the compiler points at `#[job]` instead of
//! the type at fault. Names that meet the user's are mixed-site, so that none can clash.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ReturnType};

use crate::model::{self, Absent, KeptAs, Model, Param, Stored};
use crate::options::{Disposition, Name, OnArgError, Options, Retry, Rule, Texts, Time, When};
use crate::parse::{self, Function, Mistakes};
use crate::{awaits, fallback, options};

/// What `#[job(options)] item` becomes. `stops`: with its awaits as places where a test may stop it.
pub(crate) fn job(options: TokenStream, item: TokenStream, stops: bool) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let entries = parse::options(options, &mut mistakes);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let code = match (parse::item_keyword(&item), parse::unfinished(&item)) {
                (None, Some(function)) => {
                    let options = options::of_unfinished(entries, &mut mistakes);
                    fallback::unfinished(&function, &item, &options)
                }
                (keyword, _) => {
                    match keyword {
                        Some(keyword) => mistakes.on(&keyword, "`#[job]` goes on a function"),
                        None => mistakes.add(error),
                    }
                    item
                }
            };
            let errors = mistakes.to_compile_errors();
            return quote!(#errors #code);
        }
    };
    let mut model = model::build(entries, function, &mut mistakes);
    if stops && model.sound {
        let private = Paths::of(&model.options).private(Span::call_site());
        model.function.body = model.function.body.map(|body| awaits::as_places(body, &private));
    }
    let errors = mistakes.to_compile_errors();
    let code = match (&model.handle, model.sound) {
        (Some(handle), true) => Expansion::of(&model, handle).whole(),
        _ => fallback::sketch(&model),
    };
    let whole = quote!(#errors #code);
    if std::env::var("KIQ_DEBUG_MACRO").is_ok_and(|wanted| model.function.sig.ident == wanted) {
        eprintln!("{whole}");
    }
    whole
}

/// The call site, standing where `span` does.
pub(crate) fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

fn mixed(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// The user's name on generated code.
fn respanned(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(at(ident.span()));
    ident
}

fn respanned_all(tokens: TokenStream, span: Span) -> TokenStream {
    let respanned = tokens.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), respanned_all(group.stream(), span));
            inner.set_span(at(span));
            TokenTree::Group(inner)
        }
        mut other => {
            other.set_span(at(span));
            other
        }
    });
    respanned.collect()
}

/// Where the runtime is.
pub(crate) struct Paths<'a>(Option<&'a TokenStream>);

impl<'a> Paths<'a> {
    pub(crate) fn of(options: &'a Options) -> Self {
        Paths(options.krate.as_ref())
    }

    /// The path of the module that generated code uses. A path the user gave keeps its own place.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        match self.0 {
            Some(krate) => quote_spanned!(at(span)=> #krate::__private),
            None => quote_spanned!(at(span)=> ::kiq::__private),
        }
    }
}

impl Paths<'_> {
    /// A call of one of the runtime's const checks, standing at the value it checks.
    fn checked(&self, check: &str, value: &Expr) -> TokenStream {
        let span = value.span();
        let check = Ident::new(check, at(span));
        let p = self.private(span);
        quote_spanned!(at(span)=> #p::#check(#value))
    }

    /// The calls that set what these options set. The scope, where there is one, knows which queues are declared.
    pub(crate) fn set(&self, options: &Options, scope: Option<&Ident>) -> TokenStream {
        let p = self.private(Span::call_site());
        let mut set = TokenStream::new();
        if let Some(queue) = &options.queue {
            let queue = self.queue(queue, scope);
            set.extend(quote!(.queue(#queue)));
        }
        if let Some(retry) = &options.retry {
            let retry = match retry {
                Retry::Default => quote!(#p::Retry::Default),
                Retry::Never => quote!(#p::Retry::Never),
                Retry::Count(count) => quote!(#p::Retry::Max(#count)),
                Retry::Const(value) => self.checked("check_retry", value),
                Retry::For(Time::Millis(count)) => quote!(#p::Retry::For(#p::millis(#count))),
                Retry::For(Time::Const(value)) => self.checked("check_retry_for", value),
            };
            set.extend(quote!(.retry(#retry)));
        }
        if let Some(queue) = &options.retry_queue {
            let queue = self.queue(queue, scope);
            set.extend(quote!(.retry_queue(#queue)));
        }
        if let Some(dead) = &options.dead {
            set.extend(quote!(.dead(#dead)));
        }
        if let Some(choice) = options.on_arg_error {
            let choice = match choice {
                OnArgError::Retry => quote!(Retry),
                OnArgError::Dead => quote!(Dead),
            };
            set.extend(quote!(.on_arg_error(#p::OnArgError::#choice)));
        }
        if let Some(timeout) = &options.timeout {
            let timeout = match timeout {
                Time::Millis(count) => quote!(#p::millis(#count)),
                Time::Const(value) => self.checked("check_timeout", value),
            };
            set.extend(quote!(.timeout(#timeout)));
        }
        if let Some(tags) = &options.tags {
            let tags = self.texts("check_tags", tags);
            set.extend(quote!(.tags(#tags)));
        }
        set
    }

    fn queue(&self, queue: &Expr, scope: Option<&Ident>) -> TokenStream {
        let Some(scope) = scope else { return self.checked("check_queue", queue) };
        let scope = located(scope, queue.span());
        quote_spanned!(at(queue.span())=> #scope.queue(#queue))
    }

    fn texts(&self, check: &str, texts: &Texts) -> TokenStream {
        match texts {
            Texts::List(texts) => {
                let (p, check) = (self.private(Span::call_site()), Ident::new(check, Span::call_site()));
                quote!(#p::#check(&[#(#texts),*]))
            }
            Texts::Const(value) => self.checked(check, value),
        }
    }
}

struct Expansion<'a> {
    model: &'a Model,
    handle: Ident,
    paths: Paths<'a>,
    /// `paths.private` for code that no particular token is to blame for.
    p: TokenStream,
    stored: Vec<&'a Stored>,
}

impl<'a> Expansion<'a> {
    fn of(model: &'a Model, handle: &Ident) -> Self {
        let paths = Paths::of(&model.options);
        let p = paths.private(Span::call_site());
        let stored = model.params.iter().filter_map(|param| match param {
            Param::Stored(stored) => Some(&**stored),
            Param::Supplied { .. } => None,
        });
        Expansion { model, handle: respanned(handle), paths, p, stored: stored.collect() }
    }

    fn whole(&self) -> TokenStream {
        let function = &self.model.function;
        let items =
            [self.handle_struct(), self.constructors(), self.debug(), self.job(), self.perform(), self.registration()];
        let cfgs = &self.model.cfgs;
        let items = items.into_iter().filter(|item| !item.is_empty()).map(|item| quote!(#(#cfgs)* #item));
        quote!(#function #(#items)*)
    }

    fn function_name(&self) -> String {
        self.model.function.sig.ident.unraw().to_string()
    }

    fn has_body(&self) -> bool {
        self.model.function.body.is_some()
    }

    /// The function's visibility, as generated code.
    fn vis(&self) -> TokenStream {
        respanned_all(self.model.vis.to_token_stream(), self.model.function.sig.ident.span())
    }

    /// What `enqueue` does, for its documentation.
    fn purpose(&self) -> String {
        let function = self.function_name();
        match self.has_body() {
            true => format!("Enqueues [`{function}`](fn@{function})."),
            false => format!("Enqueues the job `{function}`, which is performed elsewhere."),
        }
    }

    fn handle_struct(&self) -> TokenStream {
        let Expansion { handle, .. } = self;
        let Model { docs, options, .. } = self.model;
        let vis = self.vis();
        let derives = &options.derives;
        let derive = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
        let separator = (!docs.is_empty()).then(|| quote!(#[doc = ""]));
        let purpose = self.purpose();
        let fields = self.stored.iter().map(|stored| {
            let docs = match stored.docs.as_slice() {
                [] => {
                    let text = format!("Argument `{}` of `{}`.", stored.name.unraw(), self.function_name());
                    quote!(#[doc = #text])
                }
                docs => quote!(#(#docs)*),
            };
            let (name, ty) = (respanned(&stored.name), self.kept(stored));
            quote!(#docs #vis #name: #ty)
        });
        // All at the function's name, where a second item of that name is then reported.
        let item = quote_spanned!(handle.span()=> #vis struct #handle { #(#fields),* });
        quote! {
            #(#docs)*
            #separator
            #[doc = #purpose]
            #derive
            #[allow(non_camel_case_types, dead_code)]
            #item
        }
    }

    /// The type of a field.
    fn kept(&self, stored: &Stored) -> TokenStream {
        let span = stored.written.span();
        let p = self.paths.private(span);
        match &stored.kept_as {
            KeptAs::Written(ty) => quote!(#ty),
            KeptAs::Text if !stored.by_ref => {
                let ty = &stored.written;
                quote!(#ty)
            }
            KeptAs::Text => quote_spanned!(at(span)=> #p::String),
            KeptAs::VecOf(ty) => quote_spanned!(at(span)=> #p::Vec<#ty>),
        }
    }

    fn constructors(&self) -> TokenStream {
        let Expansion { handle, p, .. } = self;
        let vis = self.vis();
        let arg_keys = self.stored.iter().enumerate().map(|(index, stored)| {
            let (key, ty, name) = (arg_key(index), self.kept(stored), stored.name.unraw().to_string());
            let span = stored.written.span();
            let p = self.paths.private(span);
            quote_spanned! {at(span)=>
                #[doc(hidden)]
                const fn #key() -> #p::ArgKey<#ty> { #p::ArgKey::<#ty>::new(#name) }
            }
        });
        let supply_keys = self.supplied().enumerate().map(|(index, ty)| {
            let key = supply_key(index);
            let span = ty.span();
            let p = self.paths.private(span);
            quote_spanned! {at(span)=>
                #[doc(hidden)]
                const fn #key() -> #p::Supply<#ty> { #p::Supply::<#ty>::of() }
            }
        });
        let params: Vec<TokenStream> = self
            .stored
            .iter()
            .map(|stored| {
                let (name, ty) = (respanned(&stored.name), self.kept(stored));
                match stored.kept_as {
                    KeptAs::Text => quote!(#name: impl #p::Into<#ty>),
                    _ => quote!(#name: #ty),
                }
            })
            .collect();
        let fields: Vec<TokenStream> = self
            .stored
            .iter()
            .map(|stored| {
                let name = respanned(&stored.name);
                match stored.kept_as {
                    KeptAs::Text => quote!(#name: #p::Into::into(#name)),
                    _ => quote!(#name),
                }
            })
            .collect();
        let names = self.stored.iter().map(|stored| respanned(&stored.name));
        let purpose = self.purpose();
        // Where the function is named: an editor that is asked for `enqueue` goes there.
        let span = at(self.model.function.sig.ident.span());
        let (new, enqueue) = (Ident::new("new", span), Ident::new("enqueue", span));
        quote! {
            #[allow(dead_code, deprecated, clippy::too_many_arguments, clippy::new_without_default)]
            impl #handle {
                #(#arg_keys)*
                #(#supply_keys)*

                #[doc = "The job as a value, for enqueueing many and for assertions."]
                #vis fn #new(#(#params),*) -> Self { Self { #(#fields),* } }

                #[doc = #purpose]
                #vis fn #enqueue(#(#params),*) -> #p::Enqueue<Self> { #p::Enqueue::new(Self::#new(#(#names),*)) }
            }
        }
    }

    fn supplied(&self) -> impl Iterator<Item = &'a syn::Type> {
        self.model.params.iter().filter_map(|param| match param {
            Param::Supplied { ty, .. } => Some(&**ty),
            Param::Stored(_) => None,
        })
    }

    fn debug(&self) -> TokenStream {
        let Expansion { handle, p, .. } = self;
        quote! {
            #[allow(deprecated)]
            #[automatically_derived]
            impl ::core::fmt::Debug for #handle {
                fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { #p::debug_job(self, __f) }
            }
        }
    }

    fn job(&self) -> TokenStream {
        let Expansion { handle, p, .. } = self;
        let name = match &self.model.options.name {
            Some(Name::Literal(name)) => quote!(#name),
            Some(Name::Const(value)) => self.checked("check_name", value),
            None => {
                let name = model::default_name(&self.model.function.sig.ident);
                quote!(#name)
            }
        };
        let options = self.options();
        let writer = mixed("__w", Span::call_site());
        let reader = mixed("__r", Span::call_site());
        let writes = self.stored.iter().enumerate().map(|(index, stored)| {
            let (key, name) = (arg_key(index), respanned(&stored.name));
            quote!(#writer.arg(Self::#key(), &self.#name);)
        });
        let reads = self.stored.iter().enumerate().map(|(index, stored)| {
            let (key, name) = (arg_key(index), respanned(&stored.name));
            match &stored.absent {
                Absent::Mistake => quote!(#name: #reader.arg(Self::#key())?),
                Absent::Default => quote!(#name: #reader.arg_or(Self::#key(), #p::Default::default)?),
                Absent::Value(value) if matches!(stored.kept_as, KeptAs::Text | KeptAs::VecOf(_)) => {
                    quote!(#name: #reader.arg_or(Self::#key(), || #p::Into::into(#value))?)
                }
                Absent::Value(value) => quote!(#name: #reader.arg_or(Self::#key(), || #value)?),
            }
        });
        // A job without arguments looks at neither.
        let quiet = self.stored.is_empty().then(|| quote!(#[allow(unused_variables)]));
        quote! {
            #[allow(deprecated)]
            #[automatically_derived]
            impl #p::Job for #handle {
                const NAME: &'static str = #name;
                const OPTIONS: #p::JobOptions = #options;
                #quiet
                fn write_args(&self, #writer: &mut #p::ArgsWriter) { #(#writes)* }
                #quiet
                fn read_args(#reader: &mut #p::ArgsReader<'_>) -> #p::Result<Self, #p::ArgsError> {
                    #p::Ok(Self { #(#reads),* })
                }
            }
        }
    }

    fn checked(&self, check: &str, value: &Expr) -> TokenStream {
        self.paths.checked(check, value)
    }

    /// The options: those of the scope, then the job's own.
    fn options(&self) -> TokenStream {
        let Expansion { p, .. } = self;
        let options = &self.model.options;
        let function = &self.model.function.sig;
        let scope = mixed("__scope", Span::call_site());
        let blocking = function.asyncness.is_none().then(|| quote!(.blocking()));
        let start = match &options.queue {
            Some(_) => quote!(#scope.options),
            None => {
                let here = located(&scope, function.ident.span());
                quote_spanned!(at(function.ident.span())=> #here.with_its_queue())
            }
        };
        let own = self.paths.set(options, Some(&scope));
        quote! {
            {
                let #scope = #p::scope!()#blocking;
                #start #own
            }
        }
    }

    fn perform(&self) -> TokenStream {
        if !self.has_body() {
            return TokenStream::new();
        }
        let Expansion { handle, p, .. } = self;
        let run = self.run();
        let path = self.function_name();
        let names = self.stored.iter().map(|stored| stored.name.unraw().to_string());
        let optional = self.stored.iter().filter(|stored| !matches!(stored.absent, Absent::Mistake)).count();
        let optional = (optional > 0).then(|| quote!(.optional(#optional)));
        let keys: Vec<Ident> = self.supplied().enumerate().map(|(index, _)| supply_key(index)).collect();
        let check = (!keys.is_empty()).then(|| {
            quote! {
                .check({
                    fn __check(__state: &#p::State) -> #p::Result<(), #p::MissingState> {
                        #(#handle::#keys().check(__state)?;)*
                        #p::Ok(())
                    }
                    __check
                })
            }
        });
        let options = &self.model.options;
        let aliases = options.aliases.as_ref().map(|aliases| {
            let aliases = self.paths.texts("check_names", aliases);
            quote!(.aliases(#aliases))
        });
        let retry_in = options.retry_in.as_ref().map(|function| {
            let set = Ident::new("retry_in", at(function.span()));
            quote_spanned!(at(function.span())=> .#set(#function))
        });
        let on_exhausted = self.on_exhausted();
        quote! {
            #[allow(deprecated)]
            #[automatically_derived]
            impl #p::Perform for #handle {
                const DEF: #p::JobDef = #p::JobDef::new::<Self>(#run)
                    .at(::core::concat!(::core::module_path!(), "::", #path), ::core::file!(), ::core::line!())
                    .params(&[#(#names),*])
                    #optional #check #aliases #retry_in #on_exhausted;
            }
        }
    }

    fn on_exhausted(&self) -> Option<TokenStream> {
        let function = self.model.options.on_exhausted.as_ref()?;
        let span = function.span();
        let (p, dead) = (self.paths.private(span), mixed("__dead", span));
        let call = match function {
            Expr::Path(_) => quote_spanned!(at(span)=> #function(#dead)),
            _ => quote_spanned!(at(span)=> (#function)(#dead)),
        };
        Some(quote_spanned! {at(span)=>
            .on_exhausted(|#dead| #p::Box::pin(async move {
                #p::finish_beside(#p::assert_send(#call).await)
            }))
        })
    }

    fn run(&self) -> TokenStream {
        let Expansion { handle, p, .. } = self;
        let function = respanned(&self.model.function.sig.ident);
        let at_name = function.span();
        let cx = mixed("__cx", at_name);
        let out = mixed("__out", at_name);
        let (mut fields, mut supplies, mut passed) = (Vec::new(), Vec::new(), Vec::new());
        for (position, param) in self.model.params.iter().enumerate() {
            let local = mixed(&format!("__a{position}"), at_name);
            let by_ref = match param {
                Param::Stored(stored) => {
                    let name = respanned(&stored.name);
                    fields.push(quote!(#name: #local));
                    stored.by_ref
                }
                Param::Supplied { by_ref, .. } => {
                    let key = supply_key(supplies.len());
                    supplies.push(quote!(let #local = #handle::#key().make(&#cx).await?;));
                    *by_ref
                }
            };
            passed.push(if by_ref { quote_spanned!(at_name=> &#local) } else { quote!(#local) });
        }
        let at_p = self.paths.private(at_name);
        let call = quote_spanned!(at_name=> #function(#(#passed),*));
        let call = match self.model.function.sig.asyncness {
            Some(_) => quote_spanned!(at_name=> #at_p::assert_send(#call).await),
            None => quote_spanned!(at_name=> #at_p::blocking(&#cx, move || #call).await),
        };
        let finish = self.finish();
        quote! {
            {
                fn __run(#cx: #p::JobContext) -> #p::BoxFuture<'static, #p::JobResult> {
                    #p::Box::pin(async move {
                        let #handle { #(#fields),* } = #cx.job::<#handle>()?;
                        #(#supplies)*
                        let #out = #call;
                        #finish
                    })
                }
                __run
            }
        }
    }

    /// What the function returned, turned into what a worker keeps, at the return type.
    fn finish(&self) -> TokenStream {
        let span = match &self.model.function.sig.output {
            ReturnType::Default => self.model.function.sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        };
        let p = self.paths.private(span);
        let out = mixed("__out", span);
        let rules = &self.model.options.rules;
        let error = mixed("__e", span);
        let judge = if rules.is_empty() {
            quote_spanned!(at(span)=> #p::retry)
        } else {
            let rules = rules.iter().map(|rule| self.rule(rule, &error));
            quote_spanned! {at(span)=>
                |#error| {
                    #[allow(unused_imports)]
                    use #p::{AsDynError as _, DowncastRef as _};
                    #(#rules)*
                    #p::Disposition::Retry
                }
            }
        };
        let (handle, cx) = (located(&self.handle, span), mixed("__cx", span));
        let root = match &self.model.function.sig.output {
            // There is no error to look into.
            ReturnType::Default => quote_spanned!(at(span)=> #p::no_root),
            ReturnType::Type(..) => quote_spanned! {at(span)=>
                |#error| {
                    #[allow(unused_imports)]
                    use #p::{HoldsError as _, IsError as _, IsText as _};
                    (&&&#p::Probe(#error)).kiq_root()
                }
            },
        };
        quote_spanned!(at(span)=> #p::finish::<#handle, _>(#out, &#cx, #judge, #root))
    }

    fn rule(&self, rule: &Rule, error: &Ident) -> TokenStream {
        let disposition = format_ident!(
            "{}",
            match rule.disposition {
                Disposition::Discard => "Discard",
                Disposition::Transient => "Transient",
            }
        );
        let (span, matches) = match &rule.when {
            When::Type(ty) => {
                let p = self.paths.private(ty.span());
                let error = located(error, ty.span());
                let matches = quote_spanned! {at(ty.span())=>
                    #p::matches::<#ty>(#error.downcast_ref(), #error.as_dyn_error())
                };
                (ty.span(), matches)
            }
            When::Predicate(predicate) => {
                let p = self.paths.private(predicate.span());
                let error = located(error, predicate.span());
                let matches = quote_spanned! {at(predicate.span())=>
                    #p::matches_if(#predicate, #error.downcast_ref(), #error.as_dyn_error())
                };
                (predicate.span(), matches)
            }
        };
        let p = self.paths.private(span);
        quote_spanned!(at(span)=> if #matches { return #p::Disposition::#disposition; })
    }

    fn registration(&self) -> TokenStream {
        if !self.has_body() {
            return TokenStream::new();
        }
        let Expansion { handle, p, .. } = self;
        quote! {
            #[allow(deprecated)]
            const _: () = { #p::register! { <#handle as #p::Perform>::DEF } };
        }
    }
}

fn located(ident: &Ident, span: Span) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(ident.span().located_at(span));
    ident
}

/// Numbered rather than named after the argument: a name would bring the user's span, and with it lints on its style.
fn arg_key(index: usize) -> Ident {
    Ident::new(&format!("__arg{index}"), Span::call_site())
}

fn supply_key(index: usize) -> Ident {
    Ident::new(&format!("__in{index}"), Span::call_site())
}
