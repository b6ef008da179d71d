//! In modules, in function bodies, under `#[cfg]`, written by macros; one name in two modules.

use kiq::{Job, Registry};

mod outer {
    pub mod inner {
        #[kiq::job(name = "Inner::Send")]
        pub async fn send(to: &str) {
            let _ = to;
        }
    }

    #[kiq::job(name = "Outer::Send")]
    pub(super) async fn send(to: String) {
        let _ = to;
    }
}

fn in_a_body() -> &'static str {
    #[kiq::job]
    async fn inside() {}

    Inside::NAME
}

#[cfg(any())]
#[kiq::job]
async fn never(missing: NoSuchType) {}

#[cfg_attr(all(), kiq::job(queue = "high"))]
async fn conditional() {}

macro_rules! jobs {
    ($($name:ident => $queue:literal),* $(,)?) => {
        $(
            #[kiq::job(queue = $queue)]
            pub async fn $name(id: u64) {
                let _ = id;
            }
        )*
    };
}

jobs! { first => "high", second => "low" }

fn main() {
    assert_eq!(in_a_body(), "Inside");
    assert_eq!((outer::inner::Send::NAME, outer::Send::NAME), ("Inner::Send", "Outer::Send"));
    assert_eq!((First::OPTIONS.queue, Second::OPTIONS.queue, Conditional::OPTIONS.queue), ("high", "low", "high"));
    let jobs = Registry::linked().unwrap();
    let names: Vec<_> = jobs.iter().map(|job| job.name).collect();
    assert_eq!(names, ["Conditional", "First", "Inner::Send", "Inside", "Outer::Send", "Second"]);
}
