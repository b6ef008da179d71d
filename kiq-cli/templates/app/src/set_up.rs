//! What the programs of this application begin with.

use std::error::Error;

use kiq::program::{Arguments, Settings};

/// Reads `.env`, where there is one. What the environment says already counts more.
///
/// # Errors
/// When there is one that cannot be read.
pub fn read_env_file() -> Result<(), String> {
    match dotenvy::dotenv() {
        Err(error) if !error.not_found() => Err(format!("cannot read .env: {error}")),
        _ => Ok(()),
    }
}

/// The settings (`kiq.toml` and the environment), and a client: of the Redis they name, or of jobs in
/// memory, which no other process can run.
///
/// # Errors
/// When a setting cannot be used: all that are wrong, who said so, and the remedy. When no Redis is named, and this is not
/// development: jobs that are kept in memory are lost with the process.
pub fn client() -> Result<(Settings, kiq::Client), Box<dyn Error>> {
    kiq::logs::init()?;
    let settings = Settings::load(&Arguments::default())?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if settings.names_redis() {
        let client = settings.client()?;
        return Ok((settings, client));
    }
    if settings.environment.value != "development" {
        return Err("{{redis_url_var}} is not set, and jobs in memory are for development".into());
    }
    tracing::warn!("{{redis_url_var}} is not set: jobs are in memory, and gone when this ends");
    Ok((settings, kiq::Client::in_memory()))
}
