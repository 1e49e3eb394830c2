//! A store in memory with a virtual clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use casskop_backup_protocol::Limits;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::{Hook, cluster};
use crate::bucket::Bucket;
use crate::clock::Clock;

/// The act of a store at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request does not arrive.
    Refused,
    /// It arrives, and the answer does not.
    AnswerLost,
}

#[derive(Debug, Default)]
struct State {
    requests: usize,
    /// From this request on; the first one as told, the others are refused.
    dies_at: Option<(usize, Fault)>,
    /// Writes of objects that were acknowledged, by key.
    acknowledged: HashMap<Key, u32>,
    /// When each key was written, in seconds of the virtual clock.
    written: HashMap<Key, u64>,
    now: u64,
    /// Seconds for which the machine of the program was suspended: its own clock does not show them.
    asleep: u64,
    /// Seconds that each deletion takes.
    deletions_take: u64,
    /// Whether the next answer to the end of an upload in parts is lost.
    loses_completion: bool,
    /// The event before a write whose key contains this.
    hooks: Vec<(String, usize, Hook)>,
    /// A write whose key contains this is on its way until it is delivered; its sender gives up.
    holds: Option<String>,
    held: Vec<(Key, PutPayload, PutOptions)>,
}

/// A store in memory with a clock of its own. Each request yields before and after it, so that a test can step it and drop it.
#[derive(Clone, Debug)]
pub(crate) struct Fake {
    pub(crate) inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let state = State {
            now: 1_000_000_000,
            ..State::default()
        };
        Self {
            inner: Arc::new(InMemory::new()),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::new(
            Arc::new(self.clone()),
            "pre/fix",
            &cluster(),
            &Limits::default(),
        )
        .impatient(self.clock())
    }

    /// Another store with the same content and time.
    pub(crate) fn fork(&self) -> Self {
        let state = self.state.lock().unwrap();
        let state = State {
            written: state.written.clone(),
            now: state.now,
            ..State::default()
        };
        Self {
            inner: Arc::new(self.inner.fork()),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The clock of the machine that the program runs on.
    fn clock(&self) -> Clock {
        let state = self.state.clone();
        let now = move || {
            let state = state.lock().unwrap();
            state.now - state.asleep
        };
        Clock::new(move || {
            let (began, now) = (now(), now.clone());
            Box::new(move || Duration::from_secs(now() - began))
        })
    }

    /// Time passes that the program does not see.
    pub(crate) fn suspend(&self, seconds: u64) {
        let mut state = self.state.lock().unwrap();
        state.now += seconds;
        state.asleep += seconds;
    }

    pub(crate) fn deletions_take(&self, seconds: u64) {
        self.state.lock().unwrap().deletions_take = seconds;
    }

    fn deletion(&self) {
        let mut state = self.state.lock().unwrap();
        state.now += state.deletions_take;
    }

    pub(crate) fn loses_completion(&self) {
        self.state.lock().unwrap().loses_completion = true;
    }

    /// Does something before the write number `number`, from 0, whose key contains `part`.
    pub(crate) fn before(&self, part: &str, number: usize, hook: impl FnOnce() + Send + 'static) {
        let hook = Hook(Box::new(hook));
        let hooks = &mut self.state.lock().unwrap().hooks;
        hooks.push((part.to_owned(), number, hook));
    }

    pub(crate) fn holds(&self, part: &str) {
        self.state.lock().unwrap().holds = Some(part.to_owned());
    }

    /// Requests that were on their way arrive.
    pub(crate) async fn deliver(&self) {
        let held = {
            let mut state = self.state.lock().unwrap();
            state.holds = None;
            std::mem::take(&mut state.held)
        };
        for (key, payload, options) in held {
            let _ = self.inner.put_opts(&key, payload, options).await;
            self.wrote(&key);
        }
    }

    fn run_hooks(&self, key: &Key) {
        let mut due = Vec::new();
        let mut state = self.state.lock().unwrap();
        for (part, number, hook) in std::mem::take(&mut state.hooks) {
            match (key.as_ref().contains(&part), number) {
                (true, 0) => due.push(hook),
                (true, _) => state.hooks.push((part, number - 1, hook)),
                (false, _) => state.hooks.push((part, number, hook)),
            }
        }
        drop(state);
        for hook in due {
            (hook.0)();
        }
    }

    pub(crate) fn dies_at(&self, request: usize, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.requests = 0;
        state.dies_at = Some((request, fault));
    }

    pub(crate) fn lives(&self) {
        self.state.lock().unwrap().dies_at = None;
    }

    /// Requests that it has had.
    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.state.lock().unwrap().now += seconds;
    }

    /// Acknowledged writes of objects with content.
    pub(crate) fn sent(&self) -> HashMap<Key, u32> {
        let acknowledged = &self.state.lock().unwrap().acknowledged;
        let object = |key: &&Key| key.as_ref().contains("/objects/");
        acknowledged
            .keys()
            .filter(object)
            .map(|key| (key.clone(), acknowledged[key]))
            .collect()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let all: Vec<ObjectMeta> = self.inner.list(None).try_collect().await.unwrap();
        all.into_iter()
            .map(|meta| meta.location.to_string())
            .collect()
    }

    async fn request<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::task::yield_now().await;
        let fault = {
            let mut state = self.state.lock().unwrap();
            // The clock moves: an object is younger than what was written before it.
            state.now += 1;
            let number = state.requests;
            state.requests += 1;
            match state.dies_at {
                Some((at, fault)) if number == at => Some(fault),
                Some((at, _)) if number > at => Some(Fault::Refused),
                _ => None,
            }
        };
        let lost = || Error::Generic {
            store: "fake",
            source: "connection reset".into(),
        };
        if fault == Some(Fault::Refused) {
            return Err(lost());
        }
        let answer = work.await;
        tokio::task::yield_now().await;
        if fault.is_some() { Err(lost()) } else { answer }
    }

    fn wrote(&self, key: &Key) {
        let mut state = self.state.lock().unwrap();
        let now = state.now;
        state.written.insert(key.clone(), now);
    }

    fn acknowledged(&self, key: &Key) {
        *self
            .state
            .lock()
            .unwrap()
            .acknowledged
            .entry(key.clone())
            .or_default() += 1;
    }

    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let written = self
            .state
            .lock()
            .unwrap()
            .written
            .get(&meta.location)
            .copied()
            .unwrap_or_default();
        let age = meta.last_modified.timestamp().unsigned_abs();
        meta.last_modified -= Duration::from_secs(age);
        meta.last_modified += Duration::from_secs(written);
        meta
    }
}

impl std::fmt::Display for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fake")
    }
}

#[derive(Debug)]
struct Parts(Fake, Key, Box<dyn MultipartUpload>);

#[async_trait::async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (fake, part) = (self.0.clone(), self.2.put_part(data));
        Box::pin(async move { fake.request(part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (fake, key) = (self.0.clone(), self.1.clone());
        let answer = fake
            .request(async {
                let answer = self.2.complete().await;
                fake.wrote(&key);
                answer
            })
            .await?;
        self.0.acknowledged(&self.1);
        if std::mem::take(&mut self.0.state.lock().unwrap().loses_completion) {
            // The repetition of the request is told that.
            return Err(Error::NotFound {
                path: key.to_string(),
                source: "<Code>NoSuchUpload</Code>".into(),
            });
        }
        Ok(answer)
    }

    async fn abort(&mut self) -> Result<()> {
        self.2.abort().await
    }
}

#[async_trait::async_trait]
impl ObjectStore for Fake {
    async fn put_opts(
        &self,
        key: &Key,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.run_hooks(key);
        {
            let mut state = self.state.lock().unwrap();
            if state
                .holds
                .as_ref()
                .is_some_and(|part| key.as_ref().contains(part))
            {
                state.held.push((key.clone(), payload, options));
                return Err(Error::Generic {
                    store: "fake",
                    source: "no answer".into(),
                });
            }
        }
        let work = async {
            let answer = self.inner.put_opts(key, payload, options).await?;
            self.wrote(key);
            Ok(answer)
        };
        let answer = self.request(work).await?;
        self.acknowledged(key);
        Ok(answer)
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let parts = self
            .request(self.inner.put_multipart_opts(key, options))
            .await?;
        Ok(Box::new(Parts(self.clone(), key.clone(), parts)))
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
        let mut answer = self.request(self.inner.get_opts(key, options)).await?;
        answer.meta = self.dated(answer.meta);
        Ok(answer)
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Key>>,
    ) -> BoxStream<'static, Result<Key>> {
        let fake = self.clone();
        keys.then(move |key| {
            let fake = fake.clone();
            async move {
                let key = key?;
                let one = stream::iter([Ok(key.clone())]).boxed();
                let work = async {
                    fake.deletion();
                    fake.inner.delete_stream(one).try_collect::<Vec<_>>().await
                };
                fake.request(work).await?;
                Ok(key)
            }
        })
        .boxed()
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (fake, prefix) = (self.clone(), prefix.cloned());
        let page = async move {
            let all = fake
                .request(fake.inner.list(prefix.as_ref()).try_collect::<Vec<_>>())
                .await?;
            let dated = all
                .into_iter()
                .map(|meta| Ok(fake.dated(meta)))
                .collect::<Vec<_>>();
            Ok::<_, Error>(stream::iter(dated))
        };
        stream::once(page).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
