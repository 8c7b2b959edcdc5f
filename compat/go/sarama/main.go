// sarama. The contract is in compat/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"barnabas/compat/contract"

	"github.com/IBM/sarama"
)

type client struct {
	bootstrap, name string
}

func main() {
	name := contract.Name("sarama")
	contract.Run("github.com/IBM/sarama", name, client{os.Args[1], name})
}

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.MaxMessageBytes = 2_000_000
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	// Three, its default, are spent in 300 ms: less than some changes of leader take.
	config.Producer.Retry.Max = 100
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func (c client) servers() []string { return contract.Servers(c.bootstrap) }

func (c client) createTopic(topic string, partitions int32, maxBytes string) error {
	admin, err := sarama.NewClusterAdmin(c.servers(), config())
	if err != nil {
		return err
	}
	defer admin.Close()
	forever := "-1"
	entries := map[string]*string{"max.message.bytes": &maxBytes, "retention.ms": &forever}
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: contract.Replication, ConfigEntries: entries}, false)
}

func (c client) Create() error {
	for _, codec := range contract.Codecs {
		if err := c.createTopic(c.name+"."+codec, contract.Partitions, "2097152"); err != nil {
			return err
		}
	}
	return nil
}

// bytes is null for nil: a nil sarama.ByteEncoder in an Encoder would be an empty one.
func bytes(value []byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(value)
}

func (c client) Produce(codec string) error {
	config := config()
	config.Producer.Compression = codecs[codec]
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	producer, err := sarama.NewAsyncProducer(c.servers(), config)
	if err != nil {
		return err
	}
	go func() {
		for i := 0; i < contract.Count; i++ {
			message := &sarama.ProducerMessage{
				Topic: c.name + "." + codec, Partition: int32(i % contract.Partitions), Key: bytes(contract.Key(i)),
				Value: bytes(contract.Value(i)), Timestamp: time.UnixMilli(contract.Timestamp(i)), Metadata: i,
			}
			for _, header := range contract.Headers(i) {
				message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value})
			}
			producer.Input() <- message
		}
	}()
	defer producer.AsyncClose()
	timeout := time.After(time.Minute)
	for done := 0; done < contract.Count; done++ {
		select {
		case message := <-producer.Successes():
			if i := message.Metadata.(int); message.Offset != int64(i/contract.Partitions) {
				return fmt.Errorf("record %d got offset %d", i, message.Offset)
			}
		case err := <-producer.Errors():
			return err.Err
		case <-timeout:
			return fmt.Errorf("only %d acknowledged after a minute", done)
		}
	}
	return nil
}

func (c client) Read(topic string, start int64, reader *contract.Reader) error {
	inner, err := sarama.NewClient(c.servers(), config())
	if err != nil {
		return err
	}
	defer inner.Close()
	consumer, err := sarama.NewConsumerFromClient(inner)
	if err != nil {
		return err
	}
	for p := 0; p < contract.Partitions; p++ {
		if err := c.readPartition(inner, consumer, topic, int32(p), start, reader); err != nil {
			return err
		}
	}
	if reader.Unfinished() {
		return fmt.Errorf("only %d of %d records", reader.Seen, reader.Expected)
	}
	return nil
}

func (c client) readPartition(inner sarama.Client, consumer sarama.Consumer, topic string, partition int32, start int64, reader *contract.Reader) error {
	end, err := inner.GetOffset(topic, partition, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	records, err := consumer.ConsumePartition(topic, partition, start)
	if err != nil {
		return err
	}
	defer records.Close()
	timeout := time.After(time.Minute)
	for reader.Next(int(partition)) < end {
		select {
		case m := <-records.Messages():
			var headers []contract.Header
			for _, header := range m.Headers {
				headers = append(headers, contract.Header{Key: string(header.Key), Value: header.Value})
			}
			if err := reader.Take(int(partition), m.Offset, m.Timestamp.UnixMilli(), m.Key, m.Value, headers); err != nil {
				return err
			}
		case err := <-records.Errors():
			return err
		case <-timeout:
			return fmt.Errorf("only %d records after a minute", reader.Seen)
		}
	}
	return nil
}

func (c client) OffsetAt(topic string, timestamp int64) (map[int]int64, error) {
	inner, err := sarama.NewClient(c.servers(), config())
	if err != nil {
		return nil, err
	}
	defer inner.Close()
	found := map[int]int64{}
	for p := 0; p < contract.Partitions; p++ {
		if found[p], err = inner.GetOffset(topic, int32(p), timestamp); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (c client) Flow(topic string, stop <-chan struct{}) (int, error) {
	config := config()
	config.Producer.Partitioner = sarama.NewRoundRobinPartitioner
	producer, err := sarama.NewSyncProducer(c.servers(), config)
	if err != nil {
		return 0, err
	}
	defer producer.Close()
	return contract.Pace(stop, func(number int) error {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint(number))})
		return err
	})
}

// member commits after each record it has printed.
type member struct{}

func (member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			contract.Got([][3]string{contract.Row(int(m.Partition), m.Offset, m.Value)})
			session.MarkMessage(m, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (c client) Member(group, topic string, stop <-chan struct{}) error {
	config := config()
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Return.Errors = false
	inner, err := sarama.NewConsumerGroup(c.servers(), group, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-stop; cancel() }()
	for ctx.Err() == nil {
		if err := inner.Consume(ctx, []string{topic}, member{}); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return inner.Close()
}

func (c client) Committed(group, topic string, partitions int) (map[int]int64, error) {
	admin, err := sarama.NewClusterAdmin(c.servers(), config())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	asked := map[string][]int32{topic: {}}
	for p := 0; p < partitions; p++ {
		asked[topic] = append(asked[topic], int32(p))
	}
	answer, err := admin.ListConsumerGroupOffsets(group, asked)
	if err != nil {
		return nil, err
	}
	found := map[int]int64{}
	for p, block := range answer.Blocks[topic] {
		found[int(p)] = block.Offset
	}
	return found, nil
}

func (c client) Provoke(name string) (string, error) {
	expected := map[string]sarama.KError{
		"unknown-topic": sarama.ErrUnknownTopicOrPartition, "invalid-topic": sarama.ErrInvalidTopic,
		"too-large": sarama.ErrMessageSizeTooLarge, "out-of-range": sarama.ErrOffsetOutOfRange,
		"stale-generation": sarama.ErrUnknownMemberId,
	}[name]
	err := c.provoke(name)
	var topicError *sarama.TopicError
	if errors.Is(err, expected) || (errors.As(err, &topicError) && topicError.Err == expected) {
		return expected.Error(), nil
	}
	return "", fmt.Errorf("expected %v, got %v", expected, err)
}

func (c client) provoke(name string) error {
	switch name {
	case "unknown-topic":
		admin, err := sarama.NewClusterAdmin(c.servers(), config())
		if err != nil {
			return err
		}
		defer admin.Close()
		return admin.DeleteTopic(c.name + ".nowhere")
	case "invalid-topic":
		return c.createTopic("not a name!", 1, "1000")
	case "too-large":
		if err := c.createTopic(c.name+".small", 1, "1000"); err != nil {
			return err
		}
		producer, err := sarama.NewSyncProducer(c.servers(), config())
		if err != nil {
			return err
		}
		defer producer.Close()
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: c.name + ".small", Value: sarama.ByteEncoder(make([]byte, 10_000))})
		return err
	case "out-of-range":
		consumer, err := sarama.NewConsumer(c.servers(), config())
		if err != nil {
			return err
		}
		defer consumer.Close()
		_, err = consumer.ConsumePartition(c.name+".none", 0, 1_000_000_000)
		return err
	}
	return c.staleCommit()
}

// staleCommit makes a group by a commit without member, and then commits for a member and a generation that never were.
func (c client) staleCommit() error {
	inner, err := sarama.NewClient(c.servers(), config())
	if err != nil {
		return err
	}
	defer inner.Close()
	coordinator, err := inner.Coordinator(c.name + ".stale")
	if err != nil {
		return err
	}
	plain := &sarama.OffsetCommitRequest{ConsumerGroup: c.name + ".stale", Version: 7, ConsumerGroupGeneration: -1}
	stale := &sarama.OffsetCommitRequest{ConsumerGroup: c.name + ".stale", Version: 7, ConsumerGroupGeneration: 7, ConsumerID: "nobody"}
	for _, request := range []*sarama.OffsetCommitRequest{plain, stale} {
		request.AddBlock(c.name+".none", 0, 1, 0, "")
		answer, err := coordinator.CommitOffset(request)
		if err != nil {
			return err
		}
		if code := answer.Errors[c.name+".none"][0]; code != sarama.ErrNoError {
			return code
		}
	}
	return nil
}
