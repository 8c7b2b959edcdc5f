// franz-go. The contract is in compat/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"barnabas/compat/contract"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type franz struct {
	bootstrap, name string
}

func main() {
	name := contract.Name("franz-go")
	contract.Run("github.com/twmb/franz-go", name, franz{os.Args[1], name})
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

func (f franz) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(contract.Servers(f.bootstrap)...)}, options...)...)
}

func (f franz) createTopic(partitions int32, maxBytes string, topics ...string) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	forever := "-1"
	configs := map[string]*string{"max.message.bytes": &maxBytes, "retention.ms": &forever}
	answers, err := kadm.NewClient(client).CreateTopics(ctx, partitions, contract.Replication, configs, topics...)
	if err != nil {
		return err
	}
	return answers.Error()
}

func (f franz) Create() error {
	var topics []string
	for _, codec := range contract.Codecs {
		topics = append(topics, f.name+"."+codec)
	}
	return f.createTopic(contract.Partitions, "2097152", topics...)
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (f franz) Produce(codec string) error {
	client, err := f.client(kgo.ProducerBatchCompression(codecs[codec]), kgo.ProducerBatchMaxBytes(2_000_000),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	var first error
	var once sync.Once
	for i := 0; i < contract.Count; i++ {
		record := &kgo.Record{
			Topic: f.name + "." + codec, Partition: int32(i % contract.Partitions), Key: contract.Key(i),
			Value: contract.Value(i), Timestamp: time.UnixMilli(contract.Timestamp(i)),
		}
		for _, header := range contract.Headers(i) {
			record.Headers = append(record.Headers, kgo.RecordHeader(header))
		}
		client.Produce(ctx, record, func(r *kgo.Record, err error) {
			if err == nil && r.Offset != int64(i/contract.Partitions) {
				err = fmt.Errorf("record %d got offset %d", i, r.Offset)
			}
			if err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return first
}

func (f franz) Read(topic string, start int64, reader *contract.Reader) error {
	offsets := map[int32]kgo.Offset{}
	for p := int32(0); p < contract.Partitions; p++ {
		offsets[p] = kgo.NewOffset().At(start)
	}
	client, err := f.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	for reader.Unfinished() {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("%d records read: %w", reader.Seen, err)
		}
		for _, record := range fetches.Records() {
			var headers []contract.Header
			for _, header := range record.Headers {
				headers = append(headers, contract.Header(header))
			}
			err := reader.Take(int(record.Partition), record.Offset, record.Timestamp.UnixMilli(), record.Key, record.Value, headers)
			if err != nil {
				return err
			}
		}
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Err != nil || end.Offset != reader.Next(int(end.Partition)) {
			err = fmt.Errorf("partition %d ends at %d (%v)", end.Partition, end.Offset, end.Err)
		}
	})
	return err
}

func (f franz) OffsetAt(topic string, timestamp int64) (map[int]int64, error) {
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	listed, err := kadm.NewClient(client).ListOffsetsAfterMilli(ctx, timestamp, topic)
	if err != nil {
		return nil, err
	}
	found := map[int]int64{}
	listed.Each(func(offset kadm.ListedOffset) { found[int(offset.Partition)] = offset.Offset })
	return found, listed.Error()
}

func (f franz) Flow(topic string, stop <-chan struct{}) (int, error) {
	client, err := f.client(kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	failed := make(chan error, 1)
	count, _ := contract.Pace(stop, func(number int) error {
		record := &kgo.Record{Topic: topic, Value: []byte(fmt.Sprint(number))}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
		return nil
	})
	ctx, cancel := deadline()
	defer cancel()
	if err := client.Flush(ctx); err != nil {
		return count, err
	}
	select {
	case err := <-failed:
		return count, err
	default:
		return count, nil
	}
}

func (f franz) Member(group, topic string, stop <-chan struct{}) error {
	client, err := f.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.BlockRebalanceOnPoll())
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-stop; cancel() }()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		var rows [][3]string
		fetches.EachRecord(func(r *kgo.Record) { rows = append(rows, contract.Row(int(r.Partition), r.Offset, r.Value)) })
		if len(rows) > 0 {
			contract.Got(rows)
			// A commit that comes too late is no failure: another member gets these records again.
			if err := client.CommitRecords(context.Background(), fetches.Records()...); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		client.AllowRebalance()
	}
	return nil
}

func (f franz) Committed(group, topic string, partitions int) (map[int]int64, error) {
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	answers, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	found := map[int]int64{}
	answers.Each(func(o kadm.OffsetResponse) { found[int(o.Partition)] = o.At })
	return found, answers.Error()
}

func (f franz) Provoke(name string) (string, error) {
	expected := map[string]*kerr.Error{
		"unknown-topic": kerr.UnknownTopicOrPartition, "invalid-topic": kerr.InvalidTopicException,
		"too-large": kerr.MessageTooLarge, "out-of-range": kerr.OffsetOutOfRange, "stale-generation": kerr.UnknownMemberID,
	}[name]
	err := f.provoke(name)
	if errors.Is(err, expected) {
		return expected.Message, nil
	}
	return "", fmt.Errorf("expected %s, got %v", expected.Message, err)
}

func (f franz) provoke(name string) error {
	switch name {
	case "invalid-topic":
		return f.createTopic(1, "1000", "not a name!")
	case "too-large":
		if err := f.createTopic(1, "1000", f.name+".small"); err != nil {
			return err
		}
	}
	client, err := f.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{f.name + ".none": {0: kgo.NewOffset().At(1_000_000_000)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := deadline()
	defer cancel()
	switch name {
	case "unknown-topic":
		return client.ProduceSync(ctx, &kgo.Record{Topic: f.name + ".nowhere", Value: []byte("x")}).FirstErr()
	case "too-large":
		return client.ProduceSync(ctx, &kgo.Record{Topic: f.name + ".small", Value: make([]byte, 10_000)}).FirstErr()
	case "out-of-range":
		return client.PollFetches(ctx).Err0()
	}
	return staleCommit(ctx, client, f.name)
}

// staleCommit makes a group by a commit without member, and then commits for a member and a generation that never were.
func staleCommit(ctx context.Context, client *kgo.Client, name string) error {
	plain := kadm.Offsets{}
	plain.Add(kadm.Offset{Topic: name + ".none", Partition: 0, At: 1})
	if _, err := kadm.NewClient(client).CommitOffsets(ctx, name+".stale", plain); err != nil {
		return err
	}
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation, request.MemberID = name+".stale", 7, "nobody"
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = name + ".none"
	details, err := kadm.NewClient(client).ListTopics(ctx, topic.Topic)
	if err != nil {
		return err
	}
	topic.TopicID = details[topic.Topic].ID
	topic.Partitions = []kmsg.OffsetCommitRequestTopicPartition{kmsg.NewOffsetCommitRequestTopicPartition()}
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
}
