//! What the compiler says to mistakes in a job. `tests/ui/` holds messages of `#[job]` itself, `tests/ui/rustc/` those of
//! rustc at places that `#[job]` chose: their wording changes with the compiler.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.compile_fail("tests/ui/rustc/*.rs");
}
