//! This device at work: the engine open on its data folder, its links, and the socket by which other commands reach it.
//!
//! A data folder is open in one process at a time. A command that is quick opens it, does its work and closes it. One that
//! stays (`up`, `share`, `join`, `inspect`) is the *running peer*: it keeps the devices that are known linked, and does for
//! other commands what they ask over a local socket.
//!
//! | file | subject |
//! |---|---|
//! | here | opening and closing |
//! | `links` | the devices that are kept linked |
//! | `network` | addresses and servers for that |
//! | `door` | the local socket, from inside |
//! | `reach` | finding who is to do something: the running peer, or this process |

#[cfg(unix)]
mod door;
pub(crate) mod links;
pub(crate) mod network;
pub(crate) mod reach;

use std::sync::Arc;

use cuecard::store::StoreError;
use cuecard::{DeviceId, Engine, OpenError};

use crate::error::Error;
use crate::home::{Holder, Home, machine_name};

use self::links::Links;
use self::network::Network;

/// A device whose data folder this process has open.
pub(crate) struct Node {
    home: Home,
    command: String,
    engine: Engine,
    links: Option<Links>,
    #[cfg(unix)]
    door: std::sync::Mutex<Option<door::Door>>,
}

impl Node {
    /// Opens the data folder, which is made if there is none. Without a network there are no links, and nobody is let in
    /// by the socket.
    ///
    /// # Errors
    /// [`OpenError`]; a folder that is open elsewhere is one of them, and for [`reach`] to deal with.
    pub(crate) async fn open(
        home: &Home,
        command: &str,
        network: Option<&Network>,
    ) -> Result<Arc<Self>, OpenError> {
        let mut builder = Engine::builder();
        if let Some(name) = home.name().or_else(machine_name) {
            builder = builder.name(name);
        }
        let engine = builder.open(home.folder()).await?;
        home.set_holder(Some(&Holder {
            pid: std::process::id(),
            command: command.to_owned(),
        }));
        let links = network.map(|network| Links::new(&engine, network.config(), network.backoff()));
        Ok(Arc::new(Self {
            home: home.clone(),
            command: command.to_owned(),
            engine,
            links,
            #[cfg(unix)]
            door: std::sync::Mutex::default(),
        }))
    }

    /// Becomes the running peer: dials the devices that are known, and takes what other commands ask over the socket.
    ///
    /// # Errors
    /// When the socket cannot be made, or what is known of devices cannot be read.
    pub(crate) fn run(self: &Arc<Self>) -> Result<(), Error> {
        if let Some(links) = &self.links {
            links.dial_remembered()?;
        }
        #[cfg(unix)]
        {
            let door = door::Door::open(self)?;
            *self
                .door
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(door);
        }
        Ok(())
    }

    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }

    /// What this process does, as `cuecard up`.
    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The links, in the running peer; none in a command that is quick.
    pub(crate) const fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }

    /// What a device is called: by itself, else the beginning of its id.
    pub(crate) fn name_of(&self, device: DeviceId) -> String {
        self.engine.name_of(device).unwrap_or_else(|| device.short())
    }

    /// Ends everything, and gives the folder back. What was acknowledged is durable in any case.
    ///
    /// # Errors
    /// When the disk has failed.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        #[cfg(unix)]
        drop(
            self.door
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take(),
        );
        if let Some(links) = &self.links {
            links.let_go();
        }
        self.home.set_holder(None);
        Ok(self.engine.shutdown().await?)
    }
}

/// Whether a folder could not be opened because another process has it open.
pub(crate) const fn is_in_use(error: &OpenError) -> bool {
    matches!(error, OpenError::Store(StoreError::InUse { .. }))
}
