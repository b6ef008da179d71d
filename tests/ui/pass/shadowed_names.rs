//! The names that generated code uses may mean something else around it.
#![allow(dead_code, unused_imports, unused_macros)]

mod shadows {
    pub struct Option;
    pub struct Result;
    pub struct Vec;
    pub struct String;
    pub struct Box;
    pub struct Here;
    pub struct Scope;
    pub trait Into {}
    pub trait Default {}
    pub trait Debug {}
    pub mod std {}
    pub mod core {}
}

use shadows::{Box, Debug, Default, Here, Into, Option, Result, Scope, String, Vec, core, std};

macro_rules! concat {
    () => {};
}

macro_rules! scope {
    () => {};
}

kiq::queues! { high, low }

kiq::defaults! { queue = "low" }

#[kiq::job(queue = "high", retry_in = |_| kiq::RetryIn::Kill, on_exhausted = bury, transient = [::std::fmt::Error])]
async fn job(
    __scope: u8,
    __dead: &str,
    __cx: u8,
    #[arg(default = 1)] __out: u8,
    __e: ::std::option::Option<u8>,
) -> ::std::result::Result<(), ::std::fmt::Error> {
    let _ = (__scope, __dead, __cx, __out, __e);
    Ok(())
}

async fn bury(_: kiq::DeadJob) {}

fn main() {}
