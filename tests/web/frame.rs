//! What all pages have: links from wherever they are mounted, headers, faults.

use axum::Router;
use axum::http::StatusCode;
use kiq::Client;

use crate::asking::{get, page, public};

#[tokio::test]
async fn links_lead_to_the_dashboard_wherever_it_is_mounted() {
    let client = Client::in_memory();

    let alone = public(&client);
    assert!(page(&alone, "/").await.contains(r#"href="./queues""#));
    assert!(page(&alone, "/help").await.contains(r#"href="./queues""#));

    for nested in
        [Router::new().nest("/ops/kiq", public(&client)), Router::new().nest_service("/ops/kiq", public(&client))]
    {
        assert!(page(&nested, "/ops/kiq").await.contains(r#"href="kiq/queues""#));
        assert!(page(&nested, "/ops/kiq").await.contains(r#"href="kiq/../kiq""#));
        assert!(page(&nested, "/ops/kiq/help").await.contains(r#"href="./../kiq""#));
        assert!(page(&nested, "/ops/kiq/help").await.contains(r#"href="./queues""#));
        let below = get(&nested, "/ops/kiq/queues/none").await;
        assert_eq!(below.status, StatusCode::NOT_FOUND);
        assert!(below.text.contains(r#"href="../queues""#), "{}", below.text);
    }

    let with_slash = Router::new().nest_service("/kiq", public(&client));
    assert!(page(&with_slash, "/kiq/").await.contains(r#"href="./queues""#));
}

#[tokio::test]
async fn addresses_of_sidekiq_lead_on() {
    let dashboard = public(&Client::in_memory());
    for (from, to) in [
        ("/morgue", "./dead"),
        ("/morgue?page=2", "./dead?page=2"),
        ("/morgue/1795451848.5-b0db36cee8fd", "../jobs/b0db36cee8fd?in=dead&at=1795451848.5"),
        ("/retries/1795451848.306823-b0db36cee8fd", "../jobs/b0db36cee8fd?in=retries&at=1795451848.306823"),
        ("/scheduled/1795451848-b0db-36ce", "../jobs/b0db-36ce?in=scheduled&at=1795451848"),
    ] {
        let answer = get(&dashboard, from).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, to), "{from}");
    }
    assert_eq!(get(&dashboard, "/morgue/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_search_leads_to_a_job_or_tells_where_a_filter_holds() {
    let client = Client::in_memory();
    for number in 1..=8 {
        client.push(crate::asking::job("SendMail", "mail", number), None).await.unwrap();
    }
    let dashboard = public(&client);

    let by_id = get(&dashboard, "/search?q=b0db36cee8fd9f6f1ad4e05f").await;
    assert_eq!((by_id.status, by_id.header("location")), (StatusCode::SEE_OTHER, "./jobs/b0db36cee8fd9f6f1ad4e05f"));
    let by_class = page(&dashboard, "/search?q=class%3ASendMail+-args%3A8").await;
    assert!(by_class.contains("7 in queue mail"), "{by_class}");
    assert!(page(&dashboard, "/search?q=class%3AOther").await.contains("Nothing of 8 waiting jobs matches"));
    assert!(page(&dashboard, "/search?q=clas%3AX").await.contains("did you mean class?"));
    assert!(page(&dashboard, "/search").await.contains("The id of a job"));
}
