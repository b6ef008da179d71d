//! The pages.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;

use crate::sign_up::{self, SignUpError};

/// The pages of this application.
pub fn router() -> Router {
    Router::new()
        .route("/", get(form))
        .route("/sign-ups", post(sign_up))
}

/// The same with kiq's dashboard at `/kiq`, for the user `ops` with that password.
pub fn router_with_dashboard(client: &kiq::Client, password: &str) -> Router {
    let auth = kiq::web::Auth::basic("ops", password);
    router().nest("/kiq", kiq::web::router(client, auth))
}

async fn form() -> Html<&'static str> {
    Html(include_str!("form.html"))
}

#[derive(Deserialize)]
struct SignUp {
    name: String,
    email: String,
}

async fn sign_up(Form(form): Form<SignUp>) -> Result<Response, SignUpError> {
    let SignUp { name, email } = form;
    sign_up::sign_up(&name, &email).await?;
    let answer = format!("Welcome, {name}. A mail to {email} is on its way.\n");
    Ok((StatusCode::ACCEPTED, answer).into_response())
}

impl IntoResponse for SignUpError {
    fn into_response(self) -> Response {
        match self {
            SignUpError::NoAddress(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, format!("{self}\n")).into_response()
            }
            SignUpError::NotEnqueued(error) => {
                tracing::error!(%error, "a sign-up was not taken");
                let answer = "Please try again in a moment.\n";
                (StatusCode::SERVICE_UNAVAILABLE, answer).into_response()
            }
        }
    }
}
