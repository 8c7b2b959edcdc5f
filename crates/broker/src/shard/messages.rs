//! Messages from the other actors of the node.

use super::{Origin, Shard, Turn};
use crate::event::ActorId;
use crate::handlers;
use crate::message::Message;
use crate::replica_sessions::SessionKey;
use crate::watch::Watcher;

impl Shard {
    pub(super) fn on_message(&mut self, turn: &mut Turn, from: ActorId, message: Message) {
        match from {
            ActorId::Quorum => self.on_quorum_message(turn, message),
            ActorId::Shard(shard) => match message {
                Message::Part { id, part } => self.on_part(turn, Origin::There(shard, id), part),
                Message::PartReply { id, reply } => self.on_part_reply(turn, id, reply),
                Message::FetchWake { id } => {
                    handlers::fetch::on_wake_elsewhere(self, turn, shard, id);
                    handlers::replica_fetch::on_wake_elsewhere(self, turn, shard, id);
                }
                Message::SessionEnded { session } => self.end_replica_session(SessionKey { shard, session }),
                Message::FetchForget { id } => self.unwatch(Watcher { shard, id }),
                Message::DirectoryFailed { directory } => {
                    self.lose_directory(directory);
                }
                Message::TellCheckpoint(kind) => self.checkpoint(turn, kind, false),
                Message::RecoveryPointsWritten { directory } => self.on_recovery_points_written(directory),
                Message::Checkpoint(part) => self.on_checkpoint_part(turn, shard, part),
                // the others are between shards and the quorum
                _ => {}
            },
        }
    }

    fn on_quorum_message(&mut self, turn: &mut Turn, message: Message) {
        match message {
            Message::Image { image, changes, offset, kraft_version } => {
                self.cluster.kraft_version = kraft_version;
                self.on_image(turn, image, changes, offset);
            }
            Message::ControllerReply { id, response } => {
                if let Some(wait) = self.controller_calls.take(id) {
                    handlers::controller::on_reply(self, turn, wait, *response);
                }
            }
            Message::ProducerIds { block } => handlers::init_producer_id::on_block(self, turn, block),
            _ => {}
        }
    }
}
