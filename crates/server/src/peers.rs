//! The mailboxes of a node's threads.

use broker::event::ActorId;

use crate::mailbox::Sender;
use crate::reactor::Mail;

#[derive(Clone)]
pub struct Peers {
    pub quorum: Sender<Mail>,
    pub shards: Vec<Sender<Mail>>,
}

impl Peers {
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    pub fn post(&self, to: ActorId, mail: Mail) {
        match to {
            ActorId::Quorum => self.quorum.send(mail),
            ActorId::Shard(shard) => {
                if let Some(sender) = self.shards.get(usize::from(shard.0)) {
                    sender.send(mail);
                }
            }
        }
    }

    /// All actors, the quorum last: it is told to stop when the shards have stopped.
    pub fn actors(&self) -> impl Iterator<Item = ActorId> + use<> {
        let shards = self.shards.len() as u16;
        (0..shards).map(|n| ActorId::Shard(broker::event::ShardId(n))).chain([ActorId::Quorum])
    }
}
