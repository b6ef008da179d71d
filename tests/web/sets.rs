//! Retries, scheduled and dead: errors and jobs, and what is done to many.

use axum::Router;
use axum::http::StatusCode;
use kiq::inspect::{By, Inspector, OperationState};
use kiq::web::{Auth, Dashboard, Verb};
use kiq::{Client, JobSet};
use kiq_testing::RedisServer;

use crate::asking::{Answer, assert_unchanged, commands, get, page, post, public, snapshot};

struct Shop {
    server: RedisServer,
    client: Client,
    dashboard: Router,
}

impl Shop {
    /// `charges` retries that failed with one error (but for its numbers), and `mails` with another; one of each is dead.
    fn with(charges: usize, mails: usize) -> Self {
        let server = RedisServer::start();
        for number in 0..charges {
            add(&server, "retry", number, &failed("ChargeCard", number, &format!("{} away", 500 + number)));
        }
        for number in 0..mails {
            add(&server, "retry", 1000 + number, &failed("SendMail", 1000 + number, "refused"));
        }
        add(&server, "dead", 1, &failed("ChargeCard", 7777, "dead"));
        let client = Client::connect(&server.url()).unwrap();
        let dashboard = public(&client);
        Shop { server, client, dashboard }
    }

    fn inspector(&self) -> Inspector {
        Inspector::new(&self.client)
    }

    async fn retries(&self) -> usize {
        self.inspector().stats().await.unwrap().retries
    }

    /// The form of a preview, with more fields.
    async fn apply(&self, preview: &Answer, more: &str) -> Answer {
        assert_eq!(preview.status, StatusCode::OK, "{}", preview.text);
        post(&self.dashboard, "/retries/apply", &format!("{}{more}", form(&preview.text))).await
    }

    async fn preview(&self, fields: &str) -> Answer {
        post(&self.dashboard, "/retries/preview", fields).await
    }
}

fn add(server: &RedisServer, key: &str, minute: usize, payload: &str) {
    let at = 1_890_000_000 + 60 * minute;
    redis::cmd("ZADD").arg(key).arg(format!("{at}.25")).arg(payload).exec(&mut server.connection()).unwrap();
}

fn failed(class: &str, number: usize, error: &str) -> String {
    serde_json::json!({
        "class": class, "jid": format!("{number:024x}"), "queue": "shop", "args": [number, {"password": "hunter2"}],
        "created_at": 1_790_000_000.5, "failed_at": 1_790_000_060.5, "retry_count": number % 5, "error_class": "Http::Status",
        "error_message": error, "tags": ["tenant-7"],
    })
    .to_string()
}

/// The hidden fields of the form that applies, as a browser sends them.
fn form(page: &str) -> String {
    let form = page.split("/apply\"").nth(1).unwrap().split("</form>").next().unwrap();
    let mut fields = String::new();
    for input in form.split("<input type=\"hidden\" ").skip(1) {
        let part = |name: &str| input.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        if part("name") != "token" {
            let encoded: String = part("value").bytes().map(|byte| format!("%{byte:02X}")).collect();
            fields.push_str(&format!("{}={encoded}&", part("name")));
        }
    }
    fields
}

/// The values of the boxes of a page.
fn boxes(page: &str) -> Vec<String> {
    page.split("name=\"key\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn entries(server: &RedisServer, key: &str) -> Vec<(String, String)> {
    redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES").query(&mut server.connection()).unwrap()
}

#[tokio::test]
async fn many_retries_are_shown_as_few_errors_and_few_as_jobs() {
    let shop = Shop::with(30, 4);
    let errors = page(&shop.dashboard, "/retries").await;
    assert!(errors.contains("34 retries") && errors.contains("2 errors"), "{errors}");
    assert!(errors.contains("Http::Status: # away") && errors.contains("Retry 30…"));

    let jobs = page(&shop.dashboard, "/retries?view=jobs").await;
    assert_eq!(boxes(&jobs).len(), 34);
    assert!(jobs.contains("Http::Status: 500 away") && jobs.contains("tenant-7"));
    let dead = page(&shop.dashboard, "/dead").await;
    assert!(boxes(&dead).len() == 1 && !dead.contains("Reschedule") && !dead.contains(">Kill"), "{dead}");
    assert!(page(&shop.dashboard, "/scheduled").await.contains("Scheduled: none."));
    let moved = get(&shop.dashboard, "/morgue").await;
    assert_eq!((moved.status, moved.header("location")), (StatusCode::SEE_OTHER, "./dead"));
}

#[tokio::test]
async fn pages_lead_on_and_back_and_say_how_many_match() {
    let shop = Shop::with(120, 3);
    let link = |page: &str, rel: &str| {
        let rest = page.split(&format!("rel=\"{rel}\" href=\".")).nth(1)?;
        Some(rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"))
    };
    let first = page(&shop.dashboard, "/retries?view=jobs").await;
    let second = page(&shop.dashboard, &link(&first, "next").unwrap()).await;
    let third = page(&shop.dashboard, &link(&second, "next").unwrap()).await;
    let each = [&first, &second, &third].map(|page| boxes(page).len());
    assert_eq!((each, link(&third, "next"), link(&first, "prev")), ([50, 50, 23], None, None));
    assert_eq!(boxes(&page(&shop.dashboard, &link(&third, "prev").unwrap()).await), boxes(&second));

    let some = page(&shop.dashboard, "/retries?view=jobs&q=class%3ASendMail").await;
    assert!(some.contains("3 of 123 match") && some.contains("all 3 that match"), "{some}");
    let none = page(&shop.dashboard, "/retries?q=class%3ANone").await;
    assert!(none.contains("0 of 123 match") && !none.contains("name=\"all\""), "{none}");
    // Sidekiq's addresses.
    let old = page(&shop.dashboard, "/retries?substr=SendMail&page=1&count=2").await;
    assert_eq!(boxes(&old).len(), 2, "{old}");
}

#[tokio::test]
async fn acting_on_all_that_match_leaves_the_rest_alone() {
    let shop = Shop::with(359, 6);
    let preview = shop.preview("all=delete&q=class%3ASendMail&return=retries%3Fview%3Djobs").await;
    assert!(preview.text.contains("Delete: 6 jobs of retries?"), "{}", preview.text);
    assert!(preview.text.contains("can be taken back for ten minutes"));
    assert_eq!(shop.retries().await, 365, "a question changes nothing");
    let before = entries(&shop.server, "retry");

    // One fails meanwhile.
    let mut late: serde_json::Value = serde_json::from_str(&failed("SendMail", 2000, "refused")).unwrap();
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() + 5.0;
    late["retried_at"] = soon.into();
    add(&shop.server, "retry", 2000, &late.to_string());
    let answer = shop.apply(&preview, "").await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "../retries?view=jobs"),
        "{answer:?}"
    );
    let said = answer.header("set-cookie").to_owned();
    assert!(said.contains("Deleted%206."), "{said}");
    assert_eq!(shop.retries().await, 360);
    let again = shop.apply(&preview, "").await;
    assert!(again.header("location").contains("operations/"), "the same form begins nothing: {again:?}");
    assert_eq!(shop.retries().await, 360);

    let [operation] = &shop.inspector().operations(9).await.unwrap()[..] else { panic!("one") };
    assert_eq!(
        (operation.outcome.done, &operation.state, &*operation.target),
        (6, &OperationState::Done, "class:SendMail")
    );
    let list = page(&shop.dashboard, "/operations").await;
    assert!(list.contains("Undo 6") && list.contains("class:SendMail"), "{list}");
    let undone = post(&shop.dashboard, &format!("/operations/{}/undo", operation.id), "return=operations").await;
    assert!(undone.header("set-cookie").contains("Taken%20back%3A%206%20jobs"), "{undone:?}");
    redis::cmd("ZREM").arg("retry").arg(late.to_string()).exec(&mut shop.server.connection()).unwrap();
    assert_eq!(entries(&shop.server, "retry"), before, "every byte and every time");
    let twice = post(&shop.dashboard, &format!("/operations/{}/undo", operation.id), "return=operations").await;
    assert!(twice.header("set-cookie").contains("taken%20back%20already"), "{twice:?}");
    let one = page(&shop.dashboard, &format!("/operations/{}", operation.id)).await;
    assert!(one.contains("6 put back by somebody"), "{one}");
}

#[tokio::test]
async fn two_operators_with_the_same_question_do_each_job_once() {
    let shop = Shop::with(200, 3);
    let fields = "all=retry&q=class%3AChargeCard&return=retries";
    let (one, other) = tokio::join!(shop.preview(fields), shop.preview(fields));
    let (one, other) = tokio::join!(shop.apply(&one, ""), shop.apply(&other, ""));
    assert_eq!([one.status, other.status], [StatusCode::SEE_OTHER; 2]);

    let done: usize =
        shop.inspector().operations(9).await.unwrap().iter().map(|operation| operation.outcome.done).sum();
    assert_eq!((done, shop.retries().await), (200, 3));
    assert_eq!(shop.inspector().stats().await.unwrap().enqueued, 200);
}

#[tokio::test]
async fn ticked_jobs_are_retried_at_once_and_anything_else_asks() {
    let shop = Shop::with(5, 0);
    let keys = boxes(&page(&shop.dashboard, "/retries").await);
    let ticked = |keys: &[String]| keys.iter().map(|key| format!("&key={key}")).collect::<String>();

    let retried = shop.preview(&format!("ticked=retry&return=retries{}", ticked(&keys[..2]))).await;
    assert_eq!((retried.status, retried.header("location")), (StatusCode::SEE_OTHER, "../retries"));
    assert!(retried.header("set-cookie").contains("Retried%202."), "{retried:?}");
    assert_eq!(shop.retries().await, 3);

    let asked = shop.preview(&format!("ticked=kill&return=retries{}", ticked(&keys))).await;
    assert!(asked.text.contains("Kill: 3 jobs of retries?") && asked.text.contains("2 of the ticked are gone already"));
    assert_eq!(shop.retries().await, 3);
    shop.apply(&asked, "reason=why+not").await;
    assert_eq!((shop.retries().await, shop.inspector().stats().await.unwrap().dead), (0, 4));
    assert_eq!(shop.inspector().operations(1).await.unwrap()[0].by.reason(), "why not");

    let gone = shop.preview(&format!("ticked=retry&return=retries{}", ticked(&keys))).await;
    assert!(gone.header("set-cookie").contains("are%20gone%20already"), "{gone:?}");
    let nothing = shop.preview("ticked=retry&return=retries").await;
    assert!(nothing.header("set-cookie").contains("Nothing%20was%20ticked"), "{nothing:?}");
}

#[tokio::test]
async fn many_deletions_have_to_be_typed_unless_only_the_first_are_meant() {
    let shop = Shop::with(40, 0);
    let preview = shop.preview("all=delete&return=retries").await;
    assert!(
        preview.text.contains("Type <strong>40</strong>") && preview.text.contains("All of them"),
        "{}",
        preview.text
    );
    for wrong in ["", "typed=39", "take=all&typed=", "take=ten&typed=x&expected=4000000000&take=all"] {
        let refused = shop.apply(&preview, wrong).await;
        assert!(wrong.starts_with("take=ten") || refused.status == StatusCode::BAD_REQUEST, "{wrong}: {refused:?}");
    }
    assert_eq!(shop.retries().await, 30, "the first ten need no number");

    let preview = shop.preview("all=delete&return=retries").await;
    shop.apply(&preview, "typed=30").await;
    assert_eq!(shop.retries().await, 0);
}

#[tokio::test]
async fn jobs_are_put_off_and_moved() {
    let shop = Shop::with(3, 0);
    let preview = shop.preview("all=reschedule&return=retries").await;
    assert!(preview.text.contains("Due in"), "{}", preview.text);
    for wrong in ["in=never", "in=", "in=9999d", "in=-1h"] {
        assert_eq!(shop.apply(&preview, wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    shop.apply(&preview, "in=2h").await;
    let first = shop.inspector().set(JobSet::Retry, 0, 1).await.unwrap();
    let away = first[0].at.unwrap().since(shop.inspector().now()).as_secs();
    assert!((7000..=7200).contains(&away), "{away}");

    shop.preview("all=retry&return=retries").await;
    let preview = shop.preview("all=retry&return=retries").await;
    shop.apply(&preview, "").await;
    let preview = post(&shop.dashboard, "/queues/shop/preview", "all=move&return=queues").await;
    assert!(preview.text.contains("Move: 3 jobs of queue shop?"), "{}", preview.text);
    let moved = post(&shop.dashboard, "/queues/shop/apply", &format!("{}queue=slow", form(&preview.text))).await;
    assert_eq!(moved.status, StatusCode::SEE_OTHER, "{moved:?}");
    let sizes: Vec<_> =
        shop.inspector().queues().await.unwrap().into_iter().map(|queue| (queue.name, queue.size)).collect();
    assert!(sizes.contains(&("slow".to_owned(), 3)), "{sizes:?}");
}

#[tokio::test]
async fn hostile_filters_cursors_and_forms_get_a_plain_answer() {
    let shop = Shop::with(30, 0);
    for path in [
        "/retries?q=quue%3Ax",
        "/retries?q=%22open",
        "/retries?view=jobs&after=1",
        "/retries?view=jobs&before=-..-",
        "/dead?q=group%3A%3Cscript%3E%20age%3A%3E1y",
    ] {
        let answer = get(&shop.dashboard, path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(!answer.text.contains("<script>") && answer.header("content-type").starts_with("text/html"), "{path}");
    }
    assert!(get(&shop.dashboard, "/retries?q=quue%3Ax").await.text.contains("did you mean queue?"));
    let long = format!("/retries?q={}", "x".repeat(257));
    assert!(get(&shop.dashboard, &long).await.text.contains("longer than 256 bytes"));
    for path in [
        "/retries?count=0",
        "/retries?count=99999999999999",
        "/retries?page=-1",
        "/retries?sort=%00&dir=%FF&look=x&view=%3C",
        "/retries?view=jobs&after=9223372036854775807-00c0ffee00c0ffee.99999999999",
        "/retries?view=jobs&before=-9223372036854775808-00c0ffee00c0ffee.0",
        "/scheduled?q=-",
        "/retries?q=since%3Adeploy",
    ] {
        assert_eq!(get(&shop.dashboard, path).await.status, StatusCode::OK, "{path}");
    }
    for id in ["x", "..%2Fretries", "000000000000000000000000", "%00", &"a".repeat(5000)] {
        assert_eq!(get(&shop.dashboard, &format!("/operations/{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
        for act in ["undo", "stop"] {
            let answer = post(&shop.dashboard, &format!("/operations/{id}/{act}"), "").await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
        }
    }
    let before = snapshot(&shop.server);
    let many: String = (0..101).map(|_| "&key=1-00c0ffee00c0ffee").collect();
    for fields in [
        "",
        "all=explode",
        "all=",
        "ticked=retry&key=%3Cscript%3E",
        &format!("ticked=kill{many}"),
        "all=retry&q=quue%3Ax",
        "all=move",
        "all=run-next",
    ] {
        let answer = shop.preview(fields).await;
        assert!(
            answer.status == StatusCode::BAD_REQUEST || fields.starts_with("all=move") || fields.starts_with("all=run"),
            "{fields}: {answer:?}"
        );
    }
    for fields in [
        "",
        "verb=retry",
        "verb=retry&id=x&expected=1&as_of=1",
        "verb=retry&id=000000000000000000000000&expected=-1&as_of=1",
        "verb=move&queue=x&id=000000000000000000000000&expected=1&as_of=1",
        "verb=explode",
        "verb=retry&id=000000000000000000000000&expected=1&as_of=99999999999999999999",
        "verb=delete&id=000000000000000000000000&expected=99&as_of=1",
    ] {
        assert_eq!(post(&shop.dashboard, "/retries/apply", fields).await.status, StatusCode::BAD_REQUEST, "{fields}");
    }
    assert_unchanged(&shop.server, &before);
}

#[tokio::test]
async fn what_is_masked_is_neither_shown_nor_found() {
    let shop = Shop::with(3, 0);
    let jobs = page(&shop.dashboard, "/retries?view=jobs").await;
    assert!(jobs.contains("•••") && !jobs.contains("hunter2"));
    for word in ["hunter2", "hunter", "args%3Ahunter2", "args.1.password%3Ahunter2"] {
        let found = page(&shop.dashboard, &format!("/retries?view=jobs&q={word}")).await;
        assert!(boxes(&found).is_empty() && found.contains("0 of 3 match"), "{word}: {found}");
        let preview = shop.preview(&format!("all=delete&q={word}&return=retries")).await;
        assert!(preview.header("set-cookie").contains("Nothing%20matches"), "{word}: {preview:?}");
    }
    assert_eq!(shop.retries().await, 3);
}

#[tokio::test]
async fn whoever_may_not_act_sees_no_button_and_is_refused() {
    let shop = Shop::with(3, 0);
    let note = shop.inspector().note(By::new("ann"), "pause", None, "mail", 1).await.unwrap();
    let before = snapshot(&shop.server);
    let read_only = Dashboard::new(&shop.client, Auth::public_i_understand().read_only()).router();
    let no_delete = Auth::public_i_understand().permit(|_, verb| !matches!(verb, Verb::Delete | Verb::Undo));
    let no_delete = Dashboard::new(&shop.client, no_delete).router();

    let shown = page(&read_only, "/retries?view=jobs").await;
    assert!(shown.contains("ChargeCard") && !shown.contains("/preview") && boxes(&shown).is_empty(), "{shown}");
    for (dashboard, verb, operation) in [(&read_only, "retry", "stop"), (&no_delete, "delete", "undo")] {
        for path in ["/retries/preview", "/retries/apply", "/dead/apply", "/queues/shop/apply"] {
            let fields = format!("all={verb}&verb={verb}&id=000000000000000000000000&expected=1&as_of=1");
            assert_eq!(post(dashboard, path, &fields).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        let path = format!("/operations/{note}/{operation}");
        assert_eq!(post(dashboard, &path, "").await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let shown = page(&no_delete, "/retries?view=jobs").await;
    assert!(shown.contains("value=\"retry\"") && !shown.contains("value=\"delete\""), "{shown}");
    assert_unchanged(&shop.server, &before);
}

#[tokio::test]
async fn a_list_of_the_wrong_type_is_a_page_that_says_so() {
    let shop = Shop::with(0, 0);
    redis::cmd("SET").arg("retry").arg("text").exec(&mut shop.server.connection()).unwrap();
    for path in ["/retries", "/retries?view=jobs&q=x", "/retries?view=errors"] {
        let answer = get(&shop.dashboard, path).await;
        assert!(
            [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
    }
    redis::cmd("DEL").arg("retry").exec(&mut shop.server.connection()).unwrap();
    // Another program's, for a store that has failed is not asked again at once.
    let dashboard = public(&shop.client);
    redis::cmd("SET").arg("kiq:ops").arg("text").exec(&mut shop.server.connection()).unwrap();
    assert_eq!(get(&dashboard, "/operations").await.status, StatusCode::SERVICE_UNAVAILABLE);
    redis::cmd("DEL").arg("kiq:ops").exec(&mut shop.server.connection()).unwrap();
    redis::cmd("ZADD").arg("kiq:ops").arg(1).arg("\"><script>").exec(&mut shop.server.connection()).unwrap();
    redis::cmd("HSET").arg("kiq:op:\"><script>").arg("record").arg("{}").exec(&mut shop.server.connection()).unwrap();
    assert!(!page(&dashboard, "/operations").await.contains("<script>"));
}

#[tokio::test]
async fn a_page_costs_the_same_with_ten_jobs_and_with_ten_thousand() {
    for jobs in [30, 10_000] {
        let shop = Shop::with(0, 0);
        let fill = "for i = 1, tonumber(ARGV[1]) do redis.call('ZADD', 'dead', 1790000000 + i, \
                    '{\"class\":\"A\",\"args\":[' .. i .. '],\"jid\":\"' .. i .. '\",\"queue\":\"q\"}') end";
        redis::cmd("EVAL").arg(fill).arg(0).arg(jobs).exec(&mut shop.server.connection()).unwrap();
        // The sample of all pages is read once before.
        page(&shop.dashboard, "/help").await;
        page(&shop.dashboard, "/dead").await;
        for (path, most) in
            [("/dead?view=jobs", 1), ("/dead?view=errors", 3), ("/dead?view=jobs&q=class%3AB", 45), ("/operations", 1)]
        {
            let sent = commands(&shop.server, || async { drop(page(&shop.dashboard, path).await) }).await;
            // Where the sample was renewed meanwhile, its commands are there as well.
            assert!(sent.get("zrange").copied().unwrap_or_default() <= most, "{jobs} {path}: {sent:?}");
            for never in ["keys", "zscan", "scan", "lrange", "zrangebyscore"] {
                assert!(!sent.contains_key(never), "{jobs} {path}: {sent:?}");
            }
        }
    }
}
