//! The side of `samod`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{Automerge, ChangeHash, ObjId, ROOT, ReadDoc};
use futures::StreamExt;
use samod::storage::{Storage, StorageKey};
use samod::transport::channel::ChannelDialer;
use samod::{BackoffConfig, DocHandle, DocumentId, Repo};
use tokio::sync::mpsc;

/// Storage in memory that can be copied, so that every turn begins at the same point.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<HashMap<StorageKey, Vec<u8>>>>);

impl Memory {
    fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().expect("the lock").clone())))
    }
}

impl Storage for Memory {
    async fn load(&self, key: StorageKey) -> Option<Vec<u8>> {
        self.0.lock().expect("the lock").get(&key).cloned()
    }

    async fn load_range(&self, prefix: StorageKey) -> HashMap<StorageKey, Vec<u8>> {
        let all = self.0.lock().expect("the lock");
        let within = all.iter().filter(|(key, _)| prefix.is_prefix_of(key));
        within.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    async fn put(&self, key: StorageKey, data: Vec<u8>) {
        self.0.lock().expect("the lock").insert(key, data);
    }

    async fn delete(&self, key: StorageKey) {
        self.0.lock().expect("the lock").remove(&key);
    }
}

async fn repo(memory: Memory) -> Repo {
    Repo::build_tokio().with_storage(memory).load().await
}

async fn link(client: &Repo, server: &Repo) {
    let url = url::Url::parse("samod-channel://compare").expect("an address");
    let acceptor = server.make_acceptor(url).expect("it runs");
    let dialer = Arc::new(ChannelDialer::new(acceptor));
    let dialing = client.dial(BackoffConfig::default(), dialer).expect("it runs");
    dialing.established().await.expect("they are linked");
}

fn heads(handle: &DocHandle) -> Vec<ChangeHash> {
    handle.with_document(|document| document.get_heads())
}

async fn until_at(handle: &DocHandle, wanted: &[ChangeHash]) {
    let mut changes = Box::pin(handle.changes());
    while heads(handle) != wanted {
        changes.next().await.expect("it runs");
    }
}

fn load(document: &[u8]) -> Automerge {
    Automerge::load(document).expect("it loads")
}

/// A device that has nothing: from the link to the last change.
pub(crate) async fn first_sync(document: &[u8], head: &[ChangeHash]) -> Duration {
    let (server, client) = (repo(Memory::default()).await, repo(Memory::default()).await);
    let served = server.create(load(document)).await.expect("it runs");
    let began = Instant::now();
    link(&client, &server).await;
    let found = client.find(served.document_id().clone()).await.expect("it runs");
    let found = found.expect("the document");
    until_at(&found, head).await;
    let took = began.elapsed();
    client.stop().await;
    server.stop().await;
    took
}

/// Both sides' storage: the one ahead, the other behind.
pub(crate) struct Kept {
    ahead: Memory,
    behind: Memory,
    document: DocumentId,
}

pub(crate) async fn kept(early: &[u8], late: &[u8]) -> Kept {
    let behind = Memory::default();
    let repo_behind = repo(behind.clone()).await;
    let handle = repo_behind.create(load(early)).await.expect("it runs");
    let document = handle.document_id().clone();
    repo_behind.stop().await;
    let ahead = behind.copy();
    let repo_ahead = repo(ahead.clone()).await;
    let handle = repo_ahead.find(document.clone()).await.expect("it runs");
    let handle = handle.expect("the document");
    handle.with_document(|document| document.merge(&mut load(late)).expect("they merge"));
    repo_ahead.stop().await;
    Kept {
        ahead,
        behind,
        document,
    }
}

impl Kept {
    pub(crate) async fn catch_up(&self, head: &[ChangeHash]) -> Duration {
        let (server, client) = (repo(self.ahead.copy()).await, repo(self.behind.copy()).await);
        let served = server.find(self.document.clone()).await.expect("it runs");
        let served = served.expect("the document");
        assert_eq!(heads(&served), head, "it was kept");
        let found = client.find(self.document.clone()).await.expect("it runs");
        let found = found.expect("the document");
        assert_ne!(heads(&found), head);
        let began = Instant::now();
        link(&client, &server).await;
        until_at(&found, head).await;
        let took = began.elapsed();
        client.stop().await;
        server.stop().await;
        took
    }
}

/// Two that are linked.
pub(crate) struct Linked {
    _server: Repo,
    _client: Repo,
    here: DocHandle,
    there: DocHandle,
    /// The free fields of each card.
    fields: Vec<ObjId>,
    /// A value that no card has yet.
    next: AtomicI64,
}

pub(crate) async fn linked(document: &[u8]) -> Linked {
    let (server, client) = (repo(Memory::default()).await, repo(Memory::default()).await);
    let here = server.create(load(document)).await.expect("it runs");
    link(&client, &server).await;
    let there = client.find(here.document_id().clone()).await.expect("it runs");
    let there = there.expect("the document");
    until_at(&there, &heads(&here)).await;
    let fields = here.with_document(|document| {
        let child = |object: &ObjId, key: &str| document.get(object, key).expect("it reads").expect("it is there").1;
        let cards = child(&ROOT, "cards");
        let ids: Vec<String> = document.keys(&cards).collect();
        ids.iter().map(|id| child(&child(&cards, id), "fields")).collect()
    });
    Linked {
        _server: server,
        _client: client,
        here,
        there,
        fields,
        next: AtomicI64::new(1 << 40),
    }
}

impl Linked {
    /// Seconds from an edit to the other side's word of it.
    pub(crate) async fn edits(&self, count: usize) -> Vec<f64> {
        let mut changes = Box::pin(self.there.changes());
        let (tell, mut heard) = mpsc::unbounded_channel();
        let listening = tokio::spawn(async move {
            while changes.next().await.is_some() {
                if tell.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        let mut times = Vec::new();
        for at in 0..count {
            let field = &self.fields[at % self.fields.len()];
            let began = Instant::now();
            // As in a deck of ours: one field, and the time and a message of that length.
            let value = self.next.fetch_add(1, Ordering::Relaxed);
            self.here.with_document(|document| {
                let mut transaction = document.transaction();
                transaction.put(field, "seen", value).expect("it is put");
                let message = r#"{"op":"card.field","card":"0123456789abcdef","name":"seen"}"#;
                let options = automerge::transaction::CommitOptions::default().with_message(message);
                transaction.commit_with(options);
            });
            let arrived = heard.recv().await.expect("the event");
            times.push(arrived.saturating_duration_since(began).as_secs_f64());
            while heard.try_recv().is_ok() {}
        }
        listening.abort();
        times
    }
}
