//! `queues!` names the queues there are: as constants, and as a rule for the jobs where it is in scope.

use kiq::Job;

kiq::queues! {
    pub,
    /// For people who wait.
    high,
    default,
    "mail-out",
    r#type,
    "2nd",
}

#[kiq::job(queue = "high")]
async fn by_text() {}

#[kiq::job(queue = queues::MAIL_OUT, retry_queue = queues::TYPE)]
async fn by_constant() {}

#[kiq::job]
async fn by_default() {}

mod elsewhere {
    use crate::queues;

    #[kiq::job(queue = queues::Q2ND)]
    pub async fn named() {}

    #[kiq::job(queue = "not checked here")]
    #[cfg(any())]
    pub async fn configured_away() {}

    #[kiq::job(queue = "undeclared")]
    pub async fn unchecked() {}
}

mod checked {
    use crate::queues::Declared as _;

    kiq::defaults! { queue = "high" }

    #[kiq::job]
    pub async fn inherits() {}
}

fn main() {
    assert_eq!(queues::ALL, ["high", "default", "mail-out", "type", "2nd"]);
    assert_eq!((ByText::OPTIONS.queue, ByConstant::OPTIONS.queue, ByDefault::OPTIONS.queue), ("high", "mail-out", "default"));
    assert_eq!((elsewhere::Named::OPTIONS.queue, elsewhere::Unchecked::OPTIONS.queue), ("2nd", "undeclared"));
    assert_eq!(checked::Inherits::OPTIONS.queue, "high");
    let _worker = kiq::Worker::builder().queues(queues::ALL);
}
