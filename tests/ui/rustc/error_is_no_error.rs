#![allow(unused)]

struct Bad;

#[kiq::job]
async fn wrong_error() -> Result<(), Bad> {
    Ok(())
}

#[kiq::job]
async fn not_send() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {}
