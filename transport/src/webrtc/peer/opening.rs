//! From two descriptions to a connection of the stack with its two channels, of which nobody knows yet whether they will open.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use ::webrtc::data_channel::{DataChannel, RTCDataChannelInit};
use ::webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, RTCPeerConnectionState, RTCSessionDescription,
};
use tokio::sync::watch;

use super::{Peer, local};
use crate::link::DialError;
use crate::webrtc::frames::{BINARY_CHANNEL, CONTROL_CHANNEL};
use crate::webrtc::socket::{Lease, Line};

/// All that it takes to open a connection, owned.
pub(super) struct Opening {
    pub(super) builder: PeerConnectionBuilder<SocketAddr>,
    pub(super) is_offerer: bool,
    pub(super) theirs: String,
    pub(super) state: watch::Receiver<RTCPeerConnectionState>,
    pub(super) line: Line,
    pub(super) lease: Lease,
}

impl Opening {
    pub(super) async fn run(self) -> Result<Peer, DialError> {
        let connection = self.builder.build().await.map_err(local)?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let channels = async {
            let control = channel(&*connection, "control", CONTROL_CHANNEL, false).await?;
            let binary = channel(&*connection, "binary", BINARY_CHANNEL, true).await?;
            describe_both(&*connection, self.is_offerer, self.theirs).await?;
            Ok((control, binary))
        };
        match channels.await {
            Ok((control, binary)) => Ok(Peer {
                connection,
                control,
                binary,
                state: self.state,
                before_open: VecDeque::new(),
                line: Some(self.line),
                lease: self.lease,
                runtime: tokio::runtime::Handle::current(),
            }),
            Err(error) => {
                let _ = connection.close().await;
                Err(error)
            }
        }
    }
}

/// Both descriptions are known, so nothing is awaited from the other side here.
async fn describe_both(
    connection: &dyn PeerConnection,
    is_offerer: bool,
    theirs: String,
) -> Result<(), DialError> {
    if is_offerer {
        let offer = connection.create_offer(None).await.map_err(local)?;
        connection.set_local_description(offer).await.map_err(local)?;
        let answer = RTCSessionDescription::answer(theirs).map_err(local)?;
        connection.set_remote_description(answer).await.map_err(local)
    } else {
        let offer = RTCSessionDescription::offer(theirs).map_err(local)?;
        connection.set_remote_description(offer).await.map_err(local)?;
        let answer = connection.create_answer(None).await.map_err(local)?;
        connection.set_local_description(answer).await.map_err(local)
    }
}

async fn channel(
    connection: &dyn PeerConnection,
    label: &str,
    id: u16,
    ordered: bool,
) -> Result<Arc<dyn DataChannel>, DialError> {
    let init = RTCDataChannelInit {
        ordered,
        negotiated: Some(id),
        ..RTCDataChannelInit::default()
    };
    connection
        .create_data_channel(label, Some(init))
        .await
        .map_err(local)
}
