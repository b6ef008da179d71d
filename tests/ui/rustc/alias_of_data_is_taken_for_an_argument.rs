#![allow(unused)]

struct Pool;

type Db = kiq::Data<Pool>;

#[kiq::job]
async fn aliased(db: Db) {}

fn main() {}
