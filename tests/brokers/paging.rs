//! Reading on where a page ended, and many failures as few errors.

use std::time::Duration;

use kiq::broker::Settlement;
use kiq::inspect::{Act, Cursor, EntryKey, Filter, Page, PageOf, Place};
use kiq::{Found, JobSet, Timestamp};

use crate::operating::{DAY, SCHEDULED, inspector, job, queue, schedule};
use crate::setup::{START, at, on_every_broker, to};

on_every_broker! {
    async fn a_page_goes_on_behind_its_last_job_whatever_comes_and_goes_before_it(s: Setup) {
        schedule(&s, 10).await;
        let inspector = inspector(&s);
        let filter = Filter::all();
        let read = async |after, before| {
            let of = PageOf { rows: 4, newest_first: false, after, before };
            inspector.page(&SCHEDULED, &filter, of).await.unwrap()
        };
        let first = read(None, None).await;
        assert_eq!((numbers(&first), first.previous, first.is_cut), ("0 0 1 1".to_owned(), None, false));
        // What is on the page leaves, and another comes before it.
        for found in &first.rows[..3] {
            inspector.act(found, Act::Delete).await.unwrap();
        }
        s.push_all(&[at(START, &job("C", 77))]).await;

        let second = read(first.next, None).await;
        assert_eq!(numbers(&second), "2 2 3 3");
        let third = read(second.next, None).await;
        let back = read(None, third.previous).await;
        assert_eq!((numbers(&third), numbers(&back)), ("4 4 5 5".to_owned(), "2 2 3 3".to_owned()));
        assert_eq!(numbers(&read(back.next, None).await), "4 4 5 5");
        let start = read(None, back.previous).await;
        assert_eq!((numbers(&start), start.previous), ("77 1".to_owned(), None));
        let mut cursor = third.next;
        let mut rest = Vec::new();
        while let Some(after) = cursor {
            let page = read(Some(after), None).await;
            rest.push(numbers(&page));
            cursor = page.next;
        }
        assert_eq!(rest, ["6 6 7 7", "8 8 9 9"]);
    }

    async fn pages_of_a_set_go_from_the_latest_to_the_earliest(s: Setup) {
        schedule(&s, 3).await;
        let inspector = inspector(&s);
        let of = |after| PageOf { rows: 4, newest_first: true, after, before: None };
        let first = inspector.page(&SCHEDULED, &Filter::all(), of(None)).await.unwrap();
        let second = inspector.page(&SCHEDULED, &Filter::all(), of(first.next)).await.unwrap();
        assert_eq!((numbers(&first), numbers(&second), second.next), ("2 2 1 1".to_owned(), "0 0".to_owned(), None));
    }

    async fn pages_go_through_many_jobs_of_one_time_each_once(s: Setup) {
        let all: Vec<_> = (0..1500).map(|number| at(START + DAY, &job("A", number))).collect();
        s.push_all(&all).await;
        let inspector = inspector(&s);
        let (mut after, mut met) = (None, Vec::new());
        let mut last = None;
        loop {
            let of = PageOf { rows: 40, newest_first: false, after, before: None };
            let page = inspector.page(&SCHEDULED, &Filter::all(), of).await.unwrap();
            met.extend(page.rows.iter().map(|found| found.jid().to_owned()));
            assert!(page.read <= 41, "{}", page.read);
            last = Some(page.previous).or(last);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let order = met.clone();
        met.sort();
        met.dedup();
        assert_eq!((met.len(), order.len()), (1500, 1500));
        // And back again, from among them.
        let of = PageOf { rows: 40, newest_first: false, after: None, before: last.unwrap() };
        let back = inspector.page(&SCHEDULED, &Filter::all(), of).await.unwrap();
        let shown: Vec<_> = back.rows.iter().map(|found| found.jid().to_owned()).collect();
        assert_eq!(shown, order[1440..1480]);
    }

    async fn a_page_of_a_filter_says_how_far_it_looked(s: Setup) {
        schedule(&s, 6000).await;
        s.push_all(&[at(START + DAY * 30, &job("C", 1))]).await;
        let inspector = inspector(&s);
        let filter = Filter::parse("class:C").unwrap();
        let read = async |after| {
            let of = PageOf { rows: 25, newest_first: false, after, before: None };
            inspector.page(&SCHEDULED, &filter, of).await.unwrap()
        };
        let mut page = read(None).await;
        assert!(page.is_cut && page.rows.is_empty(), "it gives up before 12,000: {page:?}");
        let mut total = page.read;
        while let Some(next) = page.next {
            assert!(page.is_cut && page.read <= 10_500);
            page = read(Some(next)).await;
            total += page.read;
        }
        assert_eq!((numbers(&page), total), ("1".to_owned(), 12_001));
        let near = inspector.filter("next:<23h class:A").await.unwrap();
        let of = PageOf { rows: 25, ..PageOf::default() };
        assert_eq!(inspector.page(&SCHEDULED, &near, of).await.unwrap().read, 0, "times bound what is read");
    }

    async fn a_queue_is_read_on_as_it_runs(s: Setup) {
        let jobs: Vec<_> = (0..30).map(|number| to("q", &job("A", number))).collect();
        s.push_all(&jobs).await;
        let (inspector, place) = (inspector(&s), queue("q"));
        let of = |after| PageOf { rows: 10, newest_first: false, after, before: None };
        let first = inspector.page(&place, &Filter::all(), of(None)).await.unwrap();
        let process = s.process().await;
        assert_eq!(process.fetch(4).await.len(), 4);
        s.push(&[&job("B", 99)]).await;
        let second = inspector.page(&place, &Filter::all(), of(first.next)).await.unwrap();
        let third = inspector.page(&place, &Filter::all(), of(second.next)).await.unwrap();
        let each = [&first, &second, &third].map(numbers);
        assert_eq!(each, ["0 1 2 3 4 5 6 7 8 9", "10 11 12 13 14 15 16 17 18 19", "20 21 22 23 24 25 26 27 28 29"]);
        let last = inspector.page(&place, &Filter::all(), of(third.next)).await.unwrap();
        assert_eq!((numbers(&last), last.next), ("99".to_owned(), None));
    }

    async fn chosen_jobs_are_found_again_if_they_are_still_there(s: Setup) {
        schedule(&s, 4).await;
        s.push_all(&[at(START + DAY, "no job"), to("q", &job("A", 1)), to("q", &job("A", 2))]).await;
        let inspector = inspector(&s);
        let all = inspector.set(JobSet::Scheduled, 0, 99).await.unwrap();
        let keys: Vec<EntryKey> = all.iter().map(EntryKey::of).collect();
        inspector.act(&all[3], Act::Delete).await.unwrap();
        let again: Vec<EntryKey> = keys.iter().map(|key| key.to_string().parse().unwrap()).collect();
        let picked = inspector.pick(&SCHEDULED, &again).await.unwrap();
        let found: Vec<_> = picked.iter().map(|found| &found.bytes).collect();
        let wanted: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, found)| &found.bytes).collect();
        assert_eq!(found, wanted);
        let queued = inspector.queue("q", 1, 1).await.unwrap();
        let picked = inspector.pick(&queue("q"), &[EntryKey::of(&queued[0])]).await.unwrap();
        assert_eq!((picked.len(), picked[0].jid()), (1, "A2"));
        assert!(inspector.pick(&SCHEDULED, &[EntryKey::of(&queued[0])]).await.unwrap().is_empty());
        for hostile in ["", "-", "q-", "1-zz", "1-00c0ffee00c0ffe", "9999999999999999999999-00c0ffee00c0ffee", "q-00c0ffee00c0ffee0"] {
            assert!(hostile.parse::<EntryKey>().is_err(), "{hostile}");
            assert!(format!("{hostile}.1").parse::<Cursor>().is_err(), "{hostile}");
        }
        for hostile in ["1-00c0ffee00c0ffee", "1-00c0ffee00c0ffee.-1", "1-00c0ffee00c0ffee.x"] {
            assert!(hostile.parse::<Cursor>().is_err(), "{hostile}");
        }
        let old = inspector.at_score(JobSet::Scheduled, 1_795_538_909.5, "B0").await.unwrap();
        assert_eq!(old.map(|found| found.bytes), Some(job("B", 0).into_bytes()));
        assert!(inspector.at_score(JobSet::Scheduled, f64::NAN, "B0").await.unwrap().is_none());
    }

    async fn a_cursor_from_far_away_breaks_nothing(s: Setup) {
        schedule(&s, 3).await;
        let inspector = inspector(&s);
        for word in ["-9223372036854775808-00c0ffee00c0ffee.3", "9223372036854775807-00c0ffee00c0ffee.18446744073709551615", "0-0000000000000000.0", "q-0000000000000000.99999999999"] {
            let cursor: Cursor = word.parse().unwrap();
            for (after, before) in [(Some(cursor), None), (None, Some(cursor))] {
                for place in [SCHEDULED, queue("q")] {
                    let of = PageOf { rows: 5, newest_first: false, after, before };
                    assert!(inspector.page(&place, &Filter::all(), of).await.unwrap().rows.len() <= 5);
                }
            }
        }
    }

    async fn many_failures_are_few_errors(s: Setup) {
        let failed = |class: &str, number: usize, error: &str| {
            let more = format!(r#""error_class":"Http","error_message":"{error}","retry_count":{number},"failed_at":{}"#, 1_795_452_000 + number);
            job(class, number).replace(r#""retry_count":2"#, &more)
        };
        let mut all: Vec<String> = (0..6).map(|number| failed("A", number, &format!("{} away", 500 + number))).collect();
        all.extend((0..3).map(|number| failed("B", number, "away")));
        all.extend((7..9).map(|number| failed("A", number, "refused")));
        all.push("no job".to_owned());
        // Retries, by way of what puts them there.
        let process = s.process().await;
        for (minute, payload) in all.iter().enumerate() {
            s.push(&["x"]).await;
            let at = START + Duration::from_secs(60) * u32::try_from(minute).unwrap();
            process.settle(&process.fetch(1).await[0], Settlement::Retry { payload: payload.clone(), at }).await;
        }
        let (inspector, place) = (inspector(&s), Place::Set(JobSet::Retry));
        let groups = inspector.groups(&place, &Filter::all(), 1000).await.unwrap();

        assert_eq!((groups.jobs, groups.read, groups.is_complete), (12, 12, true));
        let seen: Vec<_> = groups.groups.iter().map(|group| (&*group.class, &*group.message, group.count)).collect();
        assert_eq!(&seen[..3], [("A", "# away", 6), ("B", "away", 3), ("A", "refused", 2)]);
        assert_eq!((seen[3].0, seen[3].2), ("", 1));
        let first = &groups.groups[0];
        assert_eq!((first.failures, first.next, &*first.error), ((1, 6), Some(START), "Http"));
        assert_eq!(first.oldest, Some(Timestamp::from_micros(1_795_452_000_000_000)));
        assert_eq!(first.newest, Some(Timestamp::from_micros(1_795_452_005_000_000)));
        // The group is a filter, too.
        let filter = Filter::parse(&format!("group:{}", first.key)).unwrap();
        assert_eq!(inspector.select(place.clone(), filter.clone()).count(1000).await.unwrap().matching, 6);
        assert_eq!(inspector.groups(&place, &filter, 1000).await.unwrap().groups.len(), 1);

        let part = inspector.groups(&place, &Filter::all(), 7).await.unwrap();
        assert_eq!((part.read, part.is_complete, part.groups.len()), (7, false, 2), "it says that it looked at a part");
        assert!(inspector.groups(&place, &Filter::all(), 12).await.unwrap().is_complete);
    }

    async fn since_the_deploy_is_since_the_last_one(s: Setup) {
        let inspector = inspector(&s);
        schedule(&s, 2).await;
        let all = async || {
            let filter = inspector.filter("since:deploy").await.unwrap();
            inspector.select(SCHEDULED, filter).count(100).await.unwrap().matching
        };
        assert_eq!(all().await, 0, "without a deploy it means nothing");
        s.clock.advance(Duration::from_secs(60));
        inspector.mark_deploy("a1b2c3d").await.unwrap();
        s.push_all(&[at(START + DAY, &job("C", 1).replace("1795452500.5", "1795452569.5"))]).await;
        assert_eq!(all().await, 1);
        assert!(inspector.filter("sinc:deploy").await.unwrap_err().to_string().contains("did you mean since?"));
    }
}

/// The numbers of the jobs of a page, in order.
fn numbers(page: &Page) -> String {
    let number = |found: &Found| {
        found.payload.as_ref().map_or("?".to_owned(), |job| job.args().get().trim_matches(['[', ']']).to_owned())
    };
    page.rows.iter().map(number).collect::<Vec<_>>().join(" ")
}
