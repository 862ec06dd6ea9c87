//! Finding who is to do something: the running peer of a data folder, else this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::act;
use crate::ask::Ask;
use crate::ask::talk::{Conversation, begin};
use crate::error::Error;
use crate::home::Home;

use super::network::Network;
use super::{Node, is_in_use};

/// Another quick command has the folder for milliseconds, a peer that starts or ends for a second at the most; several of them,
/// on a slow disk, take turns.
const FOLDER_WITHIN: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Who has the data folder open.
pub(crate) enum Who {
    /// The running peer, at the other end of its socket.
    #[cfg(unix)]
    Peer(tokio::net::UnixStream),
    /// This process.
    Here(Arc<Node>),
}

/// Finds the running peer of a data folder, or opens the folder here. With a network, this process becomes the running peer
/// then.
///
/// # Errors
/// When the folder cannot be opened; one that another process keeps is [`Error::Busy`].
pub(crate) async fn reach(home: &Home, command: &str, network: Option<&Network>) -> Result<Who, Error> {
    let deadline = Instant::now() + FOLDER_WITHIN;
    loop {
        #[cfg(unix)]
        if let Some(stream) = peer::connect(home).await {
            return Ok(Who::Peer(stream));
        }
        match Node::open(home, command, network).await {
            Ok(node) => {
                if network.is_some() {
                    node.run()?;
                }
                return Ok(Who::Here(node));
            }
            Err(error) if is_in_use(&error) && Instant::now() < deadline => sleep(LOOK_AGAIN).await,
            Err(error) if is_in_use(&error) => {
                return Err(Error::Busy {
                    folder: home.folder().to_owned(),
                    holder: home.holder(),
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A conversation under way, and what was opened for it.
pub(crate) struct Asked {
    pub(crate) conversation: Conversation,
    node: Option<Arc<Node>>,
}

impl Who {
    /// Begins a conversation.
    ///
    /// # Errors
    /// When the running peer is gone meanwhile.
    pub(crate) async fn ask(self, ask: Ask) -> Result<Asked, Error> {
        match self {
            #[cfg(unix)]
            Self::Peer(stream) => Ok(Asked {
                conversation: peer::ask(stream, ask).await?,
                node: None,
            }),
            Self::Here(node) => {
                let doing = node.clone();
                let conversation = begin(move |mut talk| async move {
                    let outcome = act::perform(&doing, ask, &mut talk).await;
                    talk.end(outcome).await;
                });
                Ok(Asked {
                    conversation,
                    node: Some(node),
                })
            }
        }
    }
}

impl Asked {
    /// Ends the conversation, and gives back what was opened for it.
    ///
    /// # Errors
    /// When the disk has failed.
    pub(crate) async fn close(self) -> Result<(), Error> {
        let Self { conversation, node } = self;
        drop(conversation);
        match node {
            Some(node) => node.close().await,
            None => Ok(()),
        }
    }
}

#[cfg(unix)]
mod peer {
    //! The local socket, from outside.

    use std::os::unix::fs::MetadataExt as _;

    use tokio::io::{AsyncWriteExt as _, BufReader};
    use tokio::net::UnixStream;

    use crate::ask::Ask;
    use crate::ask::talk::{Conversation, Request, Said, carried};
    use crate::error::Error;
    use crate::home::Home;
    use crate::node::door::{ANSWER_BYTES_MAX, is_user, read_line, write_line};

    /// The socket of a peer that is gone stays behind: nobody takes the call.
    pub(super) async fn connect(home: &Home) -> Option<UnixStream> {
        let owner = std::fs::metadata(home.folder()).ok()?.uid();
        let stream = UnixStream::connect(home.socket()).await.ok()?;
        is_user(&stream, owner).then_some(stream)
    }

    pub(super) async fn ask(stream: UnixStream, ask: Ask) -> Result<Conversation, Error> {
        let (read, mut write) = stream.into_split();
        write_line(&mut write, &Request::new(ask))
            .await
            .map_err(|_| Error::PeerGone)?;
        Ok(carried(move |said, mut pasted| async move {
            let mut read = BufReader::new(read);
            let hearing = async {
                loop {
                    let line = match read_line(&mut read, ANSWER_BYTES_MAX).await {
                        Ok(Some(line)) => line,
                        Ok(None) | Err(_) => break,
                    };
                    let heard = serde_json::from_slice(&line);
                    let heard = heard.unwrap_or_else(|_| Said::from(Err(Error::OtherVersion)));
                    let is_last = !matches!(heard, Said::Happens(_));
                    if said.send(heard).await.is_err() || is_last {
                        break;
                    }
                }
            };
            let telling = async {
                while let Some(text) = pasted.recv().await {
                    if write_line(&mut write, &text).await.is_err() {
                        break;
                    }
                }
                // Half closed would be taken for hung up.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = hearing => {}
                () = telling => {}
            }
            let _ = write.shutdown().await;
        }))
    }
}

/// Whether a running peer takes commands of a data folder.
pub(crate) async fn running_peer(home: &Home) -> bool {
    #[cfg(unix)]
    return peer::connect(home).await.is_some();
    #[cfg(not(unix))]
    {
        let _ = home;
        false
    }
}
