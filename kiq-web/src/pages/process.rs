//! Quiet and stop, of one process or all. Asks once, and leaves a signal, which the process finds with its next heartbeat.

use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use kiq_runtime::inspect::{ProcessState, Signal};

use crate::app::Shared;
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::guard::Spot;
use crate::sampler::Sample;
use crate::view::{cut, segment};

use super::confirm;
use super::html;
use super::queue::{Return, noted};

/// In place of an identity.
const ALL: &str = "all";

/// Where one sees what came of it.
const AFTER: &str = "busy?view=processes";

pub(crate) async fn ask_quiet(frame: Frame, Path(identity): Path<String>) -> Result<Response, Fault> {
    ask(frame, &identity, Signal::Quiet)
}

pub(crate) async fn ask_stop(frame: Frame, Path(identity): Path<String>) -> Result<Response, Fault> {
    ask(frame, &identity, Signal::Stop)
}

fn ask(frame: Frame, identity: &str, signal: Signal) -> Result<Response, Fault> {
    let verb = verb(signal);
    if !frame.may(verb) {
        return Err(Fault::forbidden(format!("you may not {} processes here", verb.as_str())));
    }
    let chosen = chosen(frame.sample()?, identity)?;
    let busy: usize = chosen.iter().map(|process| process.busy).sum();
    let [whom, them] = match chosen.as_slice() {
        [one] => [format!("{}·{}", one.hostname, one.pid), "it".to_owned()],
        many => [format!("all {} processes", many.len()), "they".to_owned()],
    };
    let word = if signal == Signal::Stop { "Stop" } else { "Quiet" };
    let runs = if them == "it" { "runs" } else { "run" };
    let mut lines = vec![match signal {
        Signal::Stop => format!(
            "{whom} will take no more jobs, let the {busy} that {runs} end within the time allowed (25 s unless set otherwise), and \
             give back what is not done by then: it runs again elsewhere. A job in the middle begins from its start."
        ),
        _ => format!(
            "{whom} will take no more jobs, and go on with the {busy} that {runs}. Only a restart makes {them} take jobs again."
        ),
    }];
    if signal == Signal::Stop {
        lines.push("Whatever started the process may start it again; that is not up to this page.".to_owned());
    }
    let left_out = frame.sample()?.processes.iter().filter(|process| process.is_embedded).count();
    if identity == ALL && left_out > 0 {
        lines.push(format!("{left_out} are part of other programs, and left out."));
    }
    html(&confirm::Page {
        title: format!("{word} {whom}?"),
        lines,
        action: format!("processes/{}/{}", segment(identity), verb.as_str()),
        button: format!("{word} {whom}"),
        typed: None,
        to: AFTER.to_owned(),
        frame,
    })
}

pub(crate) async fn quiet(
    app: State<Shared>,
    spot: Extension<Spot>,
    operator: Operator,
    frame: Frame,
    identity: Path<String>,
    form: Form<Return>,
) -> Result<Response, Fault> {
    tell(&app, &spot, &operator, &frame, &identity, &form, Signal::Quiet).await
}

pub(crate) async fn stop(
    app: State<Shared>,
    spot: Extension<Spot>,
    operator: Operator,
    frame: Frame,
    identity: Path<String>,
    form: Form<Return>,
) -> Result<Response, Fault> {
    tell(&app, &spot, &operator, &frame, &identity, &form, Signal::Stop).await
}

async fn tell(
    app: &Shared,
    spot: &Spot,
    operator: &Operator,
    frame: &Frame,
    identity: &str,
    form: &Return,
    signal: Signal,
) -> Result<Response, Fault> {
    let chosen = chosen(frame.sample()?, identity)?;
    let mut told = Vec::new();
    let mut gone = 0;
    for process in &chosen {
        match app.inspector.signal(&process.identity, signal).await? {
            true => {
                app.asked.note(&process.identity, signal, app.inspector.now());
                told.push(format!("{}·{}", process.hostname, process.pid));
            }
            false => gone += 1,
        }
    }
    let what = if signal == Signal::Stop { "stop" } else { "take no more jobs" };
    let text = match (told.as_slice(), gone) {
        ([], _) => "Nobody was asked: the processes are gone already.".to_owned(),
        (told, 0) => {
            format!("Asked {} to {what}. They hear of it within 5 seconds, a Sidekiq within 10.", told.join(", "))
        }
        (told, gone) => format!("Asked {} to {what}; {gone} were gone already.", told.join(", ")),
    };
    Ok(noted(app, spot, operator, (verb(signal), identity, told.len()), &form.to, text).await)
}

fn verb(signal: Signal) -> Verb {
    if signal == Signal::Stop { Verb::Stop } else { Verb::Quiet }
}

/// The process of that identity, or all that obey.
fn chosen<'a>(sample: &'a Sample, identity: &str) -> Result<Vec<&'a ProcessState>, Fault> {
    let chosen: Vec<_> = sample
        .processes
        .iter()
        .filter(|process| !process.is_embedded && (identity == ALL || process.identity == identity))
        .collect();
    let embedded = sample.processes.iter().any(|process| process.identity == identity && process.is_embedded);
    match chosen.is_empty() {
        true if embedded => Err(Fault::invalid("this process is part of another program, and is stopped with that")),
        true => Err(Fault::not_found(format!(
            "there is no process {:?}: it has ended, or was never there; see Busy for those that live",
            cut(identity, 200)
        ))),
        false => Ok(chosen),
    }
}
