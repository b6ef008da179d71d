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
