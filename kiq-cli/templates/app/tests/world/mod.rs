//! The application of one test, with fakes that the test looks at.

use std::sync::Arc;

use kiq::App;

use {{crate_name}}::alerts::FakeAlerts;
use {{crate_name}}::mail::FakeMailer;
use {{crate_name}}::services::Services;

/// Clones share their services.
#[derive(Clone, Default)]
pub struct World {
    pub mailer: FakeMailer,
    pub alerts: FakeAlerts,
}

impl World {
    /// The application as the programs make it, on these services.
    pub fn app(&self) -> App {
        {{crate_name}}::app(&Services {
            mailer: Arc::new(self.mailer.clone()),
            alerts: Arc::new(self.alerts.clone()),
        })
    }
}
