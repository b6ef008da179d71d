//! What the compiler says to a job. `tests/ui/` holds one mistake a file, and the message of `#[job]` itself; `tests/ui/rustc/`
//! those of rustc at places that `#[job]` chose, whose wording changes with the compiler; `tests/ui/pass/` what must compile
//! and run.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.compile_fail("tests/ui/rustc/*.rs");
}

#[test]
fn what_is_right_compiles_and_runs() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
}
