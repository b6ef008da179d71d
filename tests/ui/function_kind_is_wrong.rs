#![allow(unused)]

#[kiq::job]
const fn constant() {}

#[kiq::job]
async unsafe fn dangerous() {}

#[kiq::job]
extern "C" fn foreign() {}

#[kiq::job]
fn returns_a_future() -> impl Future<Output = ()> {
    async {}
}

#[kiq::job]
#[test]
fn tested() {}

fn main() {}
