//! The services that jobs work with. A job that takes `Data<Services>` is given them.

use std::sync::Arc;

use crate::alerts::{Alerts, LogAlerts};
use crate::mail::{LogMailer, Mailer};

/// Real ones in production, fakes in tests.
#[derive(Clone)]
pub struct Services {
    pub mailer: Arc<dyn Mailer>,
    pub alerts: Arc<dyn Alerts>,
}

impl Default for Services {
    /// Those of the programs: for now they write to the log. Put the clients of your services here.
    fn default() -> Self {
        Services {
            mailer: Arc::new(LogMailer),
            alerts: Arc::new(LogAlerts),
        }
    }
}
