//! All that is made of a function is as visible as the function.

mod jobs {
    pub mod inner {
        #[kiq::job]
        pub(in crate::jobs) async fn within(a: u8) {
            let _ = a;
        }

        #[kiq::job]
        pub async fn public(a: u8) {
            let _ = a;
        }

        #[kiq::job]
        pub(crate) async fn of_the_crate(a: u8) {
            let _ = a;
        }

        #[kiq::job]
        pub(super) async fn above(a: u8) {
            let _ = a;
        }

        #[kiq::job]
        async fn private(a: u8) {
            let _ = a;
        }

        pub fn here() -> u8 {
            Private { a: 1 }.a
        }
    }

    pub fn here() -> u8 {
        inner::Within { a: 1 }.a + inner::Above { a: 1 }.a
    }
}

fn main() {
    let _ = jobs::inner::Public::enqueue(1);
    let _ = jobs::inner::OfTheCrate { a: 1 };
    assert_eq!(jobs::here() + jobs::inner::here(), 3);
}
