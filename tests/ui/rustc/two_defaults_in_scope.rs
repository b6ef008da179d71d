#![allow(unused)]

mod base {
    kiq::defaults! { queue = "low" }
}

mod jobs {
    use crate::base::JobDefaults as _;

    kiq::defaults! { retry = 5 }

    #[kiq::job]
    async fn a() {}
}

fn main() {}
