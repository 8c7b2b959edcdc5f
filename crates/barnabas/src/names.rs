//! The names that the binary answers to.

pub const HELP: &str = "\
Barnabas: Apache Kafka's broker, controller and tools in one binary.

Usage: barnabas [COMMAND] [ARGUMENTS]

A node:
  server [FILE] [--override KEY=VALUE]...   starts a node; without FILE one on 127.0.0.1:9092 that keeps its data
                                            under the user's data folder. Also what plain `barnabas` does
  check-config FILE                         says what is wrong in a properties file, and starts nothing
  server-stop                               stops the nodes of this machine in good order

Every command has --help. `bin/kafka-topics.sh` and the like are these commands under their usual names.

Examples:
  barnabas                                                    a node on its own, in the foreground
  barnabas server config/server.properties                    Kafka's own file, unchanged
  barnabas check-config config/server.properties
";

/// Whether the binary was called by the name of one of Kafka's scripts.
pub fn is_tool(name: &str) -> bool {
    name.starts_with("kafka-") || name.starts_with("zookeeper-")
}
