//! What is on the way between the model's nodes: any of it may arrive next, or never. Correlation ids are renamed to
//! the connection they belong to, so that worlds which differ only in how many requests there have been are one.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use types::{LeaderEpoch, NodeId};

use crate::connections::Connection;
use crate::machine::{Raft, Token};
use crate::message::{Answer, Body, Request};

/// The correlation of a request whose sender does not wait for it any more.
pub const STALE: u64 = 0;
/// Who asks to change the voters.
pub const CLIENT: Token = Token(u64::MAX);
/// Correlation ids before they are renamed are above.
pub const FRESH: u64 = 1000;

#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub from: u8,
    pub to: u8,
    /// The asker's.
    pub correlation: u64,
    pub body: Content,
    pub fingerprint: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    Request(Request),
    Answer(Answer),
}

/// As a counterexample shows it: from, to, what.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = if self.is_stale() { " late" } else { "" };
        write!(f, "{}->{}{late} ", self.from + 1, self.to + 1)?;
        match &self.body {
            Content::Request(Request::Vote(vote)) => {
                let kind = if vote.pre_vote { "pre-vote" } else { "vote" };
                write!(f, "{kind} {} log {}@{}", vote.epoch, vote.last_epoch, vote.last_offset)
            }
            Content::Request(Request::Fetch(fetch)) => {
                write!(f, "fetch {} at {} after {}", fetch.epoch, fetch.offset, fetch.last_epoch)
            }
            Content::Request(Request::BeginQuorumEpoch(begin)) => write!(f, "begin {}", begin.epoch),
            Content::Request(Request::EndQuorumEpoch(end)) => write!(f, "end {}", end.epoch),
            Content::Request(request) => request.fmt(f),
            Content::Answer(answer) => {
                write!(f, "answer {:?} {} {:?}", answer.code, answer.epoch, answer.body)
            }
        }
    }
}

impl Message {
    pub fn new(from: u8, to: u8, correlation: u64, body: Content) -> Arc<Message> {
        let fingerprint = fingerprint(&(from, to, correlation, &body));
        Arc::new(Message { from, to, correlation, body, fingerprint })
    }

    pub fn is_stale(&self) -> bool {
        self.correlation == STALE
    }

    fn asker(&self) -> u8 {
        match self.body {
            Content::Request(_) => self.from,
            Content::Answer(_) => self.to,
        }
    }

    /// Lost at once where it does nothing that others do not do too.
    pub fn may_matter(&self) -> bool {
        match &self.body {
            Content::Request(Request::Vote(vote)) => !vote.pre_vote,
            Content::Request(Request::Fetch(_) | Request::BeginQuorumEpoch(_)) => true,
            _ => false,
        }
    }

    /// An answer that only says that the request has come.
    pub fn is_receipt(&self) -> bool {
        let Content::Answer(answer) = &self.body else { return false };
        let is_good = !answer.top.is_error() && !answer.code.is_error();
        is_good && matches!(answer.body, Body::BeginQuorumEpoch | Body::EndQuorumEpoch)
    }

    pub fn epoch(&self) -> Option<LeaderEpoch> {
        match &self.body {
            Content::Request(Request::Vote(request)) => Some(request.epoch),
            Content::Request(Request::BeginQuorumEpoch(request)) => Some(request.epoch),
            Content::Request(Request::EndQuorumEpoch(request)) => Some(request.epoch),
            Content::Request(Request::Fetch(request)) => Some(request.epoch),
            Content::Request(Request::FetchSnapshot(request)) => Some(request.epoch),
            _ => None,
        }
    }
}

pub fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Names the asker and its connection to the node that is asked.
pub fn token(asker: u8, correlation: u64) -> Token {
    Token(u64::from(asker) << 32 | correlation)
}

pub fn asker_of(token: Token) -> (u8, u64) {
    ((token.0 >> 32) as u8, token.0 & 0xffff_ffff)
}

fn name_of(to: NodeId) -> u64 {
    if to.0 >= 0 { to.0 as u64 } else { 100 + to.0.unsigned_abs() as u64 }
}

/// What a node waits for: correlation ids, and the names of their connections.
#[derive(Default)]
pub struct Awaited(Vec<(u64, u64)>);

impl Awaited {
    /// Renames those of the node itself.
    pub fn rename(raft: &mut Raft) -> Awaited {
        let mut awaited = Vec::new();
        for (to, connection) in &mut raft.connections.connections {
            if let Connection::InFlight { correlation, .. } = connection {
                awaited.push((*correlation, name_of(*to)));
                *correlation = name_of(*to);
            }
        }
        raft.connections.last_correlation = FRESH;
        Awaited(awaited)
    }

    fn name(&self, correlation: u64) -> u64 {
        self.0.iter().find(|(known, _)| *known == correlation).map_or(STALE, |(_, name)| *name)
    }

    /// Renames those of the node in what is on the way; answers that nobody waits for are dropped.
    pub fn rename_messages(&self, asker: u8, network: &mut Vec<Arc<Message>>) {
        network.retain_mut(|message| {
            if message.asker() != asker {
                return true;
            }
            let name = self.name(message.correlation);
            if name != message.correlation {
                *message = Message::new(message.from, message.to, name, message.body.clone());
            }
            name != STALE || matches!(message.body, Content::Request(_))
        });
    }

    /// The token's new name, where it is of this asker and has another one now.
    pub fn renamed(&self, asker: u8, held: Token) -> Option<Token> {
        let (of, correlation) = asker_of(held);
        let name = self.name(correlation);
        (held != CLIENT && of == asker && name != correlation).then(|| token(asker, name))
    }
}
