#![allow(unused)]

#[kiq::job(transient = [std::io::Error])]
async fn a() -> Result<(), String> {
    Ok(())
}

fn main() {}
