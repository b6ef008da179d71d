//! Anything that serde can write and read, borrowed forms as their owned ones, and what a worker supplies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kiq::{Data, Job, JobContext};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Order<T> {
    id: u64,
    note: Option<T>,
}

type Pairs = Vec<(String, u32)>;

#[kiq::job]
#[allow(clippy::too_many_arguments)]
pub async fn take(
    id: u64,
    text: &str,
    list: &[u8],
    order: &Order<String>,
    owned: Order<Vec<u8>>,
    map: BTreeMap<String, Cow<'static, str>>,
    pairs: Pairs,
    array: [u8; 3],
    unit: (),
    #[arg(default = 7)] more: i128,
    last: Option<std::time::Duration>,
    db: &Data<u8>,
    cx: JobContext,
) {
    let _ = (id, text, list, order, owned, map, pairs, array, unit, more, last, db, cx);
}

fn main() {
    let order = Order { id: 1, note: Some("x".to_owned()) };
    let owned = Order { id: 2, note: None };
    let job = Take::new(1, "a", vec![2], order, owned, BTreeMap::new(), vec![], [1, 2, 3], (), 8, None);
    assert_eq!(
        job.to_args().unwrap().get(),
        r#"[1,"a",[2],{"id":1,"note":"x"},{"id":2,"note":null},{},[],[1,2,3],null,8,null]"#
    );
}
