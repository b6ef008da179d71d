//! Whatever converts into `Box<dyn Error + Send + Sync>` is the error of a job, and `retry_in` may be asked about it.

use kiq::{RetryContext, RetryIn};

fn ask(_: &RetryContext<'_>) -> RetryIn {
    RetryIn::Default
}

type Outcome<T = ()> = Result<T, std::io::Error>;

#[kiq::job(retry_in = ask)]
async fn nothing() {}

#[kiq::job(retry_in = ask, transient = [std::fmt::Error])]
async fn io() -> std::io::Result<()> {
    Ok(())
}

#[kiq::job(retry_in = ask)]
async fn aliased() -> Outcome {
    Ok(())
}

#[kiq::job(retry_in = ask, discard = [std::fmt::Error])]
async fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

#[kiq::job(retry_in = ask)]
async fn any() -> anyhow::Result<()> {
    Ok(())
}

#[kiq::job(retry_in = ask)]
async fn report() -> eyre::Result<()> {
    Ok(())
}

#[kiq::job(retry_in = ask)]
async fn text() -> Result<(), String> {
    Ok(())
}

#[kiq::job(retry_in = ask)]
fn blocking() -> Result<(), &'static str> {
    Ok(())
}

#[kiq::job(retry_in = ask)]
fn borrowed() -> Result<(), std::borrow::Cow<'static, str>> {
    Ok(())
}

/// No `Error` itself, and text with a type of its own.
struct Words(&'static str);

impl From<Words> for Box<dyn std::error::Error + Send + Sync> {
    fn from(words: Words) -> Self {
        words.0.into()
    }
}

#[kiq::job(retry_in = ask)]
async fn say() -> Result<(), Words> {
    Ok(())
}

fn main() {}
