#![allow(unused)]

#[kiq::job(transient = [std::io::Error])]
async fn nothing() {}

#[kiq::job(discard_if = |e: &std::io::Error| true)]
async fn unit() -> () {}

#[kiq::job(transient = [std::io::Error])]
async fn text() -> Result<(), String> {
    Ok(())
}

fn main() {}
