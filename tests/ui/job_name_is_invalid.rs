#![allow(unused)]

#[kiq::job(name = "pdf::Render")]
async fn lower_case() {}

#[kiq::job(name = "A|B")]
async fn bar() {}

#[kiq::job(name = "")]
async fn empty() {}

#[kiq::job(name = 7)]
async fn number() {}

#[kiq::job(handle = "Text")]
async fn quoted_handle() {}

#[kiq::job]
async fn ___() {}

#[kiq::job]
async fn _2fa() {}

#[kiq::job]
async fn über() {}

fn main() {}
