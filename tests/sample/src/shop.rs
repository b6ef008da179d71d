//! The shop's books, and the three services it calls, all in memory. A real one has a database and HTTP here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kiq::Worker;
use kiq::WorkerBuilder;

/// A handle on the books: clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shop(Arc<Mutex<Books>>);

/// Everything that is written down anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// The shop's own table.
    pub orders: BTreeMap<u64, Order>,
    /// At the payment service: the order, and the key it came with.
    pub charges: Vec<(u64, Option<String>)>,
    /// At the email service: whom it was for.
    pub emails: Vec<u64>,
    /// At the warehouse.
    pub requests: Vec<(u64, Option<String>)>,
    /// The payment service answers 503 so often.
    pub outage: u32,
}

/// A row of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Set when it is paid.
    pub charge_id: Option<String>,
    /// Set when the customer knows.
    pub email_id: Option<String>,
    /// Set when the warehouse knows.
    pub fulfillment_id: Option<String>,
}

/// A service does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It will in a while.
    #[error("the service answered {0}")]
    Http(u16),
    /// There is no such order.
    #[error("there is no order {0}")]
    NoOrder(u64),
}

impl Shop {
    /// A shop with one order.
    pub fn with_order(order_id: u64) -> Self {
        let shop = Shop::default();
        shop.add(order_id);
        shop
    }

    /// Takes an order.
    pub fn add(&self, order_id: u64) {
        self.books().orders.insert(order_id, Order::default());
    }

    /// Lets the payment service fail so often.
    pub fn break_payments(&self, times: u32) {
        self.books().outage = times;
    }

    /// All that is written down.
    pub fn look(&self) -> Books {
        self.books().clone()
    }

    /// The worker of this program.
    pub fn worker(&self) -> WorkerBuilder {
        Worker::builder().queues(["high", "default"]).data(self.clone())
    }

    /// Reads an order.
    ///
    /// # Errors
    /// When there is none.
    pub async fn order(&self, order_id: u64) -> Result<Order, ServiceError> {
        self.books().orders.get(&order_id).cloned().ok_or(ServiceError::NoOrder(order_id))
    }

    /// Writes an order.
    pub async fn update(&self, order_id: u64, change: impl FnOnce(&mut Order)) {
        change(self.books().orders.entry(order_id).or_default());
    }

    /// Charges the customer. The service knows a charge by its key again.
    ///
    /// # Errors
    /// While it is out of order.
    pub async fn charge(&self, order_id: u64, key: Option<String>) -> Result<String, ServiceError> {
        let mut books = self.books();
        if books.outage > 0 {
            books.outage -= 1;
            return Err(ServiceError::Http(503));
        }
        Ok(format!("ch_{}", enter(&mut books.charges, order_id, key)))
    }

    /// The emails sent for an order: the service has no keys, but can be asked.
    pub async fn emails(&self, order_id: u64) -> Vec<String> {
        let books = self.books();
        let sent = books.emails.iter().enumerate().filter(|(_, order)| **order == order_id);
        sent.map(|(number, _)| format!("em_{}", number + 1)).collect()
    }

    /// Sends an email.
    pub async fn send_email(&self, order_id: u64) -> String {
        let mut books = self.books();
        books.emails.push(order_id);
        format!("em_{}", books.emails.len())
    }

    /// Asks the warehouse to send the goods. It knows a request by its key again.
    pub async fn request_fulfillment(&self, order_id: u64, key: Option<String>) -> String {
        format!("fr_{}", enter(&mut self.books().requests, order_id, key))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a line, unless its key is there. Answers its number.
fn enter(lines: &mut Vec<(u64, Option<String>)>, order_id: u64, key: Option<String>) -> usize {
    if let Some(earlier) = lines.iter().position(|(_, other)| other.is_some() && *other == key) {
        return earlier + 1;
    }
    lines.push((order_id, key));
    lines.len()
}
