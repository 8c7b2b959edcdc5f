//! What all threads counted, gathered when somebody asks and written as text while it is sent.

mod cluster;
mod names;
mod process;
#[cfg(test)]
mod tests;
mod text;
mod topics;
mod traffic;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use broker::event::ActorId;
use broker::metrics::Metrics;

use text::Exposition;
pub use traffic::Traffic;

/// Everything that one scrape tells.
#[derive(Debug, Default)]
pub struct Scrape {
    pub node_id: i32,
    /// Names by `ListenerId`.
    pub listeners: Arc<[String]>,
    pub metrics: Metrics,
    pub traffic: Vec<(ActorId, Traffic)>,
}

impl Scrape {
    /// In Prometheus' text format; names as Kafka's usual exporters give them.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let out = &mut Exposition::new(out);
        names::write(self, out)?;
        topics::write(self, out)?;
        cluster::write(self, out)?;
        process::write(out)
    }
}

/// One scrape at a time: those that come while it runs get the same answer.
#[derive(Default)]
pub struct Gathering {
    replies: Vec<Sender<Arc<Scrape>>>,
    missing: usize,
    scrape: Scrape,
}

impl Gathering {
    /// True where the actors must be asked: no gathering was under way.
    pub fn begin(&mut self, reply: Sender<Arc<Scrape>>, actors: usize, about: (i32, Arc<[String]>)) -> bool {
        self.replies.push(reply);
        if self.missing > 0 {
            return false;
        }
        self.missing = actors;
        let (node_id, listeners) = about;
        self.scrape = Scrape { node_id, listeners, ..Scrape::default() };
        true
    }

    pub fn add(&mut self, actor: ActorId, metrics: Metrics, traffic: Traffic) {
        self.scrape.metrics.add(metrics);
        self.scrape.traffic.push((actor, traffic));
        self.missing = self.missing.saturating_sub(1);
        if self.missing > 0 {
            return;
        }
        let mut scrape = std::mem::take(&mut self.scrape);
        scrape.metrics.sort();
        scrape.traffic.sort_by_key(|(actor, _)| *actor);
        let scrape = Arc::new(scrape);
        for reply in self.replies.drain(..) {
            let _ = reply.send(Arc::clone(&scrape));
        }
    }
}
