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

#[kiq::job(transient = ApiError)]
async fn no_list() -> Result<(), ApiError> {
    Ok(())
}

#[kiq::job(transient = ["ApiError"])]
async fn quoted() -> Result<(), ApiError> {
    Ok(())
}

#[kiq::job(transient = [ApiError::Timeout], discard = [ApiError::Timeout { .. }])]
async fn variant() -> Result<(), ApiError> {
    Err(ApiError::Timeout)
}

#[kiq::job(transient = [|e| true])]
async fn closure() -> Result<(), ApiError> {
    Ok(())
}

#[kiq::job(transient = [ApiError], discard = [ApiError])]
async fn both() -> Result<(), ApiError> {
    Ok(())
}

#[kiq::job(transient_if = |e| true, discard_if = "gone")]
async fn predicate() -> Result<(), ApiError> {
    Ok(())
}

fn main() {}
