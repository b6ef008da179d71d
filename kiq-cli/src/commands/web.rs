//! `kiqctl web`: the dashboard by itself, for this machine alone unless told otherwise.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use kiq::program::{Origin, Settings};
use kiq::web::{Auth, Dashboard};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::output::{Fault, Output};

/// A request's head has to be there by then: who sends it slower is no browser.
const HEAD: Duration = Duration::from_secs(10);

/// After a connection that could not be taken (no file left, say), the next is tried then.
const AFTER_FAULT: Duration = Duration::from_millis(100);

pub(crate) fn command() -> Command {
    Command::new("web")
        .about("The dashboard, for a browser on this machine")
        .after_help(
            "With KIQ_WEB_PASSWORD (or --password-file) it asks for a user, KIQ_WEB_USER or `kiq`, and that password. Without, it \
             listens to this machine alone, unless --i-know-no-auth says that something else keeps strangers away. Put TLS before \
             it when a password crosses a network.",
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS:PORT")
                .default_value("127.0.0.1:7433")
                .value_parser(value_parser!(SocketAddr))
                .help("Where to listen; port 0 takes a free one"),
        )
        .arg(flag("read-only", "Show, and change nothing"))
        .arg(
            Arg::new("password-file")
                .long("password-file")
                .value_name("FILE")
                .help("The file with the password, in place of KIQ_WEB_PASSWORD"),
        )
        .arg(
            Arg::new("host-name")
                .long("host-name")
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("A name that browsers use for it, beside addresses and localhost"),
        )
        .arg(flag("i-know-no-auth", "Let everybody in who reaches the address"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Serves until it is interrupted.
pub(crate) async fn run(given: &ArgMatches, settings: &Settings, output: &Output) -> Result<(), Fault> {
    let Some(address) = given.get_one::<SocketAddr>("listen").copied() else { return Ok(()) };
    let file = given.get_one::<String>("password-file");
    let password = password(file.map(|file| Path::new(file.as_str())), std::env::var("KIQ_WEB_PASSWORD").ok())?;
    let auth = auth(password.as_deref(), address.ip(), given.get_flag("i-know-no-auth"))?;
    let auth = if given.get_flag("read-only") { auth.read_only() } else { auth };
    let client = settings.client().map_err(|error| Fault::Config(error.to_string()))?;
    let mut dashboard = Dashboard::new(&client, auth);
    if settings.environment.from != Origin::Default {
        dashboard = dashboard.environment(&settings.environment.value);
    }
    if let Some(names) = given.get_many::<String>("host-name") {
        dashboard = dashboard.hosts(names);
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Fault::Usage(format!("cannot listen to {address}: {error}; choose another with --listen")))?;
    let address = listener.local_addr().unwrap_or(address);
    output.say(&json!({ "url": format!("http://{address}/") }), || format!("http://{address}/\n"))?;
    let ended = std::pin::pin!(tokio::signal::ctrl_c());
    tokio::select! {
        () = serve(listener, dashboard.router()) => {}
        _ = ended => {}
    }
    Ok(())
}

/// From the file, or from the environment. Never from an argument, which everybody on the machine can read.
fn password(file: Option<&Path>, variable: Option<String>) -> Result<Option<String>, Fault> {
    let (text, from) = match (file, variable) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Fault::Config(format!("cannot read the password file {}: {error}", file.display())))?;
            (text, file.display().to_string())
        }
        (None, Some(text)) => (text, "KIQ_WEB_PASSWORD".to_owned()),
        (None, None) => return Ok(None),
    };
    let text = text.trim_end_matches(['\r', '\n']);
    match text.is_empty() {
        true => Err(Fault::Config(format!("{from} holds no password; write one into it, or leave it away"))),
        false => Ok(Some(text.to_owned())),
    }
}

fn auth(password: Option<&str>, address: IpAddr, may_be_open: bool) -> Result<Auth, Fault> {
    match password {
        Some(password) => {
            let user = std::env::var("KIQ_WEB_USER").ok().filter(|user| !user.is_empty());
            Ok(Auth::basic(user.as_deref().unwrap_or("kiq"), password))
        }
        None if address.is_loopback() || may_be_open => Ok(Auth::public_i_understand()),
        None => Err(Fault::Usage(format!(
            "at {address} others than you could reach the dashboard, see all jobs and delete them; set KIQ_WEB_PASSWORD, or say \
             --i-know-no-auth if something else keeps them away"
        ))),
    }
}

async fn serve(listener: TcpListener, router: axum::Router) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, router.clone()))),
            Err(_) => tokio::time::sleep(AFTER_FAULT).await,
        }
    }
}

async fn converse(stream: TcpStream, router: axum::Router) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // Whoever hangs up in the middle of something is not worth a word.
    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
    const OPEN: [&str; 3] = ["0.0.0.0", "::", "192.0.2.7"];

    #[test]
    fn others_than_this_machine_need_a_password_or_a_word() {
        for (addresses, password, word, opens) in [
            (&LOOPBACK[..], None, false, true),
            (&LOOPBACK, Some("x"), false, true),
            (&OPEN, None, false, false),
            (&OPEN, Some("x"), false, true),
            (&OPEN, None, true, true),
        ] {
            for address in addresses {
                assert_eq!(
                    auth(password, address.parse().unwrap(), word).is_ok(),
                    opens,
                    "{address} {password:?} {word}"
                );
            }
        }
    }

    #[test]
    fn a_password_is_a_files_or_a_variables_and_never_empty() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();

        assert_eq!(password(Some(file.path()), Some("other".to_owned())).unwrap().as_deref(), Some("hunter2"));
        assert_eq!(password(None, Some("hunter2\r\n".to_owned())).unwrap().as_deref(), Some("hunter2"));
        assert_eq!(password(None, None).unwrap(), None);
        assert!(password(None, Some("\n".to_owned())).is_err());
        assert!(password(Some(Path::new("/nowhere")), None).is_err());
    }
}
