{% if web -%}
//! Takes sign-ups over HTTP, and sends the welcome mail in a job.
//!
//! The web server (`src/bin/web.rs`) and the worker (`src/bin/worker.rs`) are made of this library, so whatever job stands below
//! `jobs` is linked into both, and known to every worker.
{% else -%}
//! Takes sign-ups, and sends the welcome mail in a job.
//!
//! The command (`src/bin/sign-up.rs`) and the worker (`src/bin/worker.rs`) are made of this library, so whatever job stands below
//! `jobs` is linked into both, and known to every worker.
{% endif %}
pub mod alerts;
pub mod jobs;
pub mod mail;
pub mod services;
pub mod set_up;
pub mod sign_up;
{%- if web %}
pub mod web;
{%- endif %}

use kiq::{App, Report};

use crate::services::Services;

/// What this application adds to kiq. The programs and the tests all call it: what is on in production is on in tests.
pub fn app(services: &Services) -> App {
    let for_errors = services.alerts.clone();
    let for_deaths = services.alerts.clone();
    App::new()
        .data(services.clone())
        .on_error(move |report: Report| alerts::tell(for_errors.clone(), report))
        .on_death(move |report: Report| alerts::tell(for_deaths.clone(), report))
}
