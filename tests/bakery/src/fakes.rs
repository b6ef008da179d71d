//! A post, an oven and a till that are not real: they note what is asked of them, and fail when they are told to.

use crate::shop::{Letter, Orders, Oven, OvenError, Post, PostError, Shop, Till, TillError};
use kiq::BoxFuture;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A shop made of fakes. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Fakes {
    /// The book of orders.
    pub orders: Orders,
    /// The post.
    pub post: Arc<FakePost>,
    /// The oven.
    pub oven: Arc<FakeOven>,
    /// The till.
    pub till: Arc<FakeTill>,
}

impl Fakes {
    /// The shop, as handlers and jobs know it.
    pub fn shop(&self) -> Shop {
        Shop { orders: self.orders.clone(), post: self.post.clone(), oven: self.oven.clone(), till: self.till.clone() }
    }
}

/// Keeps letters.
#[derive(Debug, Default)]
pub struct FakePost(Mutex<Vec<Letter>>);

impl FakePost {
    /// The subjects of all letters, in order.
    pub fn subjects(&self) -> Vec<String> {
        lock(&self.0).iter().map(|letter| letter.subject.clone()).collect()
    }
}

impl Post for FakePost {
    fn send(&self, letter: Letter) -> BoxFuture<'_, Result<(), PostError>> {
        Box::pin(async move {
            lock(&self.0).push(letter);
            Ok(())
        })
    }

    fn has_sent<'a>(&'a self, to: &'a str, subject: &'a str) -> BoxFuture<'a, Result<bool, PostError>> {
        Box::pin(async move { Ok(lock(&self.0).iter().any(|letter| letter.to == to && letter.subject == subject)) })
    }
}

/// Keeps the labels of tins, and knows every recipe but that of the moon.
#[derive(Debug, Default)]
pub struct FakeOven {
    tins: Mutex<BTreeSet<(u64, u32)>>,
    cold_for: Mutex<u32>,
}

impl FakeOven {
    /// Is cold for the next so many times.
    pub fn set_cold_for(&self, times: u32) {
        *lock(&self.cold_for) = times;
    }

    /// The order and tier of each tin that was baked.
    pub fn tins(&self) -> Vec<(u64, u32)> {
        lock(&self.tins).iter().copied().collect()
    }
}

impl Oven for FakeOven {
    fn bake<'a>(&'a self, order_id: u64, tier: u32, cake: &'a str) -> BoxFuture<'a, Result<(), OvenError>> {
        Box::pin(async move {
            if cake == "moon cheese cake" {
                return Err(OvenError::NoRecipe(cake.to_owned()));
            }
            let mut cold_for = lock(&self.cold_for);
            if let Some(left) = cold_for.checked_sub(1) {
                *cold_for = left;
                return Err(OvenError::Cold);
            }
            lock(&self.tins).insert((order_id, tier));
            Ok(())
        })
    }
}

/// Keeps charges.
#[derive(Debug, Default)]
pub struct FakeTill {
    charges: Mutex<Vec<(String, u64)>>,
    is_down: AtomicBool,
}

impl FakeTill {
    /// Answers nobody from now on, or everybody again.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// The key and the cents of each charge, in order.
    pub fn charges(&self) -> Vec<(String, u64)> {
        lock(&self.charges).clone()
    }
}

impl Till for FakeTill {
    fn charge<'a>(&'a self, key: &'a str, cents: u64) -> BoxFuture<'a, Result<u64, TillError>> {
        Box::pin(async move {
            if self.is_down.load(Ordering::Relaxed) {
                return Err(TillError);
            }
            let mut charges = lock(&self.charges);
            let known = charges.iter().position(|(known, _)| known == key);
            Ok(known.unwrap_or_else(|| {
                charges.push((key.to_owned(), cents));
                charges.len() - 1
            }) as u64)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
