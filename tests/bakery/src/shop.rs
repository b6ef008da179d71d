//! What the bakery works with: its book of orders, and three things of the outside world.

use kiq::{BoxFuture, JobError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything a handler or a job needs. Cheap to clone; clones share what is behind it.
#[derive(Clone)]
pub struct Shop {
    /// The book of orders.
    pub orders: Orders,
    /// Letters to customers.
    pub post: Arc<dyn Post>,
    /// Where cakes are baked.
    pub oven: Arc<dyn Oven>,
    /// Where money is taken.
    pub till: Arc<dyn Till>,
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shop").field("orders", &self.orders).finish_non_exhaustive()
    }
}

/// Sends mail. It takes no keys: who must not write twice asks first.
pub trait Post: Send + Sync {
    /// Sends a letter.
    fn send(&self, letter: Letter) -> BoxFuture<'_, Result<(), PostError>>;
    /// Whether a letter with this subject went to this address.
    fn has_sent<'a>(&'a self, to: &'a str, subject: &'a str) -> BoxFuture<'a, Result<bool, PostError>>;
}

/// A letter to a customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// What it is about.
    pub subject: String,
}

/// The mail server does not answer, as happens: nobody need be woken.
#[derive(Debug, thiserror::Error, JobError)]
#[error("the mail server does not answer")]
#[transient]
pub struct PostError;

/// Bakes. A tin is labelled with its order and tier, and the baker puts no second one of a label into the oven.
pub trait Oven: Send + Sync {
    /// Bakes one tier of an order.
    fn bake<'a>(&'a self, order_id: u64, tier: u32, cake: &'a str) -> BoxFuture<'a, Result<(), OvenError>>;
}

/// Why there is no cake.
#[derive(Debug, thiserror::Error, JobError)]
pub enum OvenError {
    /// It heals by itself.
    #[error("the oven is not hot yet")]
    #[transient]
    Cold,
    /// It never will.
    #[error("there is no recipe for {0:?}: add one, then retry the job")]
    #[fatal]
    NoRecipe(String),
}

/// Takes money, once for each key.
pub trait Till: Send + Sync {
    /// Charges so many cents, and answers the number of the receipt: of the first one, when the key is known.
    fn charge<'a>(&'a self, key: &'a str, cents: u64) -> BoxFuture<'a, Result<u64, TillError>>;
}

/// The bank does not answer. It may have taken the money all the same.
#[derive(Debug, thiserror::Error, JobError)]
#[error("the bank does not answer")]
#[transient]
pub struct TillError;

/// An order, as the book has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which cake.
    pub cake: String,
    /// How many tiers it has.
    pub tiers: u32,
    /// Whom to write to.
    pub customer: String,
    /// The tiers that are baked.
    pub baked: BTreeSet<u32>,
    /// The receipt, once it is paid.
    pub receipt: Option<u64>,
}

impl Order {
    /// What it costs.
    pub fn cents(&self) -> u64 {
        u64::from(self.tiers) * 25_00
    }

    /// Whether all of it is baked.
    pub fn is_baked(&self) -> bool {
        self.baked.len() == self.tiers as usize
    }
}

/// The book of orders: a database, in a larger shop.
#[derive(Clone, Debug, Default)]
pub struct Orders(Arc<Mutex<BTreeMap<u64, Order>>>);

/// An order that is not in the book was cancelled, and its jobs have nothing left to do.
#[derive(Debug, thiserror::Error, JobError)]
#[error("there is no order {0}")]
#[discard]
pub struct NoSuchOrder(pub u64);

impl Orders {
    /// Writes down a new order, and answers its number.
    pub fn add(&self, cake: impl Into<String>, tiers: u32, customer: impl Into<String>) -> u64 {
        let mut book = self.book();
        let order_id = book.last_key_value().map_or(1, |(last, _)| last + 1);
        let (cake, customer) = (cake.into(), customer.into());
        book.insert(order_id, Order { cake, tiers, customer, baked: BTreeSet::new(), receipt: None });
        order_id
    }

    /// An order as it is now.
    ///
    /// # Errors
    /// When it is not in the book.
    pub fn get(&self, order_id: u64) -> Result<Order, NoSuchOrder> {
        self.book().get(&order_id).cloned().ok_or(NoSuchOrder(order_id))
    }

    /// Changes an order, and answers what it is then.
    ///
    /// # Errors
    /// When it is not in the book.
    pub fn change(&self, order_id: u64, change: impl FnOnce(&mut Order)) -> Result<Order, NoSuchOrder> {
        let mut book = self.book();
        let order = book.get_mut(&order_id).ok_or(NoSuchOrder(order_id))?;
        change(order);
        Ok(order.clone())
    }

    /// Strikes an order out.
    ///
    /// # Errors
    /// When it is not in the book.
    pub fn cancel(&self, order_id: u64) -> Result<Order, NoSuchOrder> {
        self.book().remove(&order_id).ok_or(NoSuchOrder(order_id))
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<u64, Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
