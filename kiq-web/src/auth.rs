//! Who may look, and who may do what.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use subtle::ConstantTimeEq as _;
use tokio::sync::{Mutex, Semaphore};
use tower::{Layer, Service};

use crate::app::Shared;
use crate::fault::Fault;

/// A wrong password is answered in its turn, so much after the one before.
const WRONG_PASSWORD_TURN: Duration = Duration::from_millis(200);

/// Wrong passwords that wait for their turn; more are refused at once.
const WRONG_PASSWORDS_WAITING: usize = 32;

/// Who may look at the dashboard, and who may do what.
///
/// # Examples
/// ```
/// use kiq_web::{Auth, Verb};
///
/// # let password = "correct horse";
/// let auth = Auth::basic("ops", password).permit(|_operator, verb| verb != Verb::Clear);
/// ```
pub struct Auth {
    gate: Gate,
    permits: Permits,
}

/// Who looks, as the log of operations names them.
///
/// # Examples
/// ```
/// assert_eq!(kiq_web::Operator::named("ann").name(), "ann");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator(Arc<str>);

impl Operator {
    /// By a name that colleagues know.
    pub fn named(name: &str) -> Self {
        Operator(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What can be done on the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Run failed, scheduled or dead jobs now.
    Retry,
    /// Move jobs to another time.
    Reschedule,
    /// Move jobs to the dead.
    Kill,
    /// Remove jobs.
    Delete,
    /// Change a job's arguments and run it.
    Edit,
    /// Move jobs to another queue, or to the head of theirs.
    Move,
    /// Have workers leave a queue alone.
    Pause,
    /// Have workers take jobs of a queue again.
    Resume,
    /// Remove all jobs of a queue.
    Clear,
    /// Have processes take no more jobs.
    Quiet,
    /// Have processes stop.
    Stop,
    /// Stop an operation, or take it back.
    Undo,
    /// See arguments that are masked.
    Reveal,
}

impl Verb {
    /// As on a button: `retry`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Retry => "retry",
            Verb::Reschedule => "reschedule",
            Verb::Kill => "kill",
            Verb::Delete => "delete",
            Verb::Edit => "edit",
            Verb::Move => "move",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Clear => "clear",
            Verb::Quiet => "quiet",
            Verb::Stop => "stop",
            Verb::Undo => "undo",
            Verb::Reveal => "reveal",
        }
    }
}

/// A verb's rule: whether that operator may do it.
type Rule = Arc<dyn Fn(&Operator, Verb) -> bool + Send + Sync>;

/// Who may do what.
#[derive(Clone, Default)]
pub(crate) struct Permits {
    is_read_only: bool,
    rule: Option<Rule>,
}

impl Permits {
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether the operator may do it.
    pub(crate) fn allow(&self, operator: &Operator, verb: Verb) -> bool {
        !self.is_read_only && self.rule.as_ref().is_none_or(|rule| rule(operator, verb))
    }

    /// The same, as an answer.
    pub(crate) fn demand(&self, operator: &Operator, verb: Verb) -> Result<(), Fault> {
        match self.allow(operator, verb) {
            true => Ok(()),
            false if self.is_read_only => Err(Fault::forbidden("this dashboard only shows: it was started read-only")),
            false => Err(Fault::forbidden(format!(
                "{} may not {} here; ask whoever set the dashboard up",
                operator.name(),
                verb.as_str()
            ))),
        }
    }
}

type Check = Arc<dyn Fn(&Parts) -> Option<Operator> + Send + Sync>;
type Wrap = Box<dyn FnOnce(Router<Shared>) -> Router<Shared> + Send>;

/// What stands before the pages.
pub(crate) enum Gate {
    Public,
    Basic(Arc<Basic>),
    Check(Check),
    Layer(Wrap),
}

impl Auth {
    /// One user with a password, asked for by the browser. Both are compared in constant time, and a wrong one is answered at
    /// most five times a second. Serve it over TLS: the browser sends the password with every request.
    ///
    /// Take the password from the environment or a file, never from the command line. An empty one lets nobody in.
    pub fn basic(user: &str, password: &str) -> Self {
        Auth::of(Gate::Basic(Arc::new(Basic::new(user, password))))
    }

    /// Those that the application knows: `check` sees the request's head, with what its layers have put into the extensions,
    /// and answers who it is. `None` is refused (403).
    pub fn check(check: impl Fn(&Parts) -> Option<Operator> + Send + Sync + 'static) -> Self {
        Auth::of(Gate::Check(Arc::new(check)))
    }

    /// Those that a layer of the application lets through. It tells who it is by an [`Operator`] in the request's extensions.
    ///
    /// It stands before every page and act, and neither before style and script nor before `healthz`, which says only `ok`.
    pub fn layer<L>(layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<std::convert::Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Auth::of(Gate::Layer(Box::new(move |router| router.layer(layer))))
    }

    /// Everybody who reaches it: they see all arguments, and delete all jobs. For one's own machine, or where what stands before
    /// it (a proxy, a network) lets only operators through.
    pub fn public_i_understand() -> Self {
        Auth::of(Gate::Public)
    }

    fn of(gate: Gate) -> Self {
        Auth { gate, permits: Permits::default() }
    }

    /// Nobody changes anything: buttons are not there, and what would press them is refused.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.permits.is_read_only = true;
        self
    }

    /// Asked before each act, and before its button is shown. All is permitted by default.
    #[must_use]
    pub fn permit(mut self, rule: impl Fn(&Operator, Verb) -> bool + Send + Sync + 'static) -> Self {
        self.permits.rule = Some(Arc::new(rule));
        self
    }

    pub(crate) fn is_public(&self) -> bool {
        matches!(self.gate, Gate::Public)
    }

    pub(crate) fn into_parts(self) -> (Gate, Permits) {
        (self.gate, self.permits)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.gate {
            Gate::Public => "Auth::public_i_understand",
            Gate::Basic(_) => "Auth::basic",
            Gate::Check(_) => "Auth::check",
            Gate::Layer(_) => "Auth::layer",
        })
    }
}

impl Gate {
    pub(crate) fn around(self, pages: Router<Shared>) -> Router<Shared> {
        match self {
            Gate::Public => pages,
            Gate::Basic(basic) => pages.layer(from_fn_with_state(basic, ask_password)),
            Gate::Check(check) => pages.layer(from_fn_with_state(check, ask_application)),
            Gate::Layer(wrap) => wrap(pages),
        }
    }
}

async fn ask_application(State(check): State<Check>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Some(operator) = check(&parts) else {
        return Fault::Stranger.into_response();
    };
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(operator);
    next.run(request).await
}

/// One user, as the browser writes them into a header.
pub(crate) struct Basic {
    operator: Operator,
    expected: Option<String>,
    turn: Mutex<()>,
    waiting: Semaphore,
}

impl Basic {
    fn new(user: &str, password: &str) -> Self {
        Basic {
            operator: Operator::named(user),
            expected: (!password.is_empty()).then(|| base64(format!("{user}:{password}").as_bytes())),
            turn: Mutex::new(()),
            waiting: Semaphore::new(WRONG_PASSWORDS_WAITING),
        }
    }

    fn is_right(&self, header: &str) -> bool {
        let Some((scheme, given)) = header.split_once(' ') else { return false };
        let Some(expected) = &self.expected else { return false };
        scheme.eq_ignore_ascii_case("basic") & same(given.trim().as_bytes(), expected.as_bytes())
    }
}

/// Whether two texts are equal, in a time that depends on the first's length alone.
pub(crate) fn same(given: &[u8], expected: &[u8]) -> bool {
    let mut equal = given.len().ct_eq(&expected.len());
    for (one, other) in given.iter().zip(expected.iter().cycle()) {
        equal &= one.ct_eq(other);
    }
    bool::from(equal) && !expected.is_empty()
}

async fn ask_password(State(basic): State<Arc<Basic>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    match given {
        Some(header) if basic.is_right(header) => {
            request.extensions_mut().insert(basic.operator.clone());
            next.run(request).await
        }
        Some(_) => {
            let Ok(_place) = basic.waiting.try_acquire() else { return Fault::TooManyGuesses.into_response() };
            let _turn = basic.turn.lock().await;
            tokio::time::sleep(WRONG_PASSWORD_TURN).await;
            Fault::Unauthenticated.into_response()
        }
        None => Fault::Unauthenticated.into_response(),
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = chunk.iter().chain([0, 0].iter()).take(3).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS.get((three >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!([of(""), of("f"), of("fo"), of("foo"), of("foobar")], ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
        assert_eq!(of("Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn only_the_very_same_is_the_same() {
        assert!(same(b"abc", b"abc"));
        for wrong in [&b""[..], b"ab", b"abd", b"abca", b"abcabc"] {
            assert!(!same(wrong, b"abc"), "{wrong:?}");
        }
        assert!(!same(b"", b""));
    }

    #[test]
    fn an_empty_password_lets_nobody_in() {
        let basic = Basic::new("ops", "");
        assert!(!basic.is_right(&format!("Basic {}", base64(b"ops:"))));
    }
}
