"""kafka-python. The contract is in compat/README.md."""
import sys
import threading
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors
from kafka.admin import MemberToRemove

import contract
from contract import COUNT, PARTITIONS, REPLICATION, Failure, Reader


class KafkaPython:
    def __init__(self, bootstrap, name):
        self.bootstrap = bootstrap
        self.name = name

    def version(self):
        return kafka.__version__

    def create(self):
        options = {"num_partitions": PARTITIONS, "replication_factor": REPLICATION,
                   "configs": {"max.message.bytes": "2097152", "retention.ms": "-1"}}
        return self.create_topics({f"{self.name}.{codec}": options for codec in contract.CODECS})

    def create_topics(self, topics):
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.create_topics(topics, timeout_ms=60_000)
        admin.close()
        return f"{len(topics)} topics"

    def produce(self, codec):
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, compression_type=None if codec == "none" else codec,
                                 linger_ms=5, max_request_size=2_000_000, acks="all", enable_idempotence=True)
        futures = [producer.send(f"{self.name}.{codec}", contract.value(i), contract.key(i), contract.headers(i),
                                 i % PARTITIONS, contract.timestamp(i)) for i in range(COUNT)]
        for i, future in enumerate(futures):
            offset = future.get(60).offset
            if offset != i // PARTITIONS:
                raise Failure(f"record {i} got offset {offset}")
        producer.close()
        return f"{COUNT} records"

    def consumer(self, **settings):
        defaults = {"bootstrap_servers": self.bootstrap, "enable_auto_commit": False, "auto_offset_reset": "none"}
        return KafkaConsumer(**(defaults | settings))

    def compare(self, topic, start, expected):
        consumer = self.consumer()
        partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, start)
        reader = Reader(expected, start)
        while reader.unfinished():
            for records in consumer.poll(500).values():
                for r in records:
                    reader.take(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
        for partition, end in consumer.end_offsets(partitions).items():
            if end != reader.next[partition.partition]:
                raise Failure(f"{partition} ends at {end}")
        consumer.close()

    def read(self, codec, other):
        self.compare(f"{other}.{codec}", 0, COUNT)
        return f"{COUNT} records"

    def offset(self):
        start = COUNT // 10
        self.compare(f"{self.name}.none", start, COUNT - start * PARTITIONS)
        return f"from offset {start}"

    def time(self):
        target = COUNT // 2
        consumer = self.consumer()
        asked = {TopicPartition(f"{self.name}.none", p): contract.timestamp(target) for p in range(PARTITIONS)}
        for partition, found in consumer.offsets_for_times(asked).items():
            if found.offset != contract.expected_offset(partition.partition, target):
                raise Failure(f"{partition}: {found.offset}")
        consumer.close()
        return f"offsets of record {target}"

    def error(self, error):
        action, expected = {
            "unknown-topic": (self.delete_nowhere, errors.UnknownTopicOrPartitionError),
            "invalid-topic": (lambda: self.create_topics({"not a name!": {}}), errors.InvalidTopicError),
            "too-large": (self.too_large, errors.MessageSizeTooLargeError),
            "out-of-range": (self.read_past_the_end, errors.OffsetOutOfRangeError),
            "stale-generation": (self.commit_after_removal, errors.CommitFailedError),
        }[error]
        try:
            action()
        except expected as raised:
            return type(raised).__name__
        raise Failure("no error")

    def delete_nowhere(self):
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.delete_topics([f"{self.name}.nowhere"])
        finally:
            admin.close()

    def too_large(self):
        topic = f"{self.name}.small"
        self.create_topics({topic: {"num_partitions": 1, "configs": {"max.message.bytes": "1000"}}})
        producer = KafkaProducer(bootstrap_servers=self.bootstrap)
        producer.send(topic, b"x" * 10_000).get(60)

    def read_past_the_end(self):
        consumer = self.consumer()
        partition = TopicPartition(f"{self.name}.none", 0)
        consumer.assign([partition])
        consumer.seek(partition, 1_000_000_000)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            consumer.poll(500)

    def commit_after_removal(self):
        group = f"{self.name}.stale"
        consumer = self.consumer(group_id=group, auto_offset_reset="earliest")
        consumer.subscribe([f"{self.name}.none"])
        end = time.monotonic() + 60
        while not consumer.poll(500) and time.monotonic() < end:
            pass
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.remove_group_members(group, [MemberToRemove(member_id=consumer.group_metadata().member_id)])
        admin.close()
        consumer.commit()

    def flow(self, topic):
        stopping = contract.EndOfInput()
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True)
        partitions = len(producer.partitions_for(topic))
        futures = []
        while not stopping:
            for _ in range(10):
                number = len(futures)
                futures.append(producer.send(topic, b"%d" % number, partition=number % partitions))
            stopping.pace(0.02)
        for future in futures:
            future.get(60)
        producer.close()
        print("sent", len(futures), sep="\t", flush=True)

    def member(self, group, topic, count):
        stopping = contract.EndOfInput()
        threads = [threading.Thread(target=self.one_member, args=(group, topic, stopping)) for _ in range(int(count))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def one_member(self, group, topic, stopping):
        consumer = self.consumer(group_id=group, auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=500)
        consumer.subscribe([topic])
        while not stopping:
            rows = [(r.partition, r.offset, r.value) for records in consumer.poll(200).values() for r in records]
            if rows:
                contract.got(rows)
                try:
                    consumer.commit()
                except errors.KafkaError as raised:
                    # A rebalance came between: another member gets these records again.
                    print(raised, file=sys.stderr)
        consumer.close()

    def committed(self, group, topic, partitions):
        consumer = self.consumer(group_id=group)
        for p in range(int(partitions)):
            offset = consumer.committed(TopicPartition(topic, p))
            print("committed", p, -1 if offset is None else offset, sep="\t")
        consumer.close()


contract.run(KafkaPython, "kafka-python")
