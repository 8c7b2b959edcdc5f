//! Records one after another, metadata transactions included: what a transaction did is visible at its end, or
//! never.

use protocol::records::metadata::MetadataRecord;

use super::{ApplyError, Delta, MetadataImage};

#[derive(Clone, Debug, Default)]
pub struct Loader {
    /// With everything applied, an open transaction's records too.
    image: MetadataImage,
    /// As it was before the open transaction, with what had changed until then.
    before: Option<Box<(MetadataImage, Delta)>>,
    delta: Delta,
}

impl Loader {
    pub fn new(image: MetadataImage) -> Loader {
        Loader { image, before: None, delta: Delta::default() }
    }

    /// Takes one record at its offset.
    pub fn apply(&mut self, record: &MetadataRecord, offset: i64) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::BeginTransaction(_) if self.before.is_some() => {
                Err(ApplyError::Transaction("begins inside another"))
            }
            MetadataRecord::BeginTransaction(_) => {
                self.before = Some(Box::new((self.image.clone(), self.delta.clone())));
                Ok(())
            }
            MetadataRecord::EndTransaction(_) => {
                self.before.take().map(drop).ok_or(ApplyError::Transaction("ends without having begun"))
            }
            MetadataRecord::AbortTransaction(_) => {
                let before =
                    self.before.take().ok_or(ApplyError::Transaction("is aborted without having begun"))?;
                (self.image, self.delta) = *before;
                Ok(())
            }
            record => self.image.apply(record, offset, &mut self.delta),
        }
    }

    /// Everything applied so far, an open transaction included: what the active controller decides on.
    pub fn head(&self) -> &MetadataImage {
        &self.image
    }

    pub fn in_transaction(&self) -> bool {
        self.before.is_some()
    }

    /// Topics were deleted since the last `publish`, and not in a transaction that is open.
    pub fn deletes_topics(&self) -> bool {
        let delta = self.before.as_ref().map_or(&self.delta, |before| &before.1);
        !delta.topics_deleted.is_empty()
    }

    /// What may be shown: nothing of an open transaction. Gives each change once.
    pub fn publish(&mut self) -> (MetadataImage, Delta) {
        match &mut self.before {
            Some(before) => (before.0.clone(), std::mem::take(&mut before.1)),
            None => (self.image.clone(), std::mem::take(&mut self.delta)),
        }
    }
}
