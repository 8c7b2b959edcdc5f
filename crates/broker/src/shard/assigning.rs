//! Telling the controller in which log directory each replica is (KIP-858), where its record says something else: it
//! can move leaderships from a directory that fails only if it knows what was in it.

use std::collections::BTreeMap;

use protocol::messages::AssignReplicasToDirsRequest;
use protocol::messages::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use protocol::{ErrorCode, Request, Response};
use types::{TopicIdPartition, Uuid};

use super::{ControllerWait, Shard, Turn};
use crate::event::DirectoryIndex;
use crate::message::{Message, RequestContext};
use crate::purgatory::NEVER;

const VERSION: i16 = 0;
/// Kafka's.
const PARTITIONS_MAX: usize = 2250;
const RETRY_MS: i64 = 1000;

#[derive(Default)]
pub(crate) struct Assignments {
    wanted: BTreeMap<TopicIdPartition, DirectoryIndex>,
    under_way: bool,
    /// Monotonic time before which nothing is asked again.
    again_at: u64,
}

impl Assignments {
    pub fn next_deadline(&self) -> Option<u64> {
        (!self.under_way && !self.wanted.is_empty()).then_some(self.again_at)
    }
}

impl Shard {
    pub(super) fn want_directory_assigned(&mut self, id: TopicIdPartition, directory: DirectoryIndex) {
        self.assignments.wanted.insert(id, directory);
    }

    /// The controller's record of where this replica is may be none, or wrong.
    pub(super) fn compare_directory(&mut self, id: TopicIdPartition, recorded: Uuid) {
        let Some(partition) = self.partitions.get(&id).filter(|partition| !partition.offline) else { return };
        let actual = self.directory_id(partition.directory);
        let moves = partition.future.is_some();
        let directory = partition.directory;
        let is_known = self.cluster.image.cluster.broker(self.node.node_id.0).is_some();
        if actual != recorded
            && !actual.is_zero()
            && !moves
            && is_known
            && self.cluster.image.metadata_version().supports_directories()
        {
            self.want_directory_assigned(id, directory);
        }
    }

    /// Where the controller says that this node's replica is. None where it has none.
    pub(super) fn recorded_directory(&self, id: &TopicIdPartition) -> Option<Uuid> {
        let topic = self.cluster.topic_by_id(id.topic_id)?;
        topic.state(id.partition)?.directory(self.node.node_id.0)
    }

    /// Whether this log directory is to get no new replicas.
    pub(crate) fn is_cordoned(&self, index: DirectoryIndex) -> bool {
        let image = &self.cluster.image;
        image.metadata_version().supports_cordoned_directories()
            && crate::directories::cordoned(image, &self.node).contains(&self.directory_id(index))
    }

    fn directory_id(&self, index: DirectoryIndex) -> Uuid {
        self.directories.get(index).map_or(Uuid::ZERO, |started| started.directory.id())
    }

    pub(super) fn ask_for_assignments(&mut self, turn: &mut Turn) {
        let idle = self.assignments.wanted.is_empty() || self.assignments.under_way;
        if idle || self.stopping || turn.now.monotonic_us < self.assignments.again_at {
            return;
        }
        let mut asked = Vec::new();
        let mut directories: Vec<DirectoryData> = Vec::new();
        while asked.len() < PARTITIONS_MAX
            && let Some((id, directory)) = self.assignments.wanted.pop_first()
        {
            if self.partitions.get(&id).is_none_or(|partition| partition.offline) {
                continue;
            }
            let directory_id = self.directory_id(directory);
            push(&mut directories, directory_id, id);
            asked.push((id, directory));
        }
        if asked.is_empty() {
            return;
        }
        self.assignments.under_way = true;
        let request = AssignReplicasToDirsRequest {
            broker_id: self.node.node_id.0,
            broker_epoch: self.broker_epoch(),
            directories,
        };
        let id = self.new_work();
        self.controller_calls.insert(id, NEVER, ControllerWait::Assignments(asked));
        let context = RequestContext::of_broker(VERSION);
        let request = Box::new(Request::AssignReplicasToDirs(request));
        turn.send_quorum(Message::ControllerRequest { id, context, request });
    }

    pub(crate) fn on_assignments(
        &mut self,
        turn: &mut Turn,
        asked: Vec<(TopicIdPartition, DirectoryIndex)>,
        response: Response,
    ) {
        self.assignments.under_way = false;
        let mut again = false;
        for (id, directory) in asked {
            match answer(&response, id) {
                Ok(()) => self.on_directory_assigned(turn, &id, directory),
                // an image will tell that the replica is not here
                Err(
                    ErrorCode::UnknownTopicId
                    | ErrorCode::UnknownTopicOrPartition
                    | ErrorCode::NotLeaderOrFollower
                    | ErrorCode::UnsupportedVersion,
                ) => {}
                Err(_) => {
                    self.assignments.wanted.entry(id).or_insert(directory);
                    again = true;
                }
            }
        }
        if again {
            self.assignments.again_at = turn.after_ms(RETRY_MS);
        }
    }
}

fn push(directories: &mut Vec<DirectoryData>, directory_id: Uuid, id: TopicIdPartition) {
    let partition = PartitionData { partition_index: id.partition };
    let topic = TopicData { topic_id: id.topic_id, partitions: Vec::new() };
    let known = directories.iter().position(|one| one.id == directory_id);
    let at = known.unwrap_or_else(|| {
        directories.push(DirectoryData { id: directory_id, topics: Vec::new() });
        directories.len() - 1
    });
    let Some(directory) = directories.get_mut(at) else { return };
    if directory.topics.last().is_none_or(|last| last.topic_id != id.topic_id) {
        directory.topics.push(topic);
    }
    if let Some(last) = directory.topics.last_mut() {
        last.partitions.push(partition);
    }
}

fn answer(response: &Response, id: TopicIdPartition) -> Result<(), ErrorCode> {
    let Response::AssignReplicasToDirs(response) = response else { return Err(ErrorCode::RequestTimedOut) };
    if response.error_code != 0 {
        return Err(ErrorCode::from(response.error_code));
    }
    let topics = response.directories.iter().flat_map(|directory| &directory.topics);
    let mut partitions =
        topics.filter(|topic| topic.topic_id == id.topic_id).flat_map(|topic| &topic.partitions);
    let found = partitions.find(|one| one.partition_index == id.partition);
    match found.map_or(ErrorCode::UnknownServerError, |one| ErrorCode::from(one.error_code)) {
        ErrorCode::None => Ok(()),
        error => Err(error),
    }
}
