#![allow(unused)]

#[kiq::job(quue = "high", retry_for = 30, retry_in = 60)]
async fn many<T>((x, y): (u32, u32), name: Option<&str>) {}

fn the_function_is_still_there() {
    let _ = Many::enqueue(1, 2);
}

fn main() {}
