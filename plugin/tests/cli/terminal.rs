//! A terminal: what is typed on it, and what a person sees there.

use std::{
    io::{Read, Write},
    num::NonZero,
    os::unix::process::ExitStatusExt,
    process::Child,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use pty_process::{
    Size,
    blocking::{Command, Pty, open},
};

use crate::{
    fake::Api,
    run::{binary, kubeconfig},
};

/// Lines and columns of a terminal as it is opened.
pub const USUAL: (u16, u16) = (24, 80);
/// Ctrl-C, as the keyboard sends it.
pub const CTRL_C: &str = "\x03";
/// Ctrl-D: the end of what is typed.
pub const CTRL_D: &str = "\x04";
/// The signal that Ctrl-C sends.
pub const SIGINT: i32 = 2;
/// Deadline of expected output.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal in which one command runs.
pub struct Terminal {
    keyboard: Arc<Pty>,
    child: Child,
    screen: Arc<Screen>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Default)]
struct Shown {
    picture: vt100::Parser,
    bytes: Vec<u8>,
    /// Whether nothing more comes.
    ended: bool,
}

impl Terminal {
    /// Runs a command against `api` on a terminal of some lines and columns, with more in its environment.
    pub fn open(
        api: &Api,
        arguments: &[&str],
        (lines, columns): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Self {
        let (keyboard, terminal) = open().unwrap();
        keyboard.resize(Size::new(lines, columns)).unwrap();
        let plain = binary(arguments);
        let set = plain
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        let child = Command::new(plain.get_program())
            .args(plain.get_args())
            .env_clear()
            .envs(set)
            .env("TERM", "xterm-256color")
            .env("KUBECONFIG", kubeconfig(&api.address.to_string()))
            .envs(environment.iter().copied())
            .spawn(terminal)
            .unwrap();
        let keyboard = Arc::new(keyboard);
        let screen = Arc::new(Screen::default());
        screen.resize(lines, columns);
        let (from, to) = (keyboard.clone(), screen.clone());
        let reader = thread::spawn(move || to.follow(&from));
        Self {
            keyboard,
            child,
            screen,
            reader,
        }
    }

    /// The screen, as soon as it is as it is awaited.
    pub fn see(&self, awaited: impl Fn(&str) -> bool) -> String {
        let shown = self.screen.shown.lock().unwrap();
        let not_yet =
            |shown: &mut Shown| (shown.updating() || !awaited(&shown.text())) && !shown.ended;
        let (shown, _) = self
            .screen
            .changed
            .wait_timeout_while(shown, PATIENCE, not_yet)
            .unwrap();
        let text = shown.text();
        assert!(awaited(&text), "this is on the screen instead:\n{text}");
        text
    }

    /// The screen, as soon as `text` stands there.
    pub fn see_text(&self, text: &str) -> String {
        self.see(|screen| screen.contains(text))
    }

    /// Types on the keyboard.
    pub fn types(&self, keys: &str) {
        (&*self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    /// Makes the terminal another size, as pulling at its window does.
    pub fn resize(&self, lines: u16, columns: u16) {
        self.screen.resize(lines, columns);
        self.keyboard.resize(Size::new(lines, columns)).unwrap();
    }

    /// The screen after the end of the command, and how it ended.
    pub fn end(self) -> End {
        let Self {
            keyboard,
            mut child,
            screen,
            reader,
        } = self;
        let shown = screen.shown.lock().unwrap();
        let goes_on = |shown: &mut Shown| !shown.ended;
        let (shown, waited) = screen
            .changed
            .wait_timeout_while(shown, PATIENCE, goes_on)
            .unwrap();
        drop(shown);
        if waited.timed_out() {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        reader.join().unwrap();
        drop(keyboard);
        let shown = screen.shown.lock().unwrap();
        assert!(!waited.timed_out(), "it does not end: {}", shown.text());
        End {
            screen: shown.text(),
            bytes: String::from_utf8_lossy(&shown.bytes).into_owned(),
            code: status.code(),
            signal: status.signal(),
        }
    }
}

/// How a command ended.
pub struct End {
    /// The screen.
    pub screen: String,
    /// All that was ever sent to it.
    pub bytes: String,
    /// The exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Screen {
    /// Shows what comes until the last program that has the terminal is gone.
    fn follow(&self, mut from: &Pty) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let mut shown = self.shown.lock().unwrap();
            shown.bytes.extend(&buffer[..read]);
            shown.picture.process(&buffer[..read]);
            self.changed.notify_all();
        }
        self.shown.lock().unwrap().ended = true;
        self.changed.notify_all();
    }

    fn resize(&self, lines: u16, columns: u16) {
        let mut shown = self.shown.lock().unwrap();
        let [lines, columns] = [lines, columns].map(|size| NonZero::new(size).unwrap());
        shown.picture.screen_mut().set_size(lines, columns);
    }
}

impl Shown {
    /// Whether the rest of a repaint is still to come.
    fn updating(&self) -> bool {
        let last = |mark: &[u8]| self.bytes.windows(mark.len()).rposition(|at| at == mark);
        last(b"\x1b[?2026h") > last(b"\x1b[?2026l")
    }

    /// The lines without what is blank at their ends.
    fn text(&self) -> String {
        let screen = self.picture.screen();
        let (_, columns) = screen.size();
        let lines: Vec<String> = screen
            .rows(0, columns.get())
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.join("\n").trim_end().to_owned()
    }
}
