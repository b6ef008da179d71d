//! What signing up is, whoever asks for it.

use std::time::Duration;

use kiq::{EnqueueError, Receipt};

use crate::jobs::send_welcome::SendWelcome;

/// A sign-up that is sent again within this time is the same one.
const SAME_FOR: Duration = Duration::from_secs(3600);

/// Why a sign-up was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    #[error("{0:?} is no mail address")]
    NoAddress(String),
    #[error("the welcome mail could not be enqueued")]
    NotEnqueued(#[from] EnqueueError),
}

/// Takes a sign-up. The mail is sent by a job, so that nobody waits for the mail service.
///
/// # Errors
/// When the address is none, or the job cannot be kept.
pub async fn sign_up(name: &str, email: &str) -> Result<Receipt, SignUpError> {
    if !email.contains('@') {
        return Err(SignUpError::NoAddress(email.to_owned()));
    }
    let receipt = SendWelcome::enqueue(name, email)
        .idempotent_by(format!("sign-up:{email}"), SAME_FOR)
        .await?;
    Ok(receipt)
}
