//! A headless Chromium, driven by the DevTools protocol over a pipe: JSON messages that end with a zero byte. Nothing listens on
//! a port.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    session: String,
    next_id: u64,
    /// Its profile and its pipes.
    _folder: TempDir,
}

impl Browser {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let pipes = ["to", "from"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
        // The protocol reads from descriptor 3 and writes to 4, which only a shell can set up without unsafe code.
        let process = Command::new("sh")
            .args(["-c", r#"exec chromium "$@" 3<"$TO" 4>"$FROM""#, "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--remote-debugging-pipe", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("TO", &pipes[0])
            .env("FROM", &pipes[1])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In the order of the shell: each waits for the other end.
        let to = OpenOptions::new().write(true).open(&pipes[0]).unwrap();
        let from = BufReader::new(File::open(&pipes[1]).unwrap());
        let mut browser = Browser { process, to, from, session: String::new(), next_id: 0, _folder: folder };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        browser.ask("Page.enable", json!({}));
        browser
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        message.pop();
        serde_json::from_slice(&message).expect("chromium has ended (Debian: chromium; ./check installs it)")
    }

    /// Sends a command, and waits for its result.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        loop {
            let mut message = self.read();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        let mut message = json!({"id": self.next_id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.next_id
    }

    fn wait_until_loaded(&mut self) {
        while self.read()["method"] != "Page.loadEventFired" {}
    }

    /// Opens a page, and waits until it is there.
    pub fn open(&mut self, url: &str) {
        self.send("Page.navigate", json!({"url": url}));
        self.wait_until_loaded();
    }

    /// The value of an expression of JavaScript.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The page's text, as a reader sees it.
    pub fn text(&mut self) -> String {
        self.evaluate("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Clicks what the selector finds, says yes to whatever is asked, and waits for the page that follows.
    pub fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        let is_there = format!("window.confirm = () => true; document.querySelector({selector}) !== null");
        assert_eq!(
            self.evaluate(&is_there),
            true,
            "there is no {selector} in {}",
            self.evaluate("document.body.innerHTML")
        );
        self.send(
            "Runtime.evaluate",
            json!({"expression": format!("document.querySelector({selector}).click()"), "userGesture": true}),
        );
        self.wait_until_loaded();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
