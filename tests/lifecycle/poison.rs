//! Jobs that came back from processes that died: run with care, and not at all when they are poison.

use std::time::Duration;

use kiq::{Event, JobSet, Payload};

use crate::setup::on_every_broker;

fn suspect(class: &str, args: &str, deaths: u32, more: &str) -> String {
    let mark = format!(r#""kiq_recovered":{{"deaths":{deaths},"since":1795452509.5}}"#);
    format!(r#"{{"class":"{class}","args":{args},"jid":"s{deaths}","retry":3,"queue":"default",{mark}{more}}}"#)
}

on_every_broker! {
    async fn a_suspect_that_ends_well_is_like_any_other(s: Setup) {
        s.push_raw("default", &suspect("Note", r#"["ran"]"#, 2, "")).await;

        s.run(s.worker(), async |events| { events.done("Note").await; }).await;

        assert_eq!(s.notes.all(), ["ran"]);
        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.processed, stats.failed, stats.unsettled(), stats.dead), (1, 0, 0, 0));
    }

    async fn a_suspect_that_fails_is_retried_without_its_mark(s: Setup) {
        s.push_raw("default", &suspect("Pay", "[100]", 1, "")).await;

        s.run(s.worker(), async |events| { events.failed("Pay").await; }).await;

        let job = s.set(JobSet::Retry).await.remove(0).payload.unwrap();
        assert_eq!(job.deaths(), None);
    }

    async fn a_job_of_which_three_processes_died_is_dead_with_the_reason_and_never_runs(s: Setup) {
        s.push_raw("default", &suspect("Note", r#"["never"]"#, 3, "")).await;

        s.run(s.worker(), async |events| {
            events.until(|event| matches!(event, Event::Poison { class, .. } if class == "Note")).await;
        }).await;

        assert!(s.notes.all().is_empty());
        let job = s.set(JobSet::Dead).await.remove(0).payload.unwrap();
        assert_eq!(job.get::<String>("error_message").unwrap(), "poison: its process died 3 times while it ran");
        // Whoever retries it by hand wants it to run.
        assert_eq!(job.deaths(), None);
    }

    async fn poison_that_is_not_to_be_kept_ends_all_the_same(s: Setup) {
        s.push_raw("default", &suspect("Note", r#"["never"]"#, 3, r#","dead":false"#)).await;

        s.run(s.worker(), async |events| {
            events.until(|event| matches!(event, Event::Poison { .. })).await;
        }).await;

        let stats = s.inspector().stats().await.unwrap();
        assert_eq!((stats.unsettled(), stats.dead), (0, 0));
    }

    async fn a_suspect_that_is_stopped_by_a_deploy_is_not_blamed(s: Setup) {
        let job = suspect("Linger", "[3600000]", 2, "");
        s.push_raw("default", &job).await;

        s.run(s.worker().shutdown_timeout(Duration::ZERO), async |events| { events.started("Linger").await; }).await;

        let waiting = s.inspector().queue("default", 0, 10).await.unwrap();
        assert_eq!(waiting[0].payload.as_ref().ok().and_then(Payload::deaths), Some(2));
    }
}
