//! Chromium without a window, driven over a pipe: messages of `DevTools`, each with a NUL behind it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::run::file;

/// Deadline of what a page shows.
const PATIENCE: Duration = Duration::from_secs(60);

/// The requests that the browser has blocked.
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
    messages: Receiver<Vec<u8>>,
    number: u64,
    session: Option<String>,
    /// Its folder and its pipes.
    files: [PathBuf; 3],
    /// Everything that the browser has told by itself.
    pub events: Vec<Value>,
}

impl Chromium {
    /// The program is that in the environment, `CHROMIUM`.
    pub fn start() -> Self {
        let program = std::env::var("CHROMIUM").unwrap();
        let profile = file("").with_extension("profile");
        // Another process of the same id may have left them.
        let files = ["profile", "in", "out"].map(|name| profile.with_extension(name));
        remove(&files);
        let [_, input, output] = files.clone().map(|path| {
            if path == profile {
                return path;
            }
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            path
        });
        // The shell opens what Chromium has as its descriptors 3 and 4. No name but this machine resolves.
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec "$@" 3<"$INPUT" 4>"$OUTPUT""#, "sh", &program])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-proxy-server",
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
            .stderr(Stdio::null());
        // Its sandbox is not for the administrator.
        let user = Command::new("id").arg("-u").output().unwrap().stdout;
        if user.trim_ascii() == b"0" {
            command.arg("--no-sandbox");
        }
        let child = command.spawn().unwrap();
        let commands = File::options().write(true).open(&input).unwrap();
        let mut output = BufReader::new(File::open(&output).unwrap());
        let (sender, messages) = mpsc::channel();
        // It ends with Chromium, or with the test.
        thread::spawn(move || {
            let mut text = Vec::new();
            while output.read_until(0, &mut text).is_ok() && text.pop() == Some(0) {
                if sender.send(std::mem::take(&mut text)).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            commands,
            messages,
            number: 0,
            session: None,
            files,
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

    /// Another tab that was opened before; it becomes the visible one.
    pub fn session(&mut self, session: Option<String>) -> Option<String> {
        let before = std::mem::replace(&mut self.session, session);
        if self.session.is_some() {
            self.call("Page.bringToFront", &json!({}));
        }
        before
    }

    pub fn go(&mut self, address: &str) {
        self.call("Page.navigate", &json!({ "url": address }));
    }

    /// The result of a method.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let mut answer = self.answer(method, parameters);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    fn answer(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        write!(self.commands, "{message}\0").unwrap();
        loop {
            let text = self.messages.recv_timeout(PATIENCE);
            let text = text.unwrap_or_else(|error| unreachable!("{method}: {error}"));
            let answer: Value = serde_json::from_slice(&text).unwrap();
            if answer["id"] == self.number {
                return answer;
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
        let asked = json!({ "expression": expression, "returnByValue": true });
        // A page that is loaded again meanwhile answers with an error.
        while self.answer("Runtime.evaluate", &asked)["result"]["result"]["value"] != true {
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

    /// Complaints of the browser, and requests to elsewhere than `own`.
    pub fn complaints(&mut self, own: &str) -> Vec<Value> {
        // Everything that was said before this answer has arrived by then.
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
        remove(&self.files);
    }
}

fn remove([profile, pipes @ ..]: &[PathBuf; 3]) {
    // Its processes may write for a moment when the first of them has ended.
    for _ in 0..20 {
        let _ = fs::remove_dir_all(profile);
        if !profile.exists() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    for pipe in pipes {
        let _ = fs::remove_file(pipe);
    }
}
