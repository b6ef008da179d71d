//! What other programs may leave in Redis: markup in every field there is. It is shown as the text it is, or not at all.

use redis::Connection;
use serde_json::json;

use crate::seed::now;
use crate::site::Site;
use kiq_testing::RedisServer;

/// Each would add an element, an attribute or an address if it were not escaped where it is shown: all of them bear the word
/// `hostile`, which no page has by itself.
const CORPUS: &[&str] = &[
    "<script>hostile()</script>",
    "</script><script>hostile()</script>",
    "</title><script>hostile()</script>",
    "</textarea><script>hostile()</script>",
    "</style><script>hostile()</script>",
    "</noscript><img src=x onerror=hostile()>",
    "--><img src=x onerror=hostile()>",
    "<!--<img src='--><img src=x onerror=hostile()//'>",
    "]]><img src=x onerror=hostile()>",
    "<img src=x onerror=hostile()>",
    "<IMG SRC=x ONERROR=hostile()>",
    "<img/src=x/onerror=hostile()>",
    "<img src=x onerror=hostile()//",
    "<img src=x\u{b}onerror=hostile()>",
    "<svg onload=hostile()>",
    "<svg><script>hostile()</script></svg>",
    "<svg><animate onbegin=hostile() attributeName=x></svg>",
    "<math><mtext><img src=x onerror=hostile()></mtext></math>",
    "<body onload=hostile()>",
    "<iframe srcdoc='<script>hostile()</script>'></iframe>",
    "<iframe src=javascript:hostile()></iframe>",
    "<object data=javascript:hostile()></object>",
    "<embed src=javascript:hostile()>",
    "<form action=javascript:hostile()><button>hostile</button></form>",
    "<a href=javascript:hostile()>hostile</a>",
    "<base href=//hostile.test/>",
    "<meta http-equiv=refresh content='0;url=//hostile.test/'>",
    "<link rel=stylesheet href=//hostile.test/x.css>",
    "<style>@import '//hostile.test/x.css';</style>",
    "<details open ontoggle=hostile()>",
    "<input autofocus onfocus=hostile()>",
    "<video><source onerror=hostile()></video>",
    "<marquee onstart=hostile()>",
    "<template><script>hostile()</script></template>",
    "<x-hostile id=hostile>",
    "<b data-hostile>bold</b>",
    "\" autofocus onfocus=hostile() x=\"",
    "' autofocus onfocus=hostile() x='",
    "` autofocus onfocus=hostile() x=`",
    " autofocus onfocus=hostile() x=",
    "\"><b data-hostile>",
    "'><b data-hostile>",
    "\\\"><b data-hostile>",
    "javascript:hostile()",
    "JaVaScRiPt:hostile()",
    "java\tscript:hostile()",
    "data:text/html,<script>hostile()</script>",
    "//hostile.test/",
    "https://hostile.test/",
    "../../../hostile",
    "%3Cscript%3Ehostile()%3C/script%3E",
    "%22%3E%3Cb%20data-hostile%3E",
    "&lt;script&gt;hostile()&lt;/script&gt;",
    "&#60;b data-hostile&#62;",
    "\\u003cb data-hostile\\u003e",
    "{{hostile}}",
    "{% raw %}<b data-hostile>{% endraw %}",
    "${hostile()}",
    "<%= hostile() %>",
    "+ADw-script+AD4-hostile()+ADw-/script+AD4-",
    "\u{202e}<b data-hostile>\u{202c}",
    "\r\nSet-Cookie: hostile=1\r\n\r\n<b data-hostile>",
    "\0<b data-hostile>",
    "\u{1b}]0;hostile\u{7}<b data-hostile>",
    "',hostile(),'",
];

/// Every string in every field of every structure.
fn fill(redis: &mut Connection) {
    let now = now();
    let mut send = |words: &[&str]| redis::cmd(words[0]).arg(&words[1..]).exec(redis).unwrap();
    for (number, text) in CORPUS.iter().enumerate() {
        let job = json!({
            "class": text, "queue": text, "args": [text, {*text: text}], "jid": format!("{number}{text}"), "tags": [text, text],
            "created_at": now, "enqueued_at": now, "retry": true, "retry_count": 2, "failed_at": now - 60.0,
            "retried_at": now - 30.0, "error_class": text, "error_message": text, "error_backtrace": [text], "bid": text,
            "display_class": text, "wrapped": text, "locale": text, "cattr": {*text: text}, "meta": {"tenant": text},
            "retry_queue": text, "kiq_history": [{"at": now, "class": text, "message": text}], *text: text,
        })
        .to_string();
        send(&["SADD", "queues", text]);
        send(&["SADD", "paused", text]);
        send(&["LPUSH", &format!("queue:{text}"), &job, text]);
        let (later, before) = ((now + 60.0 + number as f64).to_string(), (now - 60.0 - number as f64).to_string());
        for (set, at) in [("retry", &later), ("schedule", &later), ("dead", &before)] {
            send(&["ZADD", set, at, &job, at, text]);
        }
        let identity = format!("{text}:{number}:abc");
        let info = json!({
            "hostname": text, "started_at": now - 10.0, "pid": number, "tag": text, "concurrency": 5, "queues": [text],
            "weights": [{*text: 1}], "capsules": {*text: {"concurrency": 5, "mode": text, "weights": {*text: 1}}},
            "labels": [text], "identity": identity, "version": text, "embedded": false,
        });
        send(&["SADD", "processes", &identity]);
        send(&["HSET", &identity, "info", &info.to_string(), "busy", "1", "beat", &now.to_string(), "quiet", text]);
        let work = json!({"queue": text, "run_at": now as u64, "payload": job}).to_string();
        send(&["HSET", &format!("{identity}:work"), text, &work]);
        let minute = jiff::Timestamp::from_second(now as i64 - 60).unwrap();
        let name = text.replace('|', "");
        let numbers = minute.strftime("j|%y%m%d|%-H:%M").to_string();
        send(&["HSET", &numbers, &format!("{name}|p"), "9", &format!("{name}|f"), "3", &format!("{name}|ms"), "900"]);
        let deploy = jiff::Timestamp::from_second((now as i64 / 60 - number as i64) * 60).unwrap();
        send(&["HSET", &deploy.strftime("%Y%m%d-marks").to_string(), &deploy.to_string(), text]);
    }
}

/// What of the corpus has become part of the page.
const LOOK: &str = r#"(() => {
  const faults = [], all = [...document.querySelectorAll("*")];
  for (const element of all) {
    if (element.tagName.toLowerCase().includes("hostile")) faults.push("an element: " + element.outerHTML.slice(0, 200));
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || name.includes("hostile")) faults.push(`an attribute ${name}: ` + element.outerHTML.slice(0, 200));
      if (["src", "href", "action", "formaction", "data", "srcdoc"].includes(name) && element.namespaceURI.endsWith("xhtml")) {
        if (value === "data:,") continue;
        const to = new URL(value, document.baseURI);
        if (to.origin !== location.origin || name === "srcdoc") faults.push(`${name} to ${to}: ` + element.outerHTML.slice(0, 200));
        if (!to.pathname.startsWith("/kiq")) faults.push(`${name} out of the dashboard: ` + element.outerHTML.slice(0, 200));
      }
    }
  }
  const kinds = new Set(["script", "style", "iframe", "object", "embed", "base", "video", "math", "marquee", "template"]);
  for (const element of all) {
    const kind = element.tagName.toLowerCase();
    const ours = kind === "script" && new URL(element.src).pathname.startsWith("/kiq/assets/");
    if (kinds.has(kind) && !ours) faults.push("an element: " + element.outerHTML.slice(0, 200));
  }
  return faults;
})()"#;

/// As a segment of a path, or a value of a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |url, byte| url + &format!("%{byte:02X}"))
}

/// W9: stored markup stays text on every page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_any_field_stays_text() {
    let server = RedisServer::start();
    fill(&mut server.connection());
    let site = Site::of(server, |dashboard| dashboard).await;
    let origin = site.origin.clone();

    let (visited, found) = site
        .with_browser(move |browser, url| {
            let mut pages: Vec<String> = crate::looking::pages();
            for (number, text) in CORPUS.iter().enumerate() {
                let text_in_url = encoded(text);
                pages.push(format!("/queues/{text_in_url}"));
                pages.push(format!("/metrics/{text_in_url}"));
                pages.push(format!("/jobs/{}", encoded(&format!("{number}{text}"))));
                pages.push(format!("/retries?q={text_in_url}"));
                pages.push(format!("/search?q={text_in_url}"));
            }
            let mut found = Vec::new();
            // What is looked for is seen where it is.
            browser.open(&format!("{url}/help"));
            for planted in [
                "<b data-hostile>x</b>",
                "<a href=//hostile.test/>x</a>",
                "<template></template>",
                "<p onclick=x>x</p>",
            ] {
                let markup = json!(planted);
                browser.evaluate(&format!("document.querySelector('main').insertAdjacentHTML('beforeend', {markup})"));
                assert_ne!(browser.evaluate(LOOK), json!([]), "{planted}");
                browser.evaluate("document.querySelector('main').lastElementChild.remove()");
                assert_eq!(browser.evaluate(LOOK), json!([]), "{planted}");
            }
            for page in &pages {
                browser.open(&format!("{url}{page}"));
                let faults = browser.evaluate(LOOK);
                let told = browser.faults(&origin);
                // A page that is not there is a page, too.
                let told = told.into_iter().filter(|fault| !fault.starts_with("Failed to load resource"));
                let looks = faults.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned());
                found.extend(told.chain(looks).map(|fault| format!("{page}: {fault}")));
                let text = browser.text();
                if text.contains("500") && text.contains("mistake in kiq-web") {
                    found.push(format!("{page}: {text}"));
                }
            }
            (pages.len(), found)
        })
        .await;

    assert!(found.is_empty(), "{} faults on {visited} pages:\n{}", found.len(), found.join("\n"));
}
