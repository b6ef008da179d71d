//! Sets up what the crate `metrics` calls recorders: one for Prometheus, one for StatsD, or both.

#[cfg(feature = "prometheus")]
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::layers::FanoutBuilder;

use super::Settings;
#[cfg(feature = "prometheus")]
use crate::meters::RUN_TIME_BOUNDS;

/// What was set up.
#[derive(Clone, Default)]
pub(super) struct Exporters {
    /// Whether anybody wants numbers.
    pub(super) any: bool,
    #[cfg(feature = "prometheus")]
    pub(super) prometheus: Option<PrometheusHandle>,
}

/// Installs what the settings ask for: for Prometheus if there is a port to answer on, for StatsD if it has an address.
///
/// # Errors
/// When an address cannot be used.
pub(super) fn install(settings: &Settings) -> Result<Exporters, String> {
    let mut exporters = Exporters::default();
    let mut recorders = FanoutBuilder::default();
    #[cfg(feature = "prometheus")]
    if settings.health.value.is_some() {
        let seconds = Matcher::Full("kiq_job_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &RUN_TIME_BOUNDS);
        let recorder = builder.map_err(|error| error.to_string())?.build_recorder();
        exporters.prometheus = Some(recorder.handle());
        recorders = recorders.add_recorder(recorder);
        exporters.any = true;
    }
    #[cfg(feature = "statsd")]
    if !settings.statsd.value.is_empty() {
        let builder =
            metrics_exporter_dogstatsd::DogStatsDBuilder::default().with_remote_address(&settings.statsd.value);
        let recorder = builder.and_then(metrics_exporter_dogstatsd::DogStatsDBuilder::build).map_err(|error| {
            format!("{}: numbers cannot be sent to statsd at {}: {error}", settings.statsd.from, settings.statsd.value)
        })?;
        recorders = recorders.add_recorder(recorder);
        exporters.any = true;
    }
    if exporters.any && metrics::set_global_recorder(recorders.build()).is_err() {
        tracing::warn!(
            "this program has a recorder of the crate `metrics` already: kiq's numbers go there, and neither to `/metrics` nor to \
             statsd"
        );
        #[cfg(feature = "prometheus")]
        exporters.prometheus.take();
    }
    Ok(exporters)
}
