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
    /// What it told between the answers, since the page that is open was asked for.
    told: Vec<Value>,
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
        let mut browser =
            Browser { process, to, from, session: String::new(), next_id: 0, told: Vec::new(), _folder: folder };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Log", "Network", "Runtime"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
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
            self.told.push(message);
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
        // What it tells before is of the new page, but for the answer to what was asked.
        loop {
            let message = self.read();
            if message["method"] == "Page.loadEventFired" {
                return;
            }
            self.told.push(message);
        }
    }

    /// Opens a page, and waits until it is there.
    pub fn open(&mut self, url: &str) {
        self.told.clear();
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
        self.told.clear();
        self.wait_until_loaded();
    }
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub theme: Theme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
    /// The system's own few colours, as with Windows' contrast themes.
    Forced,
}

impl Browser {
    /// Changes the window and the theme, for the page that is open and those that follow.
    pub fn view(&mut self, view: View) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": false}),
        );
        let scheme = if view.theme == Theme::Dark { "dark" } else { "light" };
        let forced = if view.theme == Theme::Forced { "active" } else { "none" };
        let features =
            json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "forced-colors", "value": forced}]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Has the pages that are opened from now on run their scripts, or not.
    pub fn scripts(&mut self, on: bool) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({ "value": !on }));
    }

    /// What went wrong since the page was asked for: errors in the console, thrown or told (refusals by the policy for content
    /// among them), and requests that went elsewhere than to `origin`.
    pub fn faults(&mut self, origin: &str) -> Vec<String> {
        // What was told until now comes before this answer.
        self.evaluate("0");
        let fault = |message: &Value| {
            let params = &message["params"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match message["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" if params["type"] == "error" => Some(params["args"].to_string()),
                "Log.entryAdded" if params["entry"]["level"] == "error" => Some(text(&params["entry"]["text"])),
                "Network.requestWillBeSent" => {
                    let url = text(&params["request"]["url"]);
                    (!url.starts_with(origin) && !url.starts_with("data:")).then(|| format!("a request to {url}"))
                }
                _ => None,
            }
        };
        self.told.iter().filter_map(fault).collect()
    }

    /// Presses a key: one that writes a character, or `Enter`, `Tab`, `Escape`, `Space`.
    pub fn press(&mut self, key: &str) {
        let (name, text, code) = match key {
            "Enter" => ("Enter", "\r", 13),
            "Tab" => ("Tab", "", 9),
            "Escape" => ("Escape", "", 27),
            "Space" => (" ", " ", 32),
            other => (other, other, u32::from(other.to_ascii_uppercase().as_bytes()[0])),
        };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        self.ask(
            "Input.dispatchKeyEvent",
            json!({"type": kind, "key": name, "text": text, "windowsVirtualKeyCode": code}),
        );
        self.ask("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": name, "windowsVirtualKeyCode": code}));
    }

    /// The same, and waits for the page that follows.
    pub fn press_and_go(&mut self, key: &str) {
        self.told.clear();
        self.press(key);
        if !self.told.iter().any(|message| message["method"] == "Page.loadEventFired") {
            self.wait_until_loaded();
        }
    }

    /// Writes where the focus is.
    pub fn write(&mut self, text: &str) {
        self.ask("Input.insertText", json!({ "text": text }));
    }

    /// What is to be seen in the window, as a WebP file in Base64.
    pub fn picture(&mut self) -> String {
        let picture = self.ask("Page.captureScreenshot", json!({"format": "webp", "quality": 85}));
        picture["data"].as_str().unwrap().to_owned()
    }

    /// Returns when an expression of JavaScript is true.
    pub fn until(&mut self, expression: &str) {
        // The page itself waits, and answers when it has come.
        let wait = format!(
            "new Promise((come, never) => {{ const over = Date.now() + 30000; const look = () => {{ if ({expression}) come(true); \
             else if (Date.now() > over) never(new Error('not within 30 s')); else setTimeout(look, 20); }}; look(); }})"
        );
        let answer =
            self.ask("Runtime.evaluate", json!({"expression": wait, "awaitPromise": true, "returnByValue": true}));
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
