//! A65: `defaults!` is for the jobs of its module, and for those of modules that import it.

use std::time::Duration;

use kiq::{Job, JobOptions, Retry};

mod mail {
    kiq::defaults! { queue = "mail", retry = 5, timeout = "30s", tags = ["mail"], dead = false }

    #[kiq::job]
    pub async fn send() {}

    #[kiq::job(queue = "high", retry_for = "1h", tags = [], dead = true)]
    pub async fn overridden() {}

    /// A blocking function cannot be stopped, so the time limit is not for it.
    #[kiq::job]
    pub fn blocking() {}

    pub fn in_a_body() -> &'static str {
        use kiq::Job as _;

        #[kiq::job]
        async fn inside() {}

        Inside::OPTIONS.queue
    }

    pub mod child {
        #[kiq::job]
        pub async fn by_itself() {}
    }

    pub mod heir {
        use super::*;

        #[kiq::job]
        pub async fn by_glob() {}

        #[allow(dead_code)]
        pub fn sends() {
            let _ = send();
        }
    }

    pub mod reformed {
        #[allow(unused_imports)]
        use super::*;

        kiq::defaults! { queue = "letters" }

        #[kiq::job]
        pub async fn by_own() {}
    }
}

mod elsewhere {
    use crate::mail::JobDefaults as _;

    #[kiq::job]
    pub async fn by_name() {}
}

#[kiq::job]
async fn untouched() {}

fn main() {
    let mail = JobOptions::new()
        .queue("mail")
        .retry(Retry::Max(5))
        .timeout(Duration::from_secs(30))
        .tags(&["mail"])
        .dead(false);
    assert_eq!(mail::Send::OPTIONS, mail);
    assert_eq!(mail::heir::ByGlob::OPTIONS, mail);
    assert_eq!(elsewhere::ByName::OPTIONS, mail);
    assert_eq!((mail::Blocking::OPTIONS.queue, mail::Blocking::OPTIONS.timeout), ("mail", None));
    assert_eq!(mail::in_a_body(), "mail");
    assert_eq!(mail::child::ByItself::OPTIONS, JobOptions::new());
    assert_eq!(mail::reformed::ByOwn::OPTIONS, JobOptions::new().queue("letters"));
    assert_eq!(Untouched::OPTIONS, JobOptions::new());
    let overridden = mail::Overridden::OPTIONS;
    assert_eq!((overridden.queue, overridden.retry), ("high", Retry::For(Duration::from_secs(3600))));
    assert_eq!((overridden.dead, overridden.timeout), (true, Some(Duration::from_secs(30))));
    assert!(overridden.tags.is_empty());
}
