#!/bin/sh
# Makes clean.tar.gz and killed.tar.gz beside this file with a real Kafka 4.3.1 whose jars are in $1.
set -eu
jars=$1 here=$(cd "$(dirname "$0")" && pwd) work=$(mktemp -d) port=29592
java() { command java -Xmx400m -Dlog4j2.configurationFile="$work/log4j2.properties" -cp "$jars/*" "$@"; }
cat > "$work/log4j2.properties" <<LOG
rootLogger.level=ERROR
LOG
cat > "$work/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:29593
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:29593
controller.listener.names=CONTROLLER
log.dirs=$work/data
log.index.size.max.bytes=4092
offsets.topic.num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
java kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAZA -c "$work/server.properties" >/dev/null
start() {
    command java -Xmx500m -Dlog4j2.configurationFile="$work/log4j2.properties" -cp "$jars/*" kafka.Kafka "$work/server.properties" &
    broker=$!
    until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || nc -z 127.0.0.1 $port 2>/dev/null; do sleep 1; done
}
pack() { tar -C "$work/data" --sort=name --owner=0 --group=0 -cz -f "$here/$1.tar.gz" .; }
start
java -Dserver=127.0.0.1:$port "$here/Write.java" 0 | grep -E "^(codecs|transactions) " > "$here/clean.txt"
kill $broker; wait $broker || true
pack clean
start
java -Dserver=127.0.0.1:$port "$here/Write.java" 1 | grep -E "^(codecs|transactions) " > "$here/killed.txt"
kill -9 $broker; wait $broker || true
pack killed
gzip -9 -f "$here/clean.txt" "$here/killed.txt"
rm -rf "$work"
