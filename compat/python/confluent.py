"""confluent-kafka: librdkafka through Python. The contract is in compat/README.md."""
import threading

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import contract
from contract import COUNT, PARTITIONS, REPLICATION, Failure, NotApplicable, Reader


class Confluent:
    def __init__(self, bootstrap, name):
        self.settings = {"bootstrap.servers": bootstrap, "log_level": 2}
        self.name = name

    def version(self):
        return f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"

    def create(self):
        config = {"max.message.bytes": "2097152", "retention.ms": "-1"}
        return self.create_topics([NewTopic(f"{self.name}.{codec}", PARTITIONS, REPLICATION, config=config) for codec in contract.CODECS])

    def create_topics(self, topics):
        admin = AdminClient(self.settings)
        for future in admin.create_topics(topics, request_timeout=60).values():
            future.result(60)
        return f"{len(topics)} topics"

    def producer(self, **settings):
        return Producer(self.settings | {"enable.idempotence": True} | {k.replace("_", "."): v for k, v in settings.items()})

    def produce(self, codec):
        producer = self.producer(compression_type=codec, message_max_bytes=2_000_000)
        failures = []

        def done(error, message):
            if error or message.offset() != done.expected[message.partition()]:
                failures.append(str(error or f"offset {message.offset()}"))
            done.expected[message.partition()] += 1

        done.expected = [0] * PARTITIONS
        for i in range(COUNT):
            producer.produce(f"{self.name}.{codec}", contract.value(i), contract.key(i), i % PARTITIONS, on_delivery=done,
                             timestamp=contract.timestamp(i), headers=contract.headers(i))
            producer.poll(0)
        if producer.flush(60) or failures:
            raise Failure(f"{len(producer)} left, failed: {failures[:3]}")
        return f"{COUNT} records"

    def consumer(self, **settings):
        defaults = {"group.id": f"{self.name}.unused", "enable.auto.commit": False, "auto.offset.reset": "error"}
        return Consumer(self.settings | defaults | {k.replace("_", "."): v for k, v in settings.items()})

    def compare(self, topic, start, expected):
        consumer = self.consumer(enable_partition_eof=False)
        consumer.assign([TopicPartition(topic, p, start) for p in range(PARTITIONS)])
        reader = Reader(expected, start)
        while reader.unfinished():
            for message in consumer.consume(1000, 0.5):
                if message.error():
                    raise KafkaException(message.error())
                reader.take(message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(),
                            message.headers())
        for p in range(PARTITIONS):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, p), 60)
            if high != reader.next[p]:
                raise Failure(f"partition {p} ends at {high}, read up to {reader.next[p]}")
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
        asked = [TopicPartition(f"{self.name}.none", p, contract.timestamp(target)) for p in range(PARTITIONS)]
        for found in consumer.offsets_for_times(asked, 60):
            if found.offset != contract.expected_offset(found.partition, target):
                raise Failure(f"partition {found.partition}: {found.offset}")
        consumer.close()
        return f"offsets of record {target}"

    def error(self, error):
        action, expected = {
            "unknown-topic": (self.describe_nowhere, (KafkaError.UNKNOWN_TOPIC_OR_PART,)),
            "invalid-topic": (lambda: self.create_topics([NewTopic("not a name!", 1, 1)]), (KafkaError.TOPIC_EXCEPTION,)),
            "too-large": (self.too_large, (KafkaError.MSG_SIZE_TOO_LARGE,)),
            "out-of-range": (self.read_past_the_end, (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)),
            "stale-generation": (self.commit_after_leaving, (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)),
        }[error]
        try:
            action()
        except KafkaException as raised:
            if raised.args[0].code() in expected:
                return raised.args[0].name()
            raise
        raise Failure("no error")

    def describe_nowhere(self):
        # Consumers do not create topics in librdkafka unless they are told to.
        consumer = self.consumer()
        consumer.subscribe([f"{self.name}.nowhere"])
        reader = Reader(1)
        while reader.unfinished():
            message = consumer.poll(0.5)
            if message and message.error():
                consumer.close()
                raise KafkaException(message.error())

    def too_large(self):
        topic = f"{self.name}.small"
        self.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "1000"})])
        errors = []
        producer = self.producer()
        producer.produce(topic, b"x" * 10_000, on_delivery=lambda error, _: errors.append(error))
        producer.flush(60)
        if errors and errors[0]:
            raise KafkaException(errors[0])

    def read_past_the_end(self):
        consumer = self.consumer()
        consumer.assign([TopicPartition(f"{self.name}.none", 0, 1_000_000_000)])
        reader = Reader(1)
        while reader.unfinished():
            message = consumer.poll(0.5)
            if message and message.error():
                consumer.close()
                raise KafkaException(message.error())

    def commit_after_leaving(self):
        raise NotApplicable("nothing lets one commit for a generation of its own choice")

    def flow(self, topic):
        failures = []
        stopping = contract.EndOfInput()
        producer = self.producer()
        partitions = len(producer.list_topics(topic, 60).topics[topic].partitions)
        count = 0
        while not stopping and not failures:
            for _ in range(10):
                producer.produce(topic, b"%d" % count, partition=count % partitions,
                                 on_delivery=lambda error, _: error and failures.append(error))
                count += 1
            producer.poll(0)
            stopping.pace(0.02)
        if producer.flush(60) or failures:
            raise Failure(str(failures[:3]))
        print("sent", count, sep="\t", flush=True)

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
            messages = [m for m in consumer.consume(500, 0.2) if not m.error()]
            if messages:
                contract.got((m.partition(), m.offset(), m.value()) for m in messages)
                try:
                    consumer.commit(asynchronous=False)
                except KafkaException as raised:
                    # A rebalance came between: another member gets these records again.
                    print(raised, flush=True)
        consumer.close()

    def committed(self, group, topic, partitions):
        consumer = self.consumer(group_id=group)
        for found in consumer.committed([TopicPartition(topic, p) for p in range(int(partitions))], 60):
            print("committed", found.partition, found.offset, sep="\t")


contract.run(Confluent, "confluent")
