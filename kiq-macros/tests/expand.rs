//! What `#[job]` writes, option by option, as ordinary Rust: `tests/expand/<case>.rs` is the function and, below a line, what
//! becomes of it. `KIQ_OVERWRITE=1 cargo test -p kiq-macros` writes the second half anew; read the difference.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may panic")]

extern crate proc_macro;

#[path = "../src/awaits.rs"]
mod awaits;
#[path = "../src/defaults.rs"]
mod defaults;
#[path = "../src/duration.rs"]
mod duration;
#[path = "../src/expand.rs"]
mod expand;
#[path = "../src/fallback.rs"]
mod fallback;
#[path = "../src/job_error.rs"]
mod job_error;
#[path = "../src/model.rs"]
mod model;
#[path = "../src/name.rs"]
mod name;
#[path = "../src/options.rs"]
mod options;
#[path = "../src/parse.rs"]
mod parse;
#[path = "../src/queues.rs"]
mod queues;
#[path = "../src/suggest.rs"]
mod suggest;
#[path = "../src/types.rs"]
mod types;

use std::fs;
use std::path::Path;

use proc_macro2::TokenStream;
use quote::ToTokens;

const BORDER: &str = "// ---- becomes ----\n";

#[test]
fn each_option_becomes_what_was_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let overwrite = std::env::var_os("KIQ_OVERWRITE").is_some();
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut changed = Vec::new();

    for case in &cases {
        let text = fs::read_to_string(case).unwrap();
        let (source, reviewed) = text.split_once(BORDER).unwrap_or((&text, ""));
        let expansion = expansion(source);
        if overwrite {
            fs::write(case, format!("{source}{BORDER}{expansion}")).unwrap();
        } else if expansion != reviewed {
            changed.push(format!("{}:\n{expansion}", case.display()));
        }
    }

    assert!(cases.len() >= 15, "the cases are not there");
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

#[test]
fn the_expansion_shown_in_the_architecture_is_the_true_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("../ARCHITECTURE.md")).unwrap();
    let shown = text.split("<!-- held to be true").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let shown = shown.trim_start_matches("rust,ignore").replace("__p::", "::kiq::__private::");
    let case = fs::read_to_string(root.join("tests/expand/charge_order.rs")).unwrap();
    let (_, reviewed) = case.split_once(BORDER).unwrap();

    // Both through one printer, without what differs in the blanks of docs and of the call of another macro.
    let printed = |code: &str| {
        let code = code.replace("/// ", "///").replace("< ChargeOrder as ::kiq::__private::Perform > ::DEF", "JOB");
        let code = code.replace("<ChargeOrder as ::kiq::__private::Perform>::DEF", "JOB");
        prettyplease::unparse(&syn::parse_file(&code).unwrap())
    };
    assert_eq!(printed(&shown), printed(reviewed));
}

/// Expands the one item of `source`: a type that starts with `#[derive(JobError)]`, a `defaults! {…}` or `queues! {…}`, or a function that has `#[job]` or `#[job(…)]` first
/// of its attributes.
fn expansion(source: &str) -> String {
    if let Some(item) = source.strip_prefix("#[derive(JobError)]\n") {
        let expanded = job_error::job_error(item.parse().unwrap());
        return prettyplease::unparse(&syn::parse2(expanded).unwrap());
    }
    let expanded = match syn::parse_str::<syn::ItemMacro>(source) {
        Ok(call) if call.mac.path.is_ident("defaults") => defaults::defaults(call.mac.tokens),
        Ok(call) if call.mac.path.is_ident("queues") => queues::queues(call.mac.tokens),
        _ => job_expansion(source),
    };
    prettyplease::unparse(&syn::parse2(expanded).unwrap())
}

fn job_expansion(source: &str) -> TokenStream {
    let mut item = source.parse::<TokenStream>().unwrap().into_iter();
    let _pound = item.next().unwrap();
    let attribute: syn::Meta = match item.next().unwrap() {
        proc_macro2::TokenTree::Group(group) => syn::parse2(group.stream()).unwrap(),
        other => panic!("no attribute, but {other}"),
    };
    let options = match attribute {
        syn::Meta::List(list) => list.tokens,
        other => {
            assert_eq!(other.to_token_stream().to_string(), "job");
            TokenStream::new()
        }
    };
    expand::job(options, item.collect(), false)
}

/// An editor calls the attribute after every keystroke.
mod while_somebody_types {
    use proc_macro2::{Group, TokenTree};

    use super::*;

    const FUNCTION: &str = "pub async fn charge(order_id: u64, note: &str, pairs: Vec<(u8, String)>, \
                            #[arg(default = 1)] tries: u32, db: Data<Db>) -> Result<(), Error> { db.work(order_id).await }";
    const OPTIONS: &str = "queue = \"high\", retry = 3, retry_in = patient, on_exhausted = refund, transient = [HttpError, \
                           io::Error], discard_if = |e: &Gone| e.is_real(), timeout = \"30s\", tags = [\"a\", B], dead = true, \
                           name = \"Pdf::Charge\", aliases = [\"Old\"], derive(Clone)";

    /// The stream cut off after each of its tokens; inside a group, the group is closed, as editors do, and what comes after it
    /// is kept or not.
    fn cut(tokens: TokenStream, keep_the_rest: bool) -> Vec<TokenStream> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut states = vec![TokenStream::new()];
        for at in 0..tokens.len() {
            let before = tokens[..at].iter().cloned();
            if let TokenTree::Group(group) = &tokens[at] {
                let rest = tokens.iter().skip(at + 1).filter(|_| keep_the_rest).cloned();
                for inside in cut(group.stream(), keep_the_rest) {
                    let group = TokenTree::Group(Group::new(group.delimiter(), inside));
                    states.push(before.clone().chain([group]).chain(rest.clone()).collect());
                }
            }
            states.push(before.chain([tokens[at].clone()]).collect());
        }
        states
    }

    fn states(tokens: &str) -> Vec<TokenStream> {
        let tokens: TokenStream = tokens.parse().unwrap();
        [true, false].into_iter().flat_map(|keep| self::cut(tokens.clone(), keep)).collect()
    }

    fn errors(expanded: &str) -> usize {
        expanded.matches("compile_error").count()
    }

    #[test]
    fn a_half_typed_function_is_given_back_with_its_struct_and_no_word_of_ours() {
        let mut unfinished = 0;
        for item in states(FUNCTION) {
            let expanded = expand::job(TokenStream::new(), item.clone(), false).to_string();

            let read: Result<parse::Function, _> = syn::parse2(item.clone());
            let has_name = parse::unfinished(&item).is_some();
            match read {
                // `#[arg(def)]` can be read, and is a mistake.
                Ok(_) => assert!(errors(&expanded) <= 1, "{item}"),
                // The compiler says what is missing, since it reads the item too.
                Err(_) if has_name => {
                    unfinished += 1;
                    assert_eq!(errors(&expanded), 0, "{item}");
                    assert!(expanded.contains(&item.to_string()), "{item}: {expanded}");
                }
                Err(_) => assert_eq!(errors(&expanded), 1, "{item}"),
            }
            assert_eq!(expanded.contains("struct Charge"), has_name, "{item}");
        }
        assert!(unfinished > 30, "{unfinished}");
    }

    #[test]
    fn a_half_typed_option_is_one_error_and_the_job_is_there() {
        let item: TokenStream = FUNCTION.parse().unwrap();
        for options in states(OPTIONS) {
            let expanded = expand::job(options.clone(), item.clone(), false).to_string();

            assert!(errors(&expanded) <= 1, "{options}: {expanded}");
            assert!(expanded.contains("pub async fn charge (order_id : u64 , note : & str"), "{options}");
            assert!(expanded.contains("pub struct Charge"), "{options}");
            assert!(expanded.contains("db . work (order_id) . await"), "{options}");
        }
    }

    #[test]
    fn the_struct_takes_as_many_arguments_as_can_be_seen() {
        let item: TokenStream =
            "fn a(n: u8, map: HashMap<u8, (u8, u8)>, db: Data<X>, #[inject] t: T, #[arg] d: Data<u8>, x: )"
                .parse()
                .unwrap();

        assert_eq!(parse::unfinished(&item).unwrap().arguments, 4);
    }

    #[test]
    fn a_half_typed_list_of_queues_or_defaults_is_one_error_and_the_names_are_there() {
        for input in states("queue = \"low\", retry = 5, tags = [\"mail\"], timeout = \"30s\"") {
            let expanded = defaults::defaults(input.clone()).to_string();
            assert!(errors(&expanded) <= 1 && expanded.contains("trait JobDefaults"), "{input}");
        }
        for input in states("high, default, \"mail-out\"") {
            let expanded = queues::queues(input.clone()).to_string();
            assert!(errors(&expanded) <= 1 && expanded.contains("mod queues"), "{input}");
        }
    }
}

#[test]
fn a_body_that_is_half_typed_is_passed_on_as_it_is() {
    let item = "async fn typing(id: u64) { let order = id. }".parse().unwrap();

    let expanded = expand::job(TokenStream::new(), item, false).to_string();

    assert!(expanded.starts_with("async fn typing (id : u64) { let order = id . }"), "{expanded}");
    assert!(expanded.contains("struct Typing"));
    assert!(!expanded.contains("compile_error"));
}

#[test]
fn what_cannot_be_read_at_all_is_given_back_with_one_error() {
    let item: TokenStream = "async fn".parse().unwrap();

    let expanded = expand::job(TokenStream::new(), item.clone(), false).to_string();

    assert!(expanded.ends_with(&item.to_string()), "{expanded}");
    assert_eq!(expanded.matches("compile_error").count(), 1);
}

#[test]
fn awaits_become_places_where_a_test_may_stop() {
    let item: TokenStream =
        "async fn a() { #![allow(x)] let y = f(g().await).await?; if !(b.await) {} h!(z.await); mod m { a.await } }"
            .parse()
            .unwrap();

    let expanded = expand::job(TokenStream::new(), item, true).to_string();

    let body = "{ #![allow(x)] #[allow(unused_imports)] use ::kiq::__private::Await as _;
                  let y = f(g().kiq_await(::core::file!(), 0u32).await).kiq_await(::core::file!(), 0u32).await?;
                  if !(b.kiq_await(::core::file!(), 0u32).await) {}
                  h!(z.await); mod m { a.await } }";
    let without_spaces = |text: &str| text.replace(char::is_whitespace, "");
    assert!(without_spaces(&expanded).contains(&without_spaces(body)), "{expanded}");
}
