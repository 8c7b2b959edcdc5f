// kafka-go. The contract is in compat/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"barnabas/compat/contract"

	"github.com/segmentio/kafka-go"
)

type client struct {
	bootstrap, name string
}

func main() {
	name := contract.Name("kafka-go")
	contract.Run("github.com/segmentio/kafka-go", name, client{os.Args[1], name})
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

func (c client) low() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(contract.Servers(c.bootstrap)...), Timeout: time.Minute}
}

func (c client) createTopic(topic string, partitions int, maxBytes string) error {
	ctx, cancel := deadline()
	defer cancel()
	answer, err := c.low().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: partitions, ReplicationFactor: int(contract.Replication), ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "max.message.bytes", ConfigValue: maxBytes}, {ConfigName: "retention.ms", ConfigValue: "-1"},
		}}}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (c client) Create() error {
	for _, codec := range contract.Codecs {
		if err := c.createTopic(c.name+"."+codec, contract.Partitions, "2097152"); err != nil {
			return err
		}
	}
	return nil
}

var codecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

// byIndex sends record i to partition i mod 3, whose number the message carries in its WriterData.
var byIndex = kafka.BalancerFunc(func(message kafka.Message, partitions ...int) int { return message.WriterData.(int) % len(partitions) })

func (c client) Produce(codec string) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(contract.Servers(c.bootstrap)...), Topic: c.name + "." + codec, Balancer: byIndex, Compression: codecs[codec],
		RequiredAcks: kafka.RequireAll, BatchBytes: 2_000_000, BatchSize: 500, BatchTimeout: 5 * time.Millisecond,
	}
	ctx, cancel := deadline()
	defer cancel()
	for start := 0; start < contract.Count; start += 1000 {
		var messages []kafka.Message
		for i := start; i < min(start+1000, contract.Count); i++ {
			message := kafka.Message{
				Key: contract.Key(i), Value: contract.Value(i), Time: time.UnixMilli(contract.Timestamp(i)), WriterData: i,
			}
			for _, header := range contract.Headers(i) {
				message.Headers = append(message.Headers, kafka.Header{Key: header.Key, Value: header.Value})
			}
			messages = append(messages, message)
		}
		if err := writer.WriteMessages(ctx, messages...); err != nil {
			return err
		}
	}
	return writer.Close()
}

func (c client) Read(topic string, start int64, reader *contract.Reader) error {
	// Its reader gives null for empty; the Java client, which reads what this one wrote, sees the difference.
	reader.NullIsEmpty = true
	for p := 0; p < contract.Partitions; p++ {
		if err := c.readPartition(topic, p, start, reader); err != nil {
			return err
		}
	}
	if reader.Unfinished() {
		return fmt.Errorf("only %d of %d records", reader.Seen, reader.Expected)
	}
	return nil
}

func (c client) readPartition(topic string, partition int, start int64, reader *contract.Reader) error {
	ctx, cancel := deadline()
	defer cancel()
	conn, err := kafka.DialLeader(ctx, "tcp", contract.Servers(c.bootstrap)[0], topic, partition)
	if err != nil {
		return err
	}
	defer conn.Close()
	end, err := conn.ReadLastOffset()
	if err != nil {
		return err
	}
	records := kafka.NewReader(kafka.ReaderConfig{Brokers: contract.Servers(c.bootstrap), Topic: topic, Partition: partition, MaxBytes: 4 << 20,
		// Closing waits for the fetch that is under way.
		MaxWait: 200 * time.Millisecond})
	defer records.Close()
	if err := records.SetOffset(start); err != nil {
		return err
	}
	for reader.Next(partition) < end {
		m, err := records.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("%d records: %w", reader.Seen, err)
		}
		var headers []contract.Header
		for _, header := range m.Headers {
			headers = append(headers, contract.Header(header))
		}
		if err := reader.Take(partition, m.Offset, m.Time.UnixMilli(), m.Key, m.Value, headers); err != nil {
			return err
		}
	}
	return nil
}

func (c client) OffsetAt(topic string, timestamp int64) (map[int]int64, error) {
	ctx, cancel := deadline()
	defer cancel()
	found := map[int]int64{}
	for p := 0; p < contract.Partitions; p++ {
		conn, err := kafka.DialLeader(ctx, "tcp", contract.Servers(c.bootstrap)[0], topic, p)
		if err != nil {
			return nil, err
		}
		found[p], err = conn.ReadOffset(time.UnixMilli(timestamp))
		conn.Close()
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (c client) Flow(topic string, stop <-chan struct{}) (int, error) {
	writer := &kafka.Writer{
		Addr: kafka.TCP(contract.Servers(c.bootstrap)...), Topic: topic, Balancer: &kafka.RoundRobin{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond,
	}
	count, err := contract.Pace(stop, func(number int) error {
		ctx, cancel := deadline()
		defer cancel()
		for {
			err := writer.WriteMessages(ctx, kafka.Message{Value: []byte(fmt.Sprint(number))})
			// its ten tries may be over before it asks again who leads, which it does every six seconds
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
	})
	return count, errors.Join(err, writer.Close())
}

func (c client) Member(group, topic string, stop <-chan struct{}) error {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: contract.Servers(c.bootstrap), GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset,
		SessionTimeout: 6 * time.Second, RebalanceTimeout: 10 * time.Second, HeartbeatInterval: 500 * time.Millisecond,
		MaxWait: 200 * time.Millisecond, JoinGroupBackoff: 500 * time.Millisecond, CommitInterval: 200 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-stop; cancel() }()
	for {
		m, err := reader.FetchMessage(ctx)
		if ctx.Err() != nil || errors.Is(err, io.EOF) {
			return reader.Close()
		}
		if err != nil {
			return err
		}
		contract.Got([][3]string{contract.Row(m.Partition, m.Offset, m.Value)})
		if err := reader.CommitMessages(context.Background(), m); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

func (c client) Committed(group, topic string, partitions int) (map[int]int64, error) {
	ctx, cancel := deadline()
	defer cancel()
	asked := map[string][]int{topic: {}}
	for p := 0; p < partitions; p++ {
		asked[topic] = append(asked[topic], p)
	}
	answer, err := c.low().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: asked})
	if err != nil {
		return nil, err
	}
	found := map[int]int64{}
	for _, partition := range answer.Topics[topic] {
		found[partition.Partition] = partition.CommittedOffset
	}
	return found, answer.Error
}

func (c client) Provoke(name string) (string, error) {
	expected := map[string]kafka.Error{
		"unknown-topic": kafka.UnknownTopicOrPartition, "invalid-topic": kafka.InvalidTopic, "too-large": kafka.MessageSizeTooLarge,
		"out-of-range": kafka.OffsetOutOfRange, "stale-generation": kafka.UnknownMemberId,
	}[name]
	err := c.provoke(name)
	var written kafka.WriteErrors
	if errors.As(err, &written) {
		err = errors.Join(written...)
	}
	if errors.Is(err, expected) {
		return expected.Title(), nil
	}
	return "", fmt.Errorf("expected %s, got %v", expected.Title(), err)
}

func (c client) provoke(name string) error {
	ctx, cancel := deadline()
	defer cancel()
	switch name {
	case "unknown-topic":
		answer, err := c.low().DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{c.name + ".nowhere"}})
		if err != nil {
			return err
		}
		return answer.Errors[c.name+".nowhere"]
	case "invalid-topic":
		return c.createTopic("not a name!", 1, "1000")
	case "too-large":
		if err := c.createTopic(c.name+".small", 1, "1000"); err != nil {
			return err
		}
		writer := &kafka.Writer{Addr: kafka.TCP(contract.Servers(c.bootstrap)...), Topic: c.name + ".small", MaxAttempts: 1, RequiredAcks: kafka.RequireAll}
		defer writer.Close()
		return writer.WriteMessages(ctx, kafka.Message{Value: make([]byte, 10_000)})
	case "out-of-range":
		answer, err := c.low().Fetch(ctx, &kafka.FetchRequest{Topic: c.name + ".none", Partition: 0, Offset: 1_000_000_000, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err != nil {
			return err
		}
		return answer.Error
	}
	return c.staleCommit(ctx)
}

// staleCommit makes a group by a commit without member, and then commits for a member and a generation that never were.
func (c client) staleCommit(ctx context.Context) error {
	commits := map[string][]kafka.OffsetCommit{c.name + ".none": {{Partition: 0, Offset: 1}}}
	for _, request := range []*kafka.OffsetCommitRequest{
		{GroupID: c.name + ".stale", GenerationID: -1, Topics: commits},
		{GroupID: c.name + ".stale", GenerationID: 7, MemberID: "nobody", Topics: commits},
	} {
		answer, err := c.low().OffsetCommit(ctx, request)
		if err != nil {
			return err
		}
		if err := answer.Topics[c.name+".none"][0].Error; err != nil {
			return err
		}
	}
	return nil
}
