//! The first mail that a new user gets.

use kiq::{Data, JobContext};

use crate::mail::{Mail, MailError};
use crate::services::Services;

/// Welcomes a new user, with one mail however often it runs: the key says which mail it is.
#[kiq::job(queue = "{{queue}}", timeout = "30s")]
pub async fn send_welcome(
    name: &str,
    email: &str,
    services: Data<Services>,
    cx: &JobContext,
) -> Result<(), MailError> {
    let mail = Mail {
        to: email.to_owned(),
        subject: "Welcome".to_owned(),
        text: format!("Welcome, {name}."),
        idempotency_key: cx.idempotency_key("user", email),
    };
    services.mailer.send(mail).await
}
