"""librdkafka through confluent-kafka under faults. The contract is in compat/README.md, "Under faults"."""
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

import contract

OUTSTANDING_MAX = 2000
TICK = 0.02
SEEK_EVERY = 5
SEEK_BACK = 300
MEMBERS = 2
PADDING = "x" * 160

lock = threading.Lock()


def now():
    return int(time.time() * 1000)


def say(*fields):
    with lock:
        sys.stdout.write("\t".join(map(str, fields)) + "\n")


def flush():
    with lock:
        sys.stdout.flush()


def brief(error):
    return " ".join(str(error).split())


def settings(bootstrap, **more):
    common = {"bootstrap.servers": bootstrap, "log_level": 2, "socket.timeout.ms": 5000, "topic.metadata.refresh.interval.ms": 10000,
              "socket.connection.setup.timeout.ms": 2000}
    return common | {name.replace("_", "."): value for name, value in more.items()}


def write(bootstrap, name, topic, partitions, rate):
    stopping = contract.EndOfInput()
    sequence, incarnation = 0, 0
    while not stopping:
        sequence = write_once(bootstrap, f"{name}.{incarnation}", topic, int(partitions), int(rate), sequence, stopping)
        incarnation += 1


def write_once(bootstrap, name, topic, partitions, rate, sequence, stopping):
    """Writes until the end, or until the producer has failed for good: then another takes over, under another name."""
    failures = []
    producer = Producer(settings(bootstrap, enable_idempotence=True, acks="all", linger_ms=5, message_timeout_ms=600000,
                                 request_timeout_ms=5000))

    def delivered(at):
        def done(error, message):
            if error:
                failures.append(error)
                say("F", now(), name, message.partition(), at, brief(error))
            else:
                # of a record that it sent twice, librdkafka may not know where the first is
                offset = -1 if message.offset() is None else message.offset()
                say("A", now(), name, message.partition(), at, offset)
        return done

    while not stopping and not failures:
        for _ in range(int(rate * TICK)):
            if len(producer) < OUTSTANDING_MAX:
                value = f"{name}|{sequence}|{PADDING}"
                producer.produce(topic, value.encode(), partition=sequence % partitions, on_delivery=delivered(sequence))
                sequence += 1
        producer.poll(0)
        flush()
        stopping.pace(TICK)
    producer.flush(120)
    flush()
    return sequence


def tell(message):
    parts = message.value().split(b"|", 2)
    if len(parts) == 3:
        say("R", now(), message.partition(), message.offset(), parts[0].decode(), parts[1].decode())
    else:
        say("X", now(), message.partition(), f"not a record of ours at {message.offset()}")


def consume(consumer):
    """What there is within a moment, without errors, which are told where they matter."""
    good = []
    for message in consumer.consume(500, 0.2):
        error = message.error()
        if error is None:
            good.append(message)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            say("X", now(), message.partition(), brief(error))
    return good


def read(bootstrap, topic, partitions):
    stopping = contract.EndOfInput()
    count = int(partitions)
    # not a member of any group
    consumer = Consumer(settings(bootstrap, group_id="unused", enable_auto_commit=False, auto_offset_reset="error",
                                 enable_partition_eof=False))
    following = [0] * count
    consumer.assign([TopicPartition(topic, p, 0) for p in range(count)])
    for p in range(count):
        say("S", now(), p, 0)
    seek_at, turn, ends = time.monotonic() + SEEK_EVERY, 0, None
    while ends is None or any(following[p] < ends[p] for p in range(count)):
        for message in consume(consumer):
            tell(message)
            following[message.partition()] = message.offset() + 1
        flush()
        if stopping:
            ends = ends or end_offsets(consumer, topic, count)
        elif time.monotonic() > seek_at:
            seek_at, turn = time.monotonic() + SEEK_EVERY, turn + 1
            p = turn % count
            following[p] = max(0, following[p] - SEEK_BACK)
            consumer.seek(TopicPartition(topic, p, following[p]))
            say("S", now(), p, following[p])
    consumer.close()


def end_offsets(consumer, topic, partitions):
    try:
        return [consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(partitions)]
    except KafkaException:
        return None


def join(bootstrap, group, topic):
    stopping = contract.EndOfInput()
    threads = [threading.Thread(target=member, args=(bootstrap, group, topic, str(m), stopping)) for m in range(MEMBERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def member(bootstrap, group, topic, name, stopping):
    consumer = Consumer(settings(bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                 session_timeout_ms=10000, heartbeat_interval_ms=1000,
                                 partition_assignment_strategy="range"))

    def assigned(consumer, partitions):
        asked = now()
        starts = committed(consumer, partitions, name)
        for one in starts:
            one.offset = max(0, one.offset)
            say("P", asked, name, one.partition, one.offset)
        consumer.assign(starts)

    consumer.subscribe([topic], on_assign=assigned)
    while not stopping:
        following = {}
        for message in consume(consumer):
            say("G", now(), name, message.partition(), message.offset())
            following[message.partition()] = message.offset() + 1
        if following:
            commit(consumer, topic, name, following)
        flush()
    consumer.close()


def committed(consumer, partitions, name):
    """The cluster may be slow to say where to begin."""
    while True:
        try:
            return consumer.committed(partitions, 10) if partitions else []
        except KafkaException as raised:
            say("M", now(), name, brief(raised))


def commit(consumer, topic, name, following):
    asked = now()
    try:
        answers = consumer.commit(offsets=[TopicPartition(topic, p, offset) for p, offset in following.items()], asynchronous=False)
    except KafkaException as raised:
        say("M", now(), name, brief(raised))
        return
    for one in answers:
        if one.error is None:
            say("C", asked, name, one.partition, one.offset, now())


{"writer": write, "reader": read, "group": join}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
