//! Moves between the log directories of a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::Error;
use protocol::messages::AlterReplicaLogDirsRequest;
use protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::{ErrorCode, Str};
use tokio::time::{Instant, sleep};

use super::cluster::Where;
use super::plan::{Directories, Replica};
use super::{Failed, plural};
use crate::Stop;
use crate::admin::{Admin, java_text};
use crate::options::Parsed;
use crate::output::say;

const PAUSE: Duration = Duration::from_millis(100);

/// `--timeout`.
pub fn patience(parsed: &Parsed) -> Result<Duration, Stop> {
    let ms: i64 = parsed.number("timeout")?.unwrap_or(10_000);
    Ok(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// `topic-partition-broker`.
fn name((place, broker): &Replica) -> String {
    format!("{}-{broker}", super::name(place))
}

/// Starts the moves; a replica that is not on its broker yet is tried again.
pub async fn start(admin: &Admin, moves: &Directories, patience: Duration) -> Result<(), Failed> {
    let mut pending = moves.clone();
    let end = Instant::now() + patience;
    loop {
        try_all(admin, &mut pending).await?;
        if pending.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let names: Vec<String> = pending.keys().map(name).collect();
            return Err(Failed::Plainly(format!(
                "Timed out before log directory move{} could be started for: {}",
                plural(names.len()),
                names.join(",")
            )));
        }
        sleep(PAUSE).await;
    }
}

/// Takes out of `pending` what has begun.
async fn try_all(admin: &Admin, pending: &mut Directories) -> Result<(), Failed> {
    let brokers: BTreeSet<i32> = pending.keys().map(|(_, broker)| *broker).collect();
    for broker in brokers {
        let of_broker = pending.iter().filter(|((_, on), _)| *on == broker);
        let response = admin.call_node(broker, &request(of_broker)).await?;
        for topic in response.results {
            for one in topic.partitions {
                let replica = ((topic.topic_name.to_string(), one.partition_index), broker);
                match Error::check(one.error_code, None) {
                    Ok(()) => {
                        if let Some(directory) = pending.remove(&replica) {
                            let ((topic, partition), broker) = replica;
                            say!(
                                "Successfully started moving log directory to {directory} for replica \
                                 {topic}-{partition} with broker {broker} "
                            );
                        }
                    }
                    Err(error) if error.code() == Some(ErrorCode::ReplicaNotAvailable) => {}
                    Err(error) => {
                        let text = format!("Failed to alter dir for {}", name(&replica));
                        return Err(Failed::Error(format!("{text}: {}", java_text(&error))));
                    }
                }
            }
        }
    }
    Ok(())
}

fn request<'a>(moves: impl Iterator<Item = (&'a Replica, &'a String)>) -> AlterReplicaLogDirsRequest {
    let mut directories: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
    for (((topic, partition), _), directory) in moves {
        directories.entry(directory).or_default().entry(topic).or_default().push(*partition);
    }
    let topic =
        |(name, partitions): (&str, Vec<i32>)| AlterReplicaLogDirTopic { name: Str::from(name), partitions };
    let directory = |(path, topics): (&str, BTreeMap<&str, Vec<i32>>)| AlterReplicaLogDir {
        path: Str::from(path),
        topics: topics.into_iter().map(topic).collect(),
    };
    AlterReplicaLogDirsRequest { dirs: directories.into_iter().map(directory).collect() }
}

/// What became of a move: a sentence, and whether it is still under way.
pub fn state(replica: &Replica, target: &str, is: &Where) -> (String, bool) {
    let ((topic, partition), broker) = replica;
    let of = format!("Partition {topic}-{partition}");
    match (is.current.as_deref(), is.future.as_deref()) {
        (None, _) if is.offline => (
            format!(
                "{of} is not found in any live log dir on broker {broker}. There is likely an offline log directory on \
                 the broker."
            ),
            false,
        ),
        (None, _) => (format!("{of} cannot be found in any live log directory on broker {broker}."), false),
        (_, Some(future)) if future == target => {
            (format!("Reassignment of replica {} is still in progress.", name(replica)), true)
        }
        (_, Some(future)) => {
            (format!("{of} on broker {broker} is being moved to log dir {future} instead of {target}."), true)
        }
        (Some(current), None) if current == target => {
            (format!("Reassignment of replica {} completed successfully.", name(replica)), false)
        }
        (Some(current), None) => {
            (format!("{of} on broker {broker} is not being moved from log dir {current} to {target}."), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_moves() {
        let replica: Replica = (("t".to_owned(), 0), 3);
        let is = |current: &str, future: &str, offline| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Where { current: some(current), future: some(future), offline }
        };
        for (is, text, under_way) in [
            (is("/b", "", false), "Reassignment of replica t-0-3 completed successfully.", false),
            (is("/a", "/b", false), "Reassignment of replica t-0-3 is still in progress.", true),
            (
                is("/a", "/c", false),
                "Partition t-0 on broker 3 is being moved to log dir /c instead of /b.",
                true,
            ),
            (
                is("/a", "", false),
                "Partition t-0 on broker 3 is not being moved from log dir /a to /b.",
                false,
            ),
            (
                is("", "", false),
                "Partition t-0 cannot be found in any live log directory on broker 3.",
                false,
            ),
            (
                is("", "", true),
                "Partition t-0 is not found in any live log dir on broker 3. There is likely an offline log directory \
                 on the broker.",
                false,
            ),
        ] {
            assert_eq!(state(&replica, "/b", &is), (text.to_owned(), under_way));
        }
    }
}
