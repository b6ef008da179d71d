#![allow(unused)]

use std::rc::Rc;

#[kiq::job]
async fn keeps_an_rc() {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    drop(shared);
}

fn main() {}
