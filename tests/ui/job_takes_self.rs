#![allow(unused)]

struct Mailer;

impl Mailer {
    #[kiq::job]
    async fn send(&self, to: String) {}
}

fn the_method_is_still_there(mailer: Mailer) {
    let _ = mailer.send(String::new());
}

fn main() {}
