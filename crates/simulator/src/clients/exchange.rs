//! One question at a time over one connection: what a client keeps of its talk with a node.

use protocol::Request;

use crate::commands::{Api, Reply};
use crate::invariants::liveness::Standing;

pub struct Exchange<Q> {
    is_connected: bool,
    /// By its correlation id.
    asked: Option<(i32, Q)>,
    /// The faults are over.
    is_calm: bool,
    answers_in_calm: u64,
}

impl<Q> Default for Exchange<Q> {
    fn default() -> Exchange<Q> {
        Exchange { is_connected: false, asked: None, is_calm: false, answers_in_calm: 0 }
    }
}

impl<Q> Exchange<Q> {
    /// Whether the client has to connect. From here on it counts as connected, until it is told of the end.
    pub fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.is_connected, true)
    }

    /// Whether an answer is still to come.
    pub fn waits(&self) -> bool {
        self.asked.is_some()
    }

    pub fn ask(&mut self, api: &mut Api<'_>, version: i16, request: impl Into<Request>, question: Q) {
        self.asked = Some((api.send(version, request), question));
    }

    /// What is answered by this; a violation where it is not what was asked for.
    pub fn answered(&mut self, api: &mut Api<'_>, reply: &Reply, who: &str) -> Option<Q> {
        let answered = self.asked.take().filter(|(correlation, _)| *correlation == reply.correlation);
        match answered {
            Some(_) => self.answers_in_calm += u64::from(self.is_calm),
            None => api.model.violation(format!("an answer that {who} did not ask for")),
        }
        answered.map(|(_, question)| question)
    }

    /// The connection is no more. Gives what stays without an answer.
    pub fn ended(&mut self) -> Option<Q> {
        self.is_connected = false;
        self.asked.take().map(|(_, question)| question)
    }

    pub fn calm(&mut self) {
        self.is_calm = true;
    }

    /// Of a client that wants no more than answers, once the faults are over.
    pub fn standing(&self, who: &str) -> Standing {
        match self.answers_in_calm {
            0 => Standing::Stuck(format!("{who} gets no answer")),
            _ => Standing::Good,
        }
    }
}
