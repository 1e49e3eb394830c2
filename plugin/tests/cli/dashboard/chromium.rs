//! Chromium without a window, driven over a pipe: messages of `DevTools`, each with a NUL behind it.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::run::file;

/// Deadline of what a page shows.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the browser has blocked.
const OF_SECURITY: [&str; 4] = [
    "ContentSecurityPolicyIssue",
    "CorsIssue",
    "MixedContentIssue",
    "BlockedByResponseIssue",
];

/// A browser; it ends with the test.
pub struct Chromium {
    child: Child,
    commands: File,
    messages: BufReader<File>,
    number: u64,
    session: Option<String>,
    /// Everything that the browser has told by itself.
    pub events: Vec<Value>,
}

impl Chromium {
    /// The program is that in the environment, `CHROMIUM`.
    pub fn start() -> Self {
        let program = std::env::var("CHROMIUM").unwrap();
        let profile = file("").with_extension("profile");
        let [input, output] = ["in", "out"].map(|name| {
            let path: PathBuf = profile.with_extension(name);
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            path
        });
        // The shell opens what Chromium has as its descriptors 3 and 4. No name but this machine resolves.
        let child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<"$INPUT" 4>"$OUTPUT""#, "sh", &program])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .env("INPUT", &input)
            .env("OUTPUT", &output)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = File::options().write(true).open(&input).unwrap();
        let messages = BufReader::new(File::open(&output).unwrap());
        Self {
            child,
            commands,
            messages,
            number: 0,
            session: None,
            events: Vec::new(),
        }
    }

    /// Opens an empty tab; what follows is about it.
    pub fn tab(&mut self) {
        self.session = None;
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", &attach);
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in [
            "Page",
            "Runtime",
            "Log",
            "Audits",
            "Network",
            "Accessibility",
        ] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Another tab that was opened before.
    pub fn session(&mut self, session: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.session, session)
    }

    pub fn go(&mut self, address: &str) {
        self.call("Page.navigate", &json!({ "url": address }));
    }

    /// The result of a method.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        write!(self.commands, "{message}\0").unwrap();
        loop {
            let mut text = Vec::new();
            self.messages.read_until(0, &mut text).unwrap();
            assert_eq!(text.pop(), Some(0), "Chromium ended");
            let mut answer: Value = serde_json::from_slice(&text).unwrap();
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            if answer["id"].is_null() {
                self.events.push(answer);
            }
        }
    }

    /// The value of an expression on the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Waits until the page shows a text.
    pub fn see(&mut self, text: &str) {
        let expression = format!(
            "document.body?.innerText.includes({}) === true",
            json!(text)
        );
        self.wait(&expression);
    }

    /// Waits until an expression is true.
    pub fn wait(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != true {
            if begun.elapsed() > PATIENCE {
                let shown = self.value("document.body.innerText");
                unreachable!("not seen: {expression}\n{}", shown.as_str().unwrap());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            other => unreachable!("{other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut pressed =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                pressed["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &pressed);
        }
    }

    /// The window, and the colours that its person prefers.
    pub fn window(&mut self, width: u32, height: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// A picture as PNG, in Base64.
    pub fn picture(&mut self) -> String {
        let mut shot = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        shot["data"].take().as_str().unwrap().to_owned()
    }

    /// What the browser complains about, and requests to elsewhere than `own`.
    pub fn complaints(&mut self, own: &str) -> Vec<Value> {
        // Whatever was said before this answer has arrived by then.
        self.value("1");
        let of = |event: &Value| -> bool {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => true,
                "Audits.issueAdded" => OF_SECURITY
                    .iter()
                    .any(|code| params["issue"]["code"] == *code),
                "Runtime.consoleAPICalled" => params["type"] != "log",
                "Log.entryAdded" => params["entry"]["level"] == "error",
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    !url.starts_with(own)
                }
                _ => false,
            }
        };
        self.events
            .iter()
            .filter(|event| of(event))
            .cloned()
            .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
