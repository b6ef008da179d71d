//! Which jobs stand being stopped anywhere.
//!
//! A job runs again when its process dies half-way. The gopher stops it at each of its awaits, lets it run again, and compares
//! the end with that of an undisturbed run: a job that would send two mails fails here, with file and line.

use {{crate_name}}::jobs::send_welcome::SendWelcome;

use world::World;

mod world;

#[tokio::test]
async fn a_welcome_that_is_interrupted_is_still_one_mail() {
    let gnawed = kiq_testing::gopher(SendWelcome::new("Ann", "ann@example.com"))
        .world(async || World::default())
        .app(|world| world.app())
        .state(async |world| world.mailer.sent())
        .check()
        .await
        .unwrap();

    assert!(gnawed.places > 0);
}
