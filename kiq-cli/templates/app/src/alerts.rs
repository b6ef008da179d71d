//! Who is told when jobs fail: an error tracker, a chat, a pager.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kiq::Report;

/// What somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The job, and why it failed.
    pub text: String,
    /// Whether the job is at its end, and waits for a human.
    pub is_death: bool,
}

/// Where alerts go.
#[async_trait]
pub trait Alerts: Send + Sync {
    async fn send(&self, alert: Alert);
}

/// The handler of errors (those that are not expected to pass) and of deaths.
///
/// kiq calls it once it is settled what becomes of the job, beside the jobs, and writes to the log by itself.
pub async fn tell(alerts: Arc<dyn Alerts>, report: Report) {
    let (class, jid) = (report.class(), report.jid());
    let text = format!("{class} {jid}: {}", report.message());
    let is_death = report.death().is_some();
    alerts.send(Alert { text, is_death }).await;
}

/// Writes alerts to the log. Put the client of your error tracker in its place.
pub struct LogAlerts;

#[async_trait]
impl Alerts for LogAlerts {
    async fn send(&self, alert: Alert) {
        tracing::error!(is_death = alert.is_death, "alert: {}", alert.text);
    }
}

/// Keeps alerts, for tests. Clones share them.
#[derive(Clone, Default)]
pub struct FakeAlerts(Arc<Mutex<Vec<Alert>>>);

impl FakeAlerts {
    /// The alerts that were sent.
    pub fn sent(&self) -> Vec<Alert> {
        self.alerts().clone()
    }

    fn alerts(&self) -> MutexGuard<'_, Vec<Alert>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Alerts for FakeAlerts {
    async fn send(&self, alert: Alert) {
        self.alerts().push(alert);
    }
}
