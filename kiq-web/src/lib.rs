//! The dashboard of kiq: what runs, waits and failed, as pages of any axum application.
//!
//! Use it as `kiq::web`, by the feature `web` of the crate `kiq`. A program without that feature compiles none of this.
//!
//! # Examples
//! ```
//! use axum::Router;
//! use kiq_web::Auth;
//!
//! # fn dashboard(client: &kiq_runtime::client::Client, password: &str) {
//! let app: Router = Router::new().nest("/kiq", kiq_web::router(client, Auth::basic("ops", password)));
//! # }
//! ```
//!
//! # Who may look, and who may act
//! [`Auth`] has no default, and a dashboard that everybody may use has to be asked for by a name that says so. Beyond it:
//! - Nothing is changed by a GET. A POST has to come from a page of the dashboard (`Sec-Fetch-Site`, else `Origin`), and to bring
//!   the token of that browser.
//! - Each page says by its headers that scripts, styles and requests come from here and nowhere else, and that it goes into no
//!   frame. It holds no script and no style of its own, and all that it shows is escaped.
//! - A request has 15 seconds, a form 64 KiB, and 64 requests run at a time.
//!
//! # What it costs
//! Each page says in its module which commands it sends to Redis. What all pages show is read once in 2 seconds, however many
//! people look, and not at all an hour after the last one did.
#![doc = include_str!("api.md")]
#![warn(unreachable_pub)]

mod api;
mod app;
mod asked;
mod assets;
mod auth;
mod charts;
mod dashboard;
mod fault;
mod frame;
mod guard;
mod live;
mod numbers;
mod origin;
mod pages;
mod problems;
mod routes;
mod sampler;
mod view;

use kiq_runtime::client::Client;

pub use auth::{Auth, Operator, Verb};
pub use dashboard::Dashboard;

/// The dashboard of what `client` enqueues into. [`Dashboard`] is the same with settings.
///
/// Nest it at any path, or serve it as it is: its links are relative. It works behind proxies that cut the path's beginning off,
/// too.
///
/// # Examples
/// ```
/// use kiq_web::{Auth, Operator};
///
/// # #[derive(Clone)]
/// # struct User { name: String, is_operator: bool }
/// # fn app(client: &kiq_runtime::client::Client) -> axum::Router {
/// // The application's own layers have put the user into the request.
/// let auth = Auth::check(|request| {
///     let user: &User = request.extensions.get()?;
///     user.is_operator.then(|| Operator::named(&user.name))
/// });
/// axum::Router::new().nest("/kiq", kiq_web::router(client, auth))
/// # }
/// ```
pub fn router(client: &Client, auth: Auth) -> axum::Router {
    Dashboard::new(client, auth).router()
}
