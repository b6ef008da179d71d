//! Empty on purpose: cargo wants a build script beside `links`, which keeps a program from holding two registries.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
