//! The names that the binary answers to.

pub const HELP: &str = "\
Barnabas: Apache Kafka's broker, controller and tools in one binary.

Usage: barnabas [COMMAND] [ARGUMENTS]

A node:
  server [FILE] [--override KEY=VALUE]...   starts a node; without FILE one on 127.0.0.1:9092 that keeps its data
                                            under the user's data folder. Also what plain `barnabas` does
  check-config FILE                         says what is wrong in a properties file, and starts nothing
  server-stop                               stops the nodes of this machine in good order
  storage random-uuid|info|format           looks at log directories and formats them

Several nodes on this machine, to try what a cluster does:
  cluster start|status|stop                 for example: barnabas cluster start --nodes 3; status --watch looks at
                                            leaders, lag and in-sync sets each second

Topics and groups, in short:
  topics list|create|describe|alter|delete  for example: barnabas topics create orders --partitions 3
  groups list|describe|reset|delete
                                            list and describe take --json, for programs

The replicas of a cluster, in short:
  leaders elect                             gives partitions to the first of their replicas again
  reassignments list|generate|execute|verify|cancel
                                            for example: barnabas reassignments execute plan.json
  quorum describe|replicas                  who leads and follows the metadata log

Kafka's tools, with their own flags (kafka- may be left out):
  kafka-topics  kafka-configs  kafka-consumer-groups  kafka-groups  kafka-get-offsets  kafka-delete-records
  kafka-console-producer  kafka-console-consumer  kafka-log-dirs  kafka-dump-log  kafka-storage  kafka-cluster
  kafka-features  kafka-metadata-quorum  kafka-leader-election  kafka-reassign-partitions
  kafka-metadata-shell  kafka-replica-verification
  kafka-broker-api-versions  kafka-producer-perf-test
  kafka-consumer-perf-test  kafka-e2e-latency  kafka-verifiable-producer  kafka-verifiable-consumer

In a shell:
  completion bash|zsh|fish                  a script that completes all of these: barnabas completion --help

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
