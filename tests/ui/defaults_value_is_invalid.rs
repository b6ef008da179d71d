#![allow(unused)]

kiq::defaults! { queue = "a b", retry = -1, timeout = "soon" }

#[kiq::job]
async fn the_jobs_around_it_are_still_there() {}

const _: usize = size_of::<TheJobsAroundItAreStillThere>();

fn main() {}
