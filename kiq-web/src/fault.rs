//! Why a request gets no page: what happened, and what to do.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kiq_runtime::error::BrokerError;

/// Why a request gets no page. [`dress`](crate::guard::dress) makes a page of it, or JSON for programs.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It is there, and not for this operator.
    #[error("{0}")]
    Forbidden(String),
    /// The application does not know who this is.
    #[error("the application did not say that you may see this page; sign in there first")]
    Stranger,
    /// What was refused by axum, with its status.
    #[error("a value in the address or the form is not what the page takes; go back, or begin at the overview")]
    Refused(StatusCode),
    /// Nobody said who they are.
    #[error("sign in: this dashboard asks for a user and a password")]
    Unauthenticated,
    /// Too many wrong passwords at once.
    #[error("too many wrong passwords at once; wait some seconds")]
    TooManyGuesses,
    /// The name that the browser asked for is none of ours.
    #[error(
        "this dashboard does not answer to the name {0:?}; open it by its address, or add the name with Dashboard::hosts \
         (kiqctl web: --host-name)"
    )]
    WrongHost(String),
    /// The form is too long.
    #[error("a form may have 64 KiB; choose fewer jobs, or use a filter")]
    TooLarge,
    /// This method is not for that address.
    #[error("this address is for another kind of request; go back and use the buttons of the page")]
    WrongMethod,
    /// The store has refused, or has not answered.
    #[error("{0}")]
    Store(Arc<BrokerError>),
    /// More requests than it carries.
    #[error("64 requests are being answered already; try again in a moment")]
    Busy,
    /// It took more than 15 seconds.
    #[error("the answer took more than 15 seconds; nothing is lost, try again or narrow the filter")]
    Slow,
    /// A mistake of ours. What it was is in the log, under the number.
    #[error("this page has failed; the log of the program tells why, at {0}")]
    Broken(String),
}

impl Fault {
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Fault::NotFound(what.into())
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Fault::Invalid(what.into())
    }

    pub(crate) fn forbidden(why: impl Into<String>) -> Self {
        Fault::Forbidden(why.into())
    }

    /// The headline.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Fault::NotFound(_) => "Not here",
            Fault::Invalid(_) | Fault::Refused(_) | Fault::TooLarge | Fault::WrongMethod => "That cannot be asked for",
            Fault::Forbidden(_) | Fault::Stranger => "Not allowed",
            Fault::Unauthenticated | Fault::TooManyGuesses => "Who are you?",
            Fault::WrongHost(_) => "Wrong name",
            Fault::Store(error) if matches!(**error, BrokerError::Refused { .. }) => "The store refuses",
            Fault::Store(_) => "The store does not answer",
            Fault::Busy | Fault::Slow => "Too much at once",
            Fault::Broken(_) => "This page is broken",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Fault::NotFound(_) => StatusCode::NOT_FOUND,
            Fault::Invalid(_) => StatusCode::BAD_REQUEST,
            Fault::Forbidden(_) | Fault::Stranger => StatusCode::FORBIDDEN,
            Fault::Refused(status) => *status,
            Fault::Unauthenticated => StatusCode::UNAUTHORIZED,
            Fault::TooManyGuesses => StatusCode::TOO_MANY_REQUESTS,
            Fault::WrongHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Fault::Store(_) | Fault::Busy | Fault::Slow | Fault::Broken(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether it is told to somebody who is not let in, and learns nothing of the inside.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self, Fault::Stranger | Fault::Unauthenticated | Fault::TooManyGuesses | Fault::WrongHost(_))
    }

    /// Whether the page may ask again by itself.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Fault::Store(_) | Fault::Busy | Fault::Slow)
    }
}

impl From<BrokerError> for Fault {
    fn from(error: BrokerError) -> Self {
        Fault::Store(Arc::new(error))
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a template could not be filled");
        Fault::Broken("template".to_owned())
    }
}

impl From<crate::charts::ChartError> for Fault {
    fn from(error: crate::charts::ChartError) -> Self {
        tracing::error!(%error, "this is a mistake in kiq-web, please report it");
        Fault::Broken("chart".to_owned())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
