"""aiokafka. The contract is in compat/README.md."""
import asyncio
import sys

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import contract
from contract import COUNT, PARTITIONS, REPLICATION, Failure, NotApplicable, Reader


def blocking(method):
    """The contract's loop is a plain one: each check gets an event loop of its own."""
    return lambda self, *arguments: asyncio.run(method(self, *arguments))


class AioKafka:
    def __init__(self, bootstrap, name):
        self.bootstrap = bootstrap
        self.name = name

    def version(self):
        return aiokafka.__version__

    @blocking
    async def create(self):
        config = {"max.message.bytes": "2097152", "retention.ms": "-1"}
        names = [f"{self.name}.{codec}" for codec in contract.CODECS]
        return await self.create_topics([NewTopic(name, PARTITIONS, REPLICATION, topic_configs=config) for name in names])

    async def create_topics(self, topics):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            answer = await admin.create_topics(topics)
        finally:
            await admin.close()
        for topic, code, *_ in answer.topic_errors:
            if code:
                raise errors.for_code(code)(topic)
        return f"{len(topics)} topics"

    def producer(self, **settings):
        return AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True, **settings)

    @blocking
    async def produce(self, codec):
        producer = self.producer(compression_type=None if codec == "none" else codec, linger_ms=5, max_request_size=2_000_000)
        await producer.start()
        try:
            futures = [await producer.send(f"{self.name}.{codec}", contract.value(i), contract.key(i), i % PARTITIONS,
                                           contract.timestamp(i), contract.headers(i)) for i in range(COUNT)]
            for i, answer in enumerate(await asyncio.wait_for(asyncio.gather(*futures), 60)):
                if answer.offset != i // PARTITIONS:
                    raise Failure(f"record {i} got offset {answer.offset}")
        finally:
            await producer.stop()
        return f"{COUNT} records"

    async def consumer(self, *topics, **settings):
        defaults = {"bootstrap_servers": self.bootstrap, "enable_auto_commit": False, "auto_offset_reset": "none"}
        consumer = AIOKafkaConsumer(*topics, **(defaults | settings))
        await consumer.start()
        return consumer

    async def compare(self, topic, start, expected):
        consumer = await self.consumer()
        try:
            partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, start)
            reader = Reader(expected, start)
            while reader.unfinished():
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for r in records:
                        reader.take(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for partition, end in (await consumer.end_offsets(partitions)).items():
                if end != reader.next[partition.partition]:
                    raise Failure(f"{partition} ends at {end}")
        finally:
            await consumer.stop()

    @blocking
    async def read(self, codec, other):
        await self.compare(f"{other}.{codec}", 0, COUNT)
        return f"{COUNT} records"

    @blocking
    async def offset(self):
        start = COUNT // 10
        await self.compare(f"{self.name}.none", start, COUNT - start * PARTITIONS)
        return f"from offset {start}"

    @blocking
    async def time(self):
        target = COUNT // 2
        consumer = await self.consumer()
        asked = {TopicPartition(f"{self.name}.none", p): contract.timestamp(target) for p in range(PARTITIONS)}
        try:
            for partition, found in (await consumer.offsets_for_times(asked)).items():
                if found.offset != contract.expected_offset(partition.partition, target):
                    raise Failure(f"{partition}: {found.offset}")
        finally:
            await consumer.stop()
        return f"offsets of record {target}"

    @blocking
    async def error(self, error):
        action, expected = {
            "unknown-topic": (self.delete_nowhere, errors.UnknownTopicOrPartitionError),
            "invalid-topic": (lambda: self.create_topics([NewTopic("not a name!", 1, 1)]), errors.InvalidTopicError),
            "too-large": (self.too_large, errors.MessageSizeTooLargeError),
            "out-of-range": (self.read_past_the_end, errors.OffsetOutOfRangeError),
            "stale-generation": (None, None),
        }[error]
        if action is None:
            raise NotApplicable("rejoins by itself")
        try:
            await action()
        except expected as raised:
            return type(raised).__name__
        raise Failure("no error")

    async def delete_nowhere(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            answer = await admin.delete_topics([f"{self.name}.nowhere"])
            for topic, code, *_ in answer.topic_error_codes:
                if code:
                    raise errors.for_code(code)(topic)
        finally:
            await admin.close()

    async def too_large(self):
        topic = f"{self.name}.small"
        await self.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "1000"})])
        producer = self.producer()
        await producer.start()
        try:
            await producer.send_and_wait(topic, b"x" * 10_000)
        finally:
            await producer.stop()

    async def read_past_the_end(self):
        consumer = await self.consumer()
        partition = TopicPartition(f"{self.name}.none", 0)
        consumer.assign([partition])
        consumer.seek(partition, 1_000_000_000)
        try:
            await asyncio.wait_for(consumer.getone(), 60)
        finally:
            await consumer.stop()

    @blocking
    async def flow(self, topic):
        stopping = contract.EndOfInput()
        producer = self.producer()
        await producer.start()
        partitions = len(await producer.partitions_for(topic))
        futures = []
        while not stopping:
            for _ in range(10):
                number = len(futures)
                futures.append(await producer.send(topic, b"%d" % number, partition=number % partitions))
            await asyncio.sleep(0.02)
        await asyncio.gather(*futures)
        await producer.stop()
        print("sent", len(futures), sep="\t", flush=True)

    @blocking
    async def member(self, group, topic, count):
        stopping = contract.EndOfInput()
        await asyncio.gather(*(self.one_member(group, topic, stopping) for _ in range(int(count))))

    async def one_member(self, group, topic, stopping):
        consumer = await self.consumer(topic, group_id=group, auto_offset_reset="earliest", session_timeout_ms=6000,
                                       heartbeat_interval_ms=500, rebalance_timeout_ms=10000)
        while not stopping:
            rows = [(r.partition, r.offset, r.value) for records in (await consumer.getmany(timeout_ms=200)).values() for r in records]
            if rows:
                contract.got(rows)
                try:
                    await consumer.commit()
                except errors.KafkaError as raised:
                    # A rebalance came between: another member gets these records again.
                    print(raised, file=sys.stderr)
        await consumer.stop()

    @blocking
    async def committed(self, group, topic, partitions):
        consumer = await self.consumer(group_id=group)
        for p in range(int(partitions)):
            offset = await consumer.committed(TopicPartition(topic, p))
            print("committed", p, -1 if offset is None else offset, sep="\t")
        await consumer.stop()


contract.run(AioKafka, "aiokafka")
