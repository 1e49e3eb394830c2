// The stream of this page. It reconnects by itself, and says what is wrong meanwhile.

const QUIET = 25_000; // The plugin says that it is alive every 10 s.
const PAUSES = [500, 1000, 2000, 5000];

/** The token of the link; it leaves the address at once, and is kept for this tab and this origin only. */
export function token() {
  if (location.hash.startsWith("#token=")) {
    sessionStorage.setItem("token", location.hash.slice("#token=".length));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token");
}

/**
 * Opens the stream for a cluster. `on` has `data(message)`, `alive()`, `lost(why)` and `refused(why)`, after which there is no
 * other attempt. Returns what closes it.
 */
export function open(secret, cluster, on) {
  const stop = new AbortController();
  follow(secret, cluster, on, stop);
  return () => stop.abort();
}

async function follow(secret, cluster, on, stop) {
  for (let attempt = 0; !stop.signal.aborted; attempt += 1) {
    const connection = new AbortController();
    const end = () => connection.abort();
    stop.signal.addEventListener("abort", end);
    let watchdog = setTimeout(end, QUIET);
    try {
      const query = cluster ? `?cluster=${cluster}` : "";
      const response = await fetch(`/events${query}`, {
        headers: { Authorization: `Bearer ${secret}` },
        cache: "no-store",
        signal: connection.signal,
      });
      if (!response.ok) {
        const why = (await response.text()).trim();
        if (response.status !== 503) return on.refused(why);
        on.lost(why);
      } else {
        for await (const message of messages(response.body)) {
          clearTimeout(watchdog);
          watchdog = setTimeout(end, QUIET);
          attempt = 0;
          if (stop.signal.aborted) return;
          if (message === "") on.alive();
          else on.data(JSON.parse(message));
        }
      }
    } catch (error) {
      if (!(error instanceof TypeError) && error.name !== "AbortError") throw error;
    } finally {
      clearTimeout(watchdog);
      stop.signal.removeEventListener("abort", end);
    }
    if (stop.signal.aborted) return;
    on.lost("The dashboard does not answer: did kubectl casskop dashboard end?");
    await new Promise((done) => setTimeout(done, PAUSES[Math.min(attempt, PAUSES.length - 1)]));
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
