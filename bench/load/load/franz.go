package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func client(s settings, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(s.bootstrap, ",")...)}, options...)...)
}

// create makes the topic, unless it is there, and ends when each partition has taken a record.
func create(s settings) (result, error) {
	c, err := client(s)
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	_, err = kadm.NewClient(c).CreateTopic(context.Background(), int32(s.partitions), 1, nil, s.topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		err = nil
	}
	if err != nil {
		return result{}, err
	}
	return result{Count: int64(s.partitions)}, untilLed(s)
}

// text is a pool of values that do not repeat within a batch.
func text(size int) [][]byte {
	random := rand.New(rand.NewSource(1))
	values := make([][]byte, 64)
	for i := range values {
		values[i] = make([]byte, size)
		random.Read(values[i])
	}
	return values
}

// produce sends records as fast as they are taken, until so many bytes are acknowledged.
func produce(s settings) (result, error) {
	options := []kgo.Opt{
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.MaxBufferedRecords(s.buffered), kgo.ProducerLinger(s.linger),
	}
	if s.acks == "1" {
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	c, err := client(s, options...)
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	values := text(s.recordBytes)
	count := s.bytes / int64(s.recordBytes)
	var failed atomic.Pointer[error]
	var done atomic.Int64
	start := time.Now()
	for i := int64(0); i < count && failed.Load() == nil; i++ {
		c.Produce(context.Background(), &kgo.Record{Topic: s.topic, Value: values[i%64]}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
			done.Add(1)
		})
	}
	if err := c.Flush(context.Background()); err != nil {
		return result{}, err
	}
	if err := failed.Load(); err != nil {
		return result{}, *err
	}
	return result{Count: count, Bytes: count * int64(s.recordBytes), Seconds: since(start)}, nil
}

// drain reads so many bytes of the topic from its beginning, as a consumer does.
func drain(s settings) (result, error) {
	c, err := client(s, kgo.ConsumeTopics(s.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var r result
	start := time.Now()
	for r.Bytes < s.bytes {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return r, err
		}
		fetches.EachRecord(func(record *kgo.Record) { r.Count++; r.Bytes += int64(len(record.Value)) })
	}
	r.Seconds = since(start)
	return r, nil
}

// endToEnd produces at a rate to one partition and times each record until a consumer has it.
func endToEnd(s settings) (result, error) {
	options := []kgo.Opt{kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression())}
	if s.acks == "1" {
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	}
	producer, err := client(s, options...)
	if err != nil {
		return result{}, err
	}
	defer producer.Close()
	consumer, err := client(s, kgo.ConsumeTopics(s.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMinBytes(1))
	if err != nil {
		return result{}, err
	}
	defer consumer.Close()
	if err := untilConsuming(producer, consumer, s.topic); err != nil {
		return result{}, err
	}
	total := int(float64(s.rate) * s.seconds)
	start := time.Now()
	go paced(s.rate, total, start, func() {
		value := make([]byte, 100)
		binary.BigEndian.PutUint64(value, uint64(time.Since(start)))
		producer.Produce(context.Background(), &kgo.Record{Topic: s.topic, Value: value}, nil)
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.seconds*float64(time.Second))+30*time.Second)
	defer cancel()
	latencies := make([]time.Duration, 0, total)
	for len(latencies) < total {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return result{}, fmt.Errorf("%d of %d: %w", len(latencies), total, err)
		}
		now := time.Since(start)
		fetches.EachRecord(func(record *kgo.Record) {
			if len(record.Value) == 100 {
				latencies = append(latencies, now-time.Duration(binary.BigEndian.Uint64(record.Value)))
			}
		})
	}
	r := result{Count: int64(total), Seconds: since(start)}
	r.percentiles(latencies[min(total/10, len(latencies)):])
	return r, nil
}

// untilConsuming sends marks until the consumer sees one, so that it stands at the end when the clock starts.
func untilConsuming(producer, consumer *kgo.Client, topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if err := producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("mark")}).FirstErr(); err != nil {
			return err
		}
		short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		fetches := consumer.PollFetches(short)
		stop()
		if fetches.NumRecords() > 0 {
			return nil
		}
	}
	return ctx.Err()
}

// paced calls send at the rate, catching up after a pause so that the offered rate is kept.
func paced(rate, total int, start time.Time, send func()) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for sent := 0; sent < total; <-ticker.C {
		for due := int(time.Since(start).Seconds() * float64(rate)); sent < min(due, total); sent++ {
			send()
		}
	}
}

// firstAck connects and produces again and again until one record is acknowledged.
func firstAck(s settings) (result, error) {
	start := time.Now()
	frame, err := s.untilTopicID()
	if err != nil {
		return result{}, err
	}
	for {
		if err := frame(); err == nil {
			return result{Count: 1, Seconds: since(start)}, nil
		} else if since(start) > s.seconds {
			return result{}, err
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// members joins many consumers of one group, each with a connection of its own, until all have an assignment.
func members(s settings) (result, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var waiting sync.WaitGroup
	for i := 0; i < s.count; i++ {
		var once sync.Once
		waiting.Add(1)
		assigned := func(context.Context, *kgo.Client, map[string][]int32) { once.Do(waiting.Done) }
		c, err := client(s, kgo.ConsumerGroup("bench-members"), kgo.ConsumeTopics(s.topic), kgo.OnPartitionsAssigned(assigned),
			kgo.Balancers(kgo.RangeBalancer()), kgo.SessionTimeout(45*time.Second))
		if err != nil {
			return result{}, err
		}
		defer c.LeaveGroupContext(context.Background())
		defer c.Close()
	}
	all := make(chan struct{})
	go func() { waiting.Wait(); close(all) }()
	select {
	case <-all:
		return result{Count: int64(s.count), Seconds: since(start)}, nil
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
}
