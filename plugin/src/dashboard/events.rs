//! The stream of one page: what it shows, again whenever that changes.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use hyper::body::{Bytes, Frame};
use tokio::{sync::watch, time::timeout};

use crate::model::fleet::{Fleet, Key};

/// Time without a change after which the page is told that the stream is alive. Estimates are made again, too.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a page shows of the clusters with its chosen one, as JSON.
pub type Render = Arc<dyn Fn(&Fleet, Option<&Key>) -> String + Send + Sync>;

/// The body of a stream.
pub type Events = BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

struct Page {
    fleet: watch::Receiver<Fleet>,
    chosen: Option<Key>,
    render: Render,
    shown: String,
    now: fn() -> String,
    is_first: bool,
}

/// Server-sent events for a page. A page that reads slowly gets the newest state, and no queue grows.
pub fn stream(
    fleet: watch::Receiver<Fleet>,
    chosen: Option<Key>,
    render: Render,
    now: fn() -> String,
) -> Events {
    let page = Page {
        fleet,
        chosen,
        render,
        shown: String::new(),
        now,
        is_first: true,
    };
    futures::stream::unfold(page, next).boxed()
}

async fn next(mut page: Page) -> Option<(Result<Frame<Bytes>, Infallible>, Page)> {
    if !page.is_first
        && let Ok(Err(_)) = timeout(HEARTBEAT, page.fleet.changed()).await
    {
        return None;
    }
    page.is_first = false;
    let view = (page.render)(&page.fleet.borrow_and_update(), page.chosen.as_ref());
    let text = if view == page.shown {
        ": alive\n\n".to_owned()
    } else {
        let now = (page.now)();
        let text = format!("data: {{\"now\":\"{now}\",\"view\":{view}}}\n\n");
        page.shown = view;
        text
    };
    Some((Ok(Frame::data(Bytes::from(text))), page))
}
