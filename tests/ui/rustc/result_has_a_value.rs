#![allow(unused)]

#[kiq::job]
async fn number() -> Result<u32, std::io::Error> {
    Ok(1)
}

fn main() {}
