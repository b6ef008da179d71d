#![allow(unused)]

struct Mailer;

impl Mailer {
    #[kiq::job]
    async fn send(to: String) {}
}

fn main() {}
