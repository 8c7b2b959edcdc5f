//! What was seen in one look, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::admin::joined;

/// Partitions that are told one by one.
const TROUBLES_SHOWN: usize = 12;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Why there is no answer.
    pub error: Option<String>,
    /// Why the controllers say nothing, though a broker does; what there is of brokers and leaders is then what was
    /// last heard of them.
    pub controllers_silent: Option<String>,
    pub cluster_id: String,
    /// The active controller, -1 where there is none.
    pub leader: i32,
    pub leader_epoch: i32,
    pub controllers: Vec<Controller>,
    /// Brokers that serve, and those that only have replicas.
    pub nodes: BTreeMap<i32, Node>,
    pub partitions: usize,
    pub troubles: Vec<Trouble>,
}

/// A voter of the metadata quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controller {
    pub id: i32,
    /// Records behind the leader.
    pub lag: i64,
    /// Since it fetched last.
    pub silent_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// None while it is away.
    pub address: Option<String>,
    pub rack: Option<String>,
    pub leads: usize,
    pub replicas: usize,
    pub in_sync: usize,
    /// Committed records that its replicas do not have yet.
    pub lag: i64,
    pub bytes: i64,
    /// Whether it told of its own directories.
    pub answers: bool,
    /// Log directories that it has lost.
    pub failed_directories: Vec<String>,
}

/// A partition that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    pub partition: String,
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

impl View {
    pub fn unanswered(error: String) -> View {
        View { at: crate::dates::now_ms(), error: Some(error), leader: -1, ..View::default() }
    }

    pub fn is_well(&self) -> bool {
        self.complaints().is_empty()
    }

    fn complaints(&self) -> Vec<String> {
        if let Some(error) = &self.error {
            return vec![format!("the cluster does not answer: {error}")];
        }
        let mut all = Vec::new();
        if self.controllers_silent.is_some() {
            all.push(self.without_controllers());
        } else if self.leader < 0 {
            all.push("there is no active controller: nothing can be created or changed".to_owned());
        }
        let away: Vec<i32> =
            self.nodes.iter().filter(|(_, node)| node.address.is_none()).map(|(id, _)| *id).collect();
        if !away.is_empty() {
            all.push(format!("away: {}", joined(&away)));
        }
        let silent = self.nodes.iter().filter(|(_, node)| node.address.is_some() && !node.answers);
        let silent: Vec<i32> = silent.map(|(id, _)| *id).collect();
        if !silent.is_empty() {
            all.push(format!("no answer: {}", joined(&silent)));
        }
        for (id, node) in &self.nodes {
            let lost = node.failed_directories.iter();
            all.extend(lost.map(|path| format!("broker {id} has lost its log directory {path}")));
        }
        let leaderless = self.troubles.iter().filter(|trouble| trouble.leader.is_none()).count();
        for (count, what) in [(leaderless, "no leader"), (self.troubles.len(), "not all replicas in sync")] {
            if count > 0 {
                let noun = if count == 1 { "partition has" } else { "partitions have" };
                all.push(format!("{count} {noun} {what}"));
            }
        }
        all
    }

    /// What still works, and what does not.
    fn without_controllers(&self) -> String {
        let answering: Vec<i32> =
            self.nodes.iter().filter(|(_, node)| node.answers).map(|(id, _)| *id).collect();
        let read = match answering.as_slice() {
            [] => "nothing can be read".to_owned(),
            [one] => format!("what broker {one} leads can be read"),
            several => format!("what brokers {} lead can be read", joined(several)),
        };
        format!(
            "no majority of the controllers answers: {read}, nothing can be created or changed until more of them run"
        )
    }

    pub fn text(&self) -> String {
        let time = crate::dates::format(self.at, "HH:mm:ss");
        let complaints = self.complaints();
        let verdict = match complaints.is_empty() {
            true => format!("all is well: {} partitions, all replicas in sync", self.partitions),
            false => complaints.join("; "),
        };
        let mut out = format!("{time}  {verdict}\n");
        if self.error.is_some() {
            return out;
        }
        self.controllers_text(&mut out);
        let head = ["BROKER", "ADDRESS", "RACK", "LEADS", "REPLICAS", "IN SYNC", "LAG", "SIZE"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (id, node) in &self.nodes {
            rows.push(vec![
                id.to_string(),
                match &node.address {
                    Some(address) if node.answers => address.clone(),
                    Some(address) => format!("{address} (no answer)"),
                    None => "away".to_owned(),
                },
                node.rack.clone().unwrap_or_else(|| "-".to_owned()),
                node.leads.to_string(),
                node.replicas.to_string(),
                node.in_sync.to_string(),
                node.lag.to_string(),
                size(node.bytes),
            ]);
        }
        out.push('\n');
        table(&mut out, &rows);
        self.troubles_text(&mut out);
        out
    }

    fn controllers_text(&self, out: &mut String) {
        if let Some(reason) = &self.controllers_silent {
            let _ = writeln!(out, "cluster {}, as it was last heard of", self.cluster_id);
            let _ = writeln!(out, "controllers: {reason}");
            return;
        }
        let _ = writeln!(out, "cluster {}, metadata epoch {}\n", self.cluster_id, self.leader_epoch);
        let mut rows = vec![["CONTROLLER", "ROLE", "LAG", "LAST FETCH"].map(str::to_owned).to_vec()];
        for one in &self.controllers {
            let leads = one.id == self.leader;
            let fetch = if leads { "-".to_owned() } else { format!("{} ms ago", one.silent_ms) };
            let role = if leads { "leader" } else { "follower" };
            rows.push(vec![one.id.to_string(), role.to_owned(), one.lag.to_string(), fetch]);
        }
        table(out, &rows);
    }

    fn troubles_text(&self, out: &mut String) {
        if self.troubles.is_empty() {
            return;
        }
        let mut rows = vec![["PARTITION", "LEADER", "REPLICAS", "IN SYNC"].map(str::to_owned).to_vec()];
        for one in self.troubles.iter().take(TROUBLES_SHOWN) {
            let leader = one.leader.map_or_else(|| "none".to_owned(), |id| id.to_string());
            rows.push(vec![one.partition.clone(), leader, joined(&one.replicas), joined(&one.in_sync)]);
        }
        out.push('\n');
        table(out, &rows);
        if self.troubles.len() > TROUBLES_SHOWN {
            let _ = writeln!(out, "and {} more", self.troubles.len() - TROUBLES_SHOWN);
        }
    }

    pub fn json(&self) -> Value {
        let controller = |one: &Controller| {
            let leads = one.id == self.leader;
            json!({ "id": one.id, "leader": leads, "lag": one.lag, "last_fetch_ms_ago": one.silent_ms })
        };
        let node = |(id, node): (&i32, &Node)| {
            json!({
                "id": id,
                "address": node.address,
                "rack": node.rack,
                "leads": node.leads,
                "replicas": node.replicas,
                "in_sync": node.in_sync,
                "lag": node.lag,
                "bytes": node.bytes,
                "answers": node.answers,
                "failed_directories": node.failed_directories,
            })
        };
        let trouble = |one: &Trouble| {
            json!({
                "partition": one.partition,
                "leader": one.leader,
                "replicas": one.replicas,
                "isr": one.in_sync,
            })
        };
        json!({
            "time": self.at,
            "well": self.is_well(),
            "complaints": self.complaints(),
            "cluster": self.cluster_id,
            "leader": (self.leader >= 0).then_some(self.leader),
            "epoch": self.leader_epoch,
            "controllers_answer": self.error.is_none() && self.controllers_silent.is_none(),
            "controllers": self.controllers.iter().map(controller).collect::<Vec<_>>(),
            "brokers": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "partitions": self.partitions,
            "troubles": self.troubles.iter().map(trouble).collect::<Vec<_>>(),
        })
    }
}

/// Columns two blanks apart, each as wide as its widest cell.
fn table(out: &mut String, rows: &[Vec<String>]) {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(line, "{cell:0$}  ", width(column));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn size(bytes: i64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            let digits = usize::from(unit != "B");
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let node = |address: Option<&str>, leads, in_sync| Node {
            address: address.map(str::to_owned),
            leads,
            replicas: 2,
            in_sync,
            bytes: 3 << 20,
            answers: address.is_some(),
            ..Node::default()
        };
        View {
            at: 1_795_286_599_399,
            cluster_id: "c".to_owned(),
            leader: 1,
            leader_epoch: 4,
            controllers: vec![
                Controller { id: 1, ..Controller::default() },
                Controller { id: 2, lag: 10, silent_ms: 2500 },
            ],
            nodes: BTreeMap::from([(1, node(Some("h:9092"), 2, 2)), (2, node(None, 0, 1))]),
            partitions: 2,
            troubles: vec![Trouble {
                partition: "orders-1".to_owned(),
                leader: Some(1),
                replicas: vec![1, 2],
                in_sync: vec![1],
            }],
            ..View::default()
        }
    }

    #[test]
    fn a_look_in_words() {
        let expected = "\
18:43:19  away: 2; 1 partition has not all replicas in sync
cluster c, metadata epoch 4

CONTROLLER  ROLE      LAG  LAST FETCH
1           leader    0    -
2           follower  10   2500 ms ago

BROKER  ADDRESS  RACK  LEADS  REPLICAS  IN SYNC  LAG  SIZE
1       h:9092   -     2      2         2        0    3.0 MiB
2       away     -     0      2         1        0    3.0 MiB

PARTITION  LEADER  REPLICAS  IN SYNC
orders-1   1       1,2       1
";
        assert_eq!(view().text(), expected);
    }

    #[test]
    fn verdicts() {
        let mut well = view();
        well.troubles.clear();
        well.nodes.remove(&2);
        assert!(well.is_well());
        assert_eq!(
            well.text().lines().next(),
            Some("18:43:19  all is well: 2 partitions, all replicas in sync")
        );
        let none = View { leader: -1, ..well };
        assert_eq!(none.complaints(), ["there is no active controller: nothing can be created or changed"]);
        let unanswered = View::unanswered("nobody".to_owned());
        assert_eq!(unanswered.complaints(), ["the cluster does not answer: nobody"]);
        let json = view().json();
        assert_eq!((&json["well"], &json["brokers"][1]["address"]), (&json!(false), &Value::Null));
        assert_eq!(json["troubles"][0]["isr"], json!([1]));
    }

    #[test]
    fn a_look_without_controllers() {
        let mut view = View { leader: -1, controllers: Vec::new(), ..view() };
        view.controllers_silent = Some("no answer within 3000 ms".to_owned());
        view.troubles.clear();
        let dead = Node { address: Some("h:9094".to_owned()), answers: false, ..view.nodes[&2].clone() };
        view.nodes.insert(2, dead);
        let expected = "\
18:43:19  no majority of the controllers answers: what broker 1 leads can be read, nothing can be created or changed \
until more of them run; no answer: 2
cluster c, as it was last heard of
controllers: no answer within 3000 ms

BROKER  ADDRESS             RACK  LEADS  REPLICAS  IN SYNC  LAG  SIZE
1       h:9092              -     2      2         2        0    3.0 MiB
2       h:9094 (no answer)  -     0      2         1        0    3.0 MiB
";
        assert_eq!(view.text(), expected);
        let json = view.json();
        assert_eq!((&json["controllers_answer"], &json["partitions"]), (&json!(false), &json!(2)));
        assert_eq!(
            (&json["brokers"][0]["answers"], &json["brokers"][1]["answers"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(json["leader"], Value::Null);
    }

    #[test]
    fn a_lost_directory_is_told() {
        let mut view = view();
        view.troubles.clear();
        view.nodes.remove(&2);
        view.nodes.values_mut().for_each(|node| node.failed_directories = vec!["/disk1".to_owned()]);
        assert_eq!(view.complaints(), ["broker 1 has lost its log directory /disk1"]);
        assert_eq!(view.json()["brokers"][0]["failed_directories"], json!(["/disk1"]));
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
