//! Faults: one planned at the n-th changing call, random ones at given rates, a broken path, a full volume.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::trace::Operation;
use crate::Random;

/// What happens to a call instead of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO; a write has left nothing behind, a sync has lost what it should have kept.
    Error,
    /// EIO; a write has left a part behind.
    Torn,
    /// ENOSPC; a write has left a part behind.
    Full,
    /// Succeeds, but the bytes of a write lie elsewhere in the same file.
    Misdirected,
    /// The machine stops in the midst of this call: it and all that follow fail. `crash` starts it again.
    Halt,
}

/// One call in so many fails; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultRates {
    pub read_error: u64,
    pub write_error: u64,
    pub write_torn: u64,
    pub write_misdirected: u64,
    pub sync_error: u64,
}

#[derive(Debug)]
pub(super) struct Faults {
    planned: BTreeMap<u64, Fault>,
    rates: FaultRates,
    broken: Vec<PathBuf>,
    pub(super) halted: bool,
    /// Changing calls since the beginning.
    pub(super) changes: u64,
}

impl Faults {
    pub(super) fn new() -> Faults {
        Faults {
            planned: BTreeMap::new(),
            rates: FaultRates::default(),
            broken: Vec::new(),
            halted: false,
            changes: 0,
        }
    }

    pub(super) fn plan(&mut self, calls_from_now: u64, fault: Fault) {
        self.planned.insert(self.changes.saturating_add(calls_from_now), fault);
    }

    pub(super) fn set_rates(&mut self, rates: FaultRates) {
        self.rates = rates;
    }

    pub(super) fn break_path(&mut self, path: &Path) {
        self.broken.push(path.to_owned());
    }

    pub(super) fn heal(&mut self) {
        self.planned.clear();
        self.broken.clear();
        self.rates = FaultRates::default();
    }

    /// The fault of this call, if it has one. Errors that leave nothing behind are given at once.
    pub(super) fn next(
        &mut self,
        operation: Operation,
        path: &Path,
        random: &mut Random,
    ) -> io::Result<Option<Fault>> {
        if self.halted {
            return Err(io::Error::other("the machine has stopped"));
        }
        let mut fault = None;
        if operation.changes() {
            fault = self.planned.remove(&self.changes);
            self.changes += 1;
        }
        if self.broken.iter().any(|broken| path.starts_with(broken)) {
            fault = Some(Fault::Error);
        }
        fault = fault.or_else(|| self.draw(operation, random));
        match fault {
            Some(Fault::Halt) => self.halted = true,
            Some(Fault::Error) if operation != Operation::Sync => return Err(input_output_error()),
            _ => {}
        }
        Ok(fault)
    }

    fn draw(&self, operation: Operation, random: &mut Random) -> Option<Fault> {
        let rates = &self.rates;
        let kinds: &[(u64, Fault)] = match operation {
            Operation::Read => &[(rates.read_error, Fault::Error)],
            Operation::Write => &[
                (rates.write_error, Fault::Error),
                (rates.write_torn, Fault::Torn),
                (rates.write_misdirected, Fault::Misdirected),
            ],
            Operation::Sync => &[(rates.sync_error, Fault::Error)],
            _ => &[],
        };
        kinds.iter().find(|(rate, _)| *rate != 0 && random.one_in(*rate)).map(|(_, fault)| *fault)
    }
}

pub(super) fn input_output_error() -> io::Error {
    rustix::io::Errno::IO.into()
}

pub(super) fn no_space() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}
