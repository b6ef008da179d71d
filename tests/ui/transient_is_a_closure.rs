#![allow(unused)]

#[derive(Debug)]
enum ApiError {
    Timeout,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::error::Error for ApiError {}

#[kiq::job(transient = [|e| true])]
async fn a() -> Result<(), ApiError> {
    Err(ApiError::Timeout)
}

fn main() {}
