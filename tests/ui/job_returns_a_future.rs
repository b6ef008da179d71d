#![allow(unused)]

#[kiq::job]
fn a() -> impl Future<Output = ()> {
    async {}
}

fn main() {}
