//! How this browser shows the pages: kept in a cookie, and nothing of the store.

use axum::Extension;
use axum::extract::Form;
use axum::http::HeaderValue;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use serde::Deserialize;

use crate::guard::Spot;

use super::back;

#[derive(Deserialize)]
pub(crate) struct Preferences {
    /// `light`, `dark`; anything else is the system's.
    #[serde(default)]
    theme: String,
    #[serde(default, rename = "return")]
    to: String,
}

pub(crate) async fn set(Extension(spot): Extension<Spot>, Form(wanted): Form<Preferences>) -> Response {
    let theme = match wanted.theme.as_str() {
        known @ ("light" | "dark") => known,
        _ => "system",
    };
    let mut response = back(&spot, &wanted.to, None);
    let cookie = format!("kiq_theme={theme}; Path={}; HttpOnly; SameSite=Lax; Max-Age=31536000", spot.base);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
