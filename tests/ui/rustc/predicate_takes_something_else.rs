#![allow(unused)]

fn takes_a_number(_: u32) -> bool {
    true
}

#[kiq::job(transient_if = takes_a_number)]
async fn number() -> Result<(), std::io::Error> {
    Ok(())
}

#[kiq::job(transient_if = |e: &std::io::Error| 7)]
async fn returns_a_number() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {}
