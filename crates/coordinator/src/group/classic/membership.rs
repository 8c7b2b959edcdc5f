//! Adding, changing and removing members, and what is counted over them: protocols, votes, waiting joins.

use bytes::Bytes;
use protocol::Str;
use protocol::messages::JoinGroupRequest;
use protocol::messages::join_group_response::JoinGroupResponseMember;

use super::ClassicGroup;
use super::member::{Member, WaitingJoin};

impl ClassicGroup {
    /// Whether a member with these protocols can be in the group.
    pub fn supports(&self, request: &JoinGroupRequest) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|protocol| self.is_supported_by_all(&protocol.name))
    }

    fn is_supported_by_all(&self, protocol: &str) -> bool {
        self.supported.get(protocol).is_some_and(|count| *count == self.members.len())
    }

    pub fn add(&mut self, member: Member, protocol_type: Option<Str>) {
        if self.members.is_empty() {
            self.protocol_type = protocol_type;
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.count(&member, true);
        self.pending_members.remove(&member.id);
        let replaced = self.members.insert(member.id.clone(), member);
        assert!(replaced.is_none(), "a member joins under a new id");
    }

    /// Takes a member out; whoever calls answers what of it was waiting.
    pub fn remove(&mut self, member_id: &str) -> Option<Member> {
        self.pending_members.remove(member_id);
        self.pending_syncs.remove(member_id);
        let member = self.members.remove(member_id)?;
        self.count(&member, false);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// What a member brings to its next join. Gives the join that was waiting before, if any.
    pub fn update(
        &mut self,
        member_id: &str,
        protocols: Vec<(Str, Bytes)>,
        (rebalance_timeout_ms, session_timeout_ms): (i32, i32),
        waiting_join: Option<WaitingJoin>,
    ) -> Option<WaitingJoin> {
        let mut member = self.members.remove(member_id)?;
        self.count(&member, false);
        member.protocols = protocols;
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        let before = std::mem::replace(&mut member.waiting_join, waiting_join);
        self.count(&member, true);
        self.members.insert(member.id.clone(), member);
        before
    }

    /// Keeps `supported` and `waiting_joins` true when a member comes or goes.
    fn count(&mut self, member: &Member, comes: bool) {
        for (name, _) in &member.protocols {
            let count = match self.supported.get_mut(name) {
                Some(count) => count,
                None => self.supported.entry(name.clone()).or_insert(0),
            };
            *count = if comes { *count + 1 } else { *count - 1 };
            if *count == 0 {
                self.supported.remove(name);
            }
        }
        if member.waiting_join.is_some() {
            self.waiting_joins = if comes { self.waiting_joins + 1 } else { self.waiting_joins - 1 };
        }
    }

    pub fn take_waiting_join(&mut self, member_id: &str) -> Option<WaitingJoin> {
        let waiting = self.members.get_mut(member_id)?.waiting_join.take()?;
        self.waiting_joins -= 1;
        Some(waiting)
    }

    /// Each member votes for the first of its protocols that all know; most votes win, then the first name.
    pub fn select_protocol(&self) -> Option<Str> {
        let candidates: Vec<&Str> =
            self.supported.keys().filter(|name| self.is_supported_by_all(name)).collect();
        let mut votes = vec![0usize; candidates.len()];
        for member in self.members.values() {
            let vote = member.protocols.iter().find_map(|(name, _)| candidates.binary_search(&name).ok());
            if let Some(count) = vote.and_then(|vote| votes.get_mut(vote)) {
                *count += 1;
            }
        }
        let most = votes.iter().copied().max()?;
        let winner = votes.iter().position(|count| *count == most)?;
        candidates.get(winner).map(|name| (*name).clone())
    }

    /// What the leader needs to assign.
    pub fn response_members(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.clone().unwrap_or_default();
        self.members
            .values()
            .map(|member| JoinGroupResponseMember {
                member_id: member.id.clone(),
                group_instance_id: member.instance_id.clone(),
                metadata: member.metadata(&protocol),
            })
            .collect()
    }
}
