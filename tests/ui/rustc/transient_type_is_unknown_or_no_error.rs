#![allow(unused)]

struct NotAnError;

#[kiq::job(transient = [HtpError])]
async fn unknown() -> Result<(), std::io::Error> {
    Ok(())
}

#[kiq::job(transient = [NotAnError])]
async fn no_error() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {}
