//! The stream of one page: what it shows, again whenever that changes.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::BoxStream};
use hyper::body::{Bytes, Frame};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until, timeout},
};

use super::pictures::{PAUSE, Pictures};
use crate::model::fleet::{Fleet, Key};

/// Time without a change after which the page is told that the stream is alive. Estimates are made again, too.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Time in which a page takes what it is sent; at least every [`HEARTBEAT`] there is something.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The body of a stream.
pub type Events = BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

/// The time at which a page took something last.
#[derive(Clone)]
pub struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    /// Begins now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once nothing was taken for `patience`: the page is gone, or stopped.
    pub async fn stops(&self, patience: Duration) {
        loop {
            let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + patience;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// The sources of a stream.
pub struct Source {
    /// The clusters.
    pub fleet: watch::Receiver<Fleet>,
    /// The chosen one.
    pub chosen: Option<Key>,
    /// The part of them that the page shows.
    pub pictures: Arc<Pictures>,
    /// The current time.
    pub now: fn() -> String,
    /// The proof for the page that the server is that of its link.
    pub proof: String,
    /// The time at which the page took something last.
    pub pulse: Pulse,
    /// The place of the stream among all; free again when it ends.
    #[expect(dead_code, reason = "it is held, and nothing else")]
    pub place: OwnedSemaphorePermit,
}

struct Page {
    source: Source,
    shown: Arc<str>,
    /// The revision that is shown, and the time at which it was; none before the first one.
    sent: Option<(u64, Instant)>,
    is_greeted: bool,
}

/// Server-sent events for a page: first the proof, then what it shows. A page that reads slowly gets the newest state, and no
/// queue grows.
pub fn stream(source: Source) -> Events {
    let page = Page {
        source,
        shown: "".into(),
        sent: None,
        is_greeted: false,
    };
    futures::stream::unfold(page, next).boxed()
}

async fn next(mut page: Page) -> Option<(Result<Frame<Bytes>, Infallible>, Page)> {
    page.source.pulse.beat();
    let text = if page.is_greeted {
        view(&mut page).await?
    } else {
        page.is_greeted = true;
        format!("data: {{\"proof\":\"{}\"}}\n\n", page.source.proof)
    };
    page.source.pulse.beat();
    Some((Ok(Frame::data(Bytes::from(text))), page))
}

/// The content of the page, once that may have changed; none when the clusters are not followed any more.
async fn view(page: &mut Page) -> Option<String> {
    let Source {
        fleet,
        chosen,
        pictures,
        now,
        ..
    } = &mut page.source;
    if let Some((revision, at)) = page.sent {
        let is_newest = fleet.borrow().revision == revision;
        if is_newest && let Ok(Err(_)) = timeout(HEARTBEAT, fleet.changed()).await {
            return None;
        }
        sleep_until(at + PAUSE).await;
    }
    let at = Instant::now();
    let picture = pictures.of(&fleet.borrow_and_update(), chosen.as_ref(), at);
    page.sent = Some((picture.revision, at));
    if picture.text == page.shown {
        return Some(": alive\n\n".to_owned());
    }
    let text = format!(
        "data: {{\"now\":\"{}\",\"view\":{}}}\n\n",
        now(),
        picture.text
    );
    page.shown = picture.text;
    Some(text)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn source(fleet: &watch::Sender<Fleet>, places: &Arc<Semaphore>) -> Source {
        let place = places.clone().try_acquire_owned();
        Source {
            fleet: fleet.subscribe(),
            chosen: None,
            pictures: Arc::new(Pictures::new(Box::new(|fleet, _| {
                fleet.revision.to_string()
            }))),
            now: || "now".to_owned(),
            proof: "proof".to_owned(),
            pulse: Pulse::new(),
            place: place.unwrap_or_else(|error| unreachable!("{error}")),
        }
    }

    async fn read(events: &mut Events) -> String {
        let frame = events.next().await.and_then(Result::ok);
        let data = frame.and_then(|frame| frame.into_data().ok());
        String::from_utf8_lossy(&data.unwrap_or_default()).into_owned()
    }

    /// The last of many changes arrives, though a picture of an earlier one was recent.
    #[tokio::test]
    async fn the_proof_is_first_and_the_newest_state_arrives() {
        let (fleet, _) = watch::channel(Fleet::default());
        let places = Arc::new(Semaphore::new(2));
        let first = source(&fleet, &places);
        let second = Source {
            pictures: first.pictures.clone(),
            ..source(&fleet, &places)
        };
        let mut pages = [stream(first), stream(second)];
        for page in &mut pages {
            assert_eq!(read(page).await, "data: {\"proof\":\"proof\"}\n\n");
        }
        assert!(read(&mut pages[0]).await.contains("\"view\":0}"));
        fleet.send_modify(|fleet| fleet.revision = 7);
        for page in &mut pages {
            while !read(page).await.contains("\"view\":7}") {}
        }
        assert_eq!(places.available_permits(), 0);
        drop(pages);
        assert_eq!(places.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_page_that_takes_nothing_is_ended() {
        let (fleet, _) = watch::channel(Fleet::default());
        let source = source(&fleet, &Arc::new(Semaphore::new(1)));
        let pulse = source.pulse.clone();
        let mut events = stream(source);
        read(&mut events).await;
        let before = *pulse.0.lock().unwrap_or_else(PoisonError::into_inner);
        read(&mut events).await;
        let after = *pulse.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(before < after, "what is taken is a sign of life");
        pulse.stops(SHORT).await;
    }
}
