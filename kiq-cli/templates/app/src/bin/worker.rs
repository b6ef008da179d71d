//! The worker: runs jobs until it is told to stop. `--help` lists its arguments, `--jobs` the jobs it knows.

use std::process::ExitCode;

use kiq::Program;

use {{crate_name}}::services::Services;
use {{crate_name}}::set_up;

fn main() -> ExitCode {
    if let Err(error) = set_up::read_env_file() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    Program::new()
        .name("worker", env!("CARGO_PKG_VERSION"))
        .set_up(async |settings| {
            if !settings.names_redis() {
                return Err(NO_REDIS.into());
            }
            let app = {{crate_name}}::app(&Services::default());
            Ok(app)
        })
        .run()
}

const NO_REDIS: &str = "{{redis_url_var}} is not set, and a worker shares its jobs through Redis. \
    Set it to an address like redis://127.0.0.1:6379/0";
