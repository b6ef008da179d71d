//! The mail service: a trait, one that writes to the log, and a fake.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kiq::JobError;

/// A mail to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    /// The service sends one mail for each key, however often it is asked: a job may run twice.
    pub idempotency_key: String,
}

/// A mail was not sent. Each kind says what becomes of the job.
#[derive(Clone, Debug, thiserror::Error, JobError)]
pub enum MailError {
    /// It will pass: the job is retried, and nobody is told before the retries are used up.
    #[error("the mail service does not answer")]
    #[transient]
    Unreachable,
    /// No retry helps: the job goes to the dead set, and somebody is told.
    #[error("there is no mailbox {address:?}")]
    #[fatal]
    NoMailbox { address: String },
}

/// Sends mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

/// Writes mails to the log. Put your mail service's client in its place.
pub struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        tracing::info!(to = mail.to, subject = mail.subject, "mail: {}", mail.text);
        Ok(())
    }
}

/// A mail service for tests: knows its keys, and fails when told to. Clones are the same service.
#[derive(Clone, Default)]
pub struct FakeMailer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sent: Vec<Mail>,
    error: Option<MailError>,
}

impl FakeMailer {
    /// The mails that were sent.
    pub fn sent(&self) -> Vec<Mail> {
        self.state().sent.clone()
    }

    /// From now on, sending fails.
    pub fn fail_with(&self, error: MailError) {
        self.state().error = Some(error);
    }

    /// From now on, sending works.
    pub fn recover(&self) {
        self.state().error = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for FakeMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let mut state = self.state();
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        let is_known = |sent: &Mail| sent.idempotency_key == mail.idempotency_key;
        if !state.sent.iter().any(is_known) {
            state.sent.push(mail);
        }
        Ok(())
    }
}
