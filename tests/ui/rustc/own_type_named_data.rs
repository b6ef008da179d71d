#![allow(unused)]

mod own {
    pub struct Data<T>(pub T);
}
use own::Data;

#[kiq::job]
async fn with_own_data(data: Data<u32>) {}

fn main() {}
