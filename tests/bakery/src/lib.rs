//! A bakery: cakes are ordered over HTTP, and everything slow is a job.
//!
//! Read [`jobs`] first: what happens to an order. [`shop`] is what the jobs work with, [`web`] where orders come from,
//! [`fakes`] what stands in for the outside world, in the tests and on a baker's laptop.

pub mod fakes;
pub mod jobs;
pub mod shop;
pub mod web;

use kiq::{App, Worker, WorkerBuilder, rules};
use shop::Shop;

/// What this program adds to kiq, for its worker, its clients and its tests: a network that fails is expected to heal.
pub fn app() -> App {
    App::new().rule(rules::io).rule(rules::timeouts)
}

/// The worker of this program. Mail goes first, for a customer waits for it; ovens are slow whatever one does.
pub fn worker(shop: Shop) -> WorkerBuilder {
    Worker::builder().queues(["mail", "orders", "kitchen"]).app(&app()).data(shop)
}
