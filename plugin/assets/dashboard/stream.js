// The stream of this page. It reconnects by itself, and says what is wrong meanwhile. Nothing that a server says is shown, or
// even read, before the server has proved to be that of the link: when the command has ended, the port is free for others.

const QUIET = 25_000; // The plugin says that it is alive every 10 s.
const PAUSES = [500, 1000, 2000, 5000];

const SILENT = "The dashboard does not answer: did kubectl casskop dashboard end?";
const UNKNOWN = "This link is not that of the running dashboard: open the link that kubectl casskop dashboard printed last.";
const FULL = "Too many pages are open: close some of them.";
const STRANGER = "Another program answers at this address: kubectl casskop dashboard has ended. Close this page, and do not reload it.";
const GARBLED = "The dashboard sent what this page does not understand: reload the page.";

/**
 * The two secrets of the link: the token, which the page sends, and the proof, which the server sends. They leave the address
 * at once, and are kept for this tab and this origin only. None without a token.
 */
export function secrets() {
  if (location.hash.startsWith("#token=")) {
    sessionStorage.setItem("token", location.hash.slice("#token=".length));
    history.replaceState(null, "", location.pathname);
  }
  const [token, proof] = (sessionStorage.getItem("token") ?? "").split(".");
  return token ? { token, proof } : null;
}

/**
 * Opens the stream for a cluster. `on` has `data(message)`, `alive()`, `lost(why)` and `refused(why)`, after which there is no
 * other attempt. Returns what closes it.
 */
export function open(secrets, cluster, on) {
  const stop = new AbortController();
  // A page that cannot be drawn does not end the stream, and the stream does not take it for its own failure.
  const tell = (what, word) => {
    try {
      if (!stop.signal.aborted) on[what](word);
    } catch (error) {
      reportError(error);
    }
  };
  follow(secrets, cluster, tell, stop);
  return () => stop.abort();
}

async function follow(secrets, cluster, tell, stop) {
  for (let attempt = 0; !stop.signal.aborted; attempt += 1) {
    const connection = new AbortController();
    const end = () => connection.abort();
    stop.signal.addEventListener("abort", end);
    let watchdog = setTimeout(end, QUIET);
    let why = SILENT;
    let isFinal = false;
    try {
      const query = cluster ? `?cluster=${cluster}` : "";
      const response = await fetch(`/events${query}`, {
        headers: { Authorization: `Bearer ${secrets.token}` },
        cache: "no-store",
        redirect: "error",
        signal: connection.signal,
      });
      if (response.status === 503) why = FULL;
      else if (!response.ok) [why, isFinal] = [response.status === 403 ? UNKNOWN : `The dashboard refuses this page (${response.status}).`, true];
      else {
        let isProved = false;
        for await (const text of messages(response.body)) {
          clearTimeout(watchdog);
          watchdog = setTimeout(end, QUIET);
          const message = parsed(text);
          if (!isProved) {
            isProved = Boolean(secrets.proof) && message?.proof === secrets.proof;
            if (isProved) continue;
            [why, isFinal] = [STRANGER, true];
            break;
          }
          attempt = 0;
          if (text === "") tell("alive");
          else if (message?.view) tell("data", message);
          else {
            why = GARBLED;
            break;
          }
        }
      }
    } catch {
      // The connection is lost, or was silent for too long.
    } finally {
      clearTimeout(watchdog);
      stop.signal.removeEventListener("abort", end);
      end();
    }
    tell(isFinal ? "refused" : "lost", why);
    if (isFinal) return;
    await new Promise((done) => setTimeout(done, PAUSES[Math.min(attempt, PAUSES.length - 1)]));
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The data of server-sent events; empty text for a comment, which only says that the stream is alive. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) yield event.startsWith("data: ") ? event.slice("data: ".length) : "";
  }
}
