package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const group = "torture-members"

// book is what has been acknowledged: for each partition the number at each offset.
type book struct {
	sync.Mutex
	acknowledged []map[int64]int64
	sent         []int64
	failures     []string
}

func (b *book) fail(format string, arguments ...any) {
	b.Lock()
	defer b.Unlock()
	if len(b.failures) < 10 {
		b.failures = append(b.failures, fmt.Sprintf(format, arguments...))
	}
}

// kill produces with an idempotent producer, and consumes in a group of three, until stdin ends, however often the broker
// dies meanwhile; then reads everything and compares.
func kill(s settings) (string, error) {
	b := &book{acknowledged: make([]map[int64]int64, s.partitions), sent: make([]int64, s.partitions)}
	for p := range b.acknowledged {
		b.acknowledged[p] = map[int64]int64{}
	}
	if err := createTopic(s); err != nil {
		return "", err
	}
	stop := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(stop) }()
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	for i := 0; i < 3; i++ {
		watching.Add(1)
		go func() { defer watching.Done(); b.member(ctx, s) }()
	}
	watching.Add(1)
	go func() { defer watching.Done(); b.watchCommits(ctx, s) }()
	err := b.produce(s, stop)
	cancel()
	watching.Wait()
	if err != nil {
		return "", err
	}
	return b.check(s)
}

func client(s settings, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.bootstrap), kgo.UnknownTopicRetries(-1), kgo.RetryTimeout(2 * time.Minute),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.RequestRetries(1 << 20)}, options...)...)
}

func createTopic(s settings) error {
	c, err := client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = kadm.NewClient(c).CreateTopic(context.Background(), int32(s.partitions), 1, nil, s.topic)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}

func (b *book) produce(s settings, stop <-chan struct{}) error {
	c, err := client(s, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return err
	}
	defer c.Close()
	for number := int64(0); ; number++ {
		select {
		case <-stop:
			flushing, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			return c.Flush(flushing)
		default:
		}
		p := int(number) % s.partitions
		mine := b.sent[p]
		b.sent[p]++
		record := &kgo.Record{Topic: s.topic, Partition: int32(p), Value: []byte(strconv.FormatInt(mine, 10))}
		c.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			if err != nil {
				b.fail("partition %d, number %d: %v", p, mine, err)
				return
			}
			b.Lock()
			defer b.Unlock()
			b.acknowledged[p][r.Offset] = mine
		})
		if number%100 == 99 {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// member consumes and commits. What it has committed with success must not go back later.
func (b *book) member(ctx context.Context, s settings) {
	c, err := client(s, kgo.ConsumerGroup(group), kgo.ConsumeTopics(s.topic), kgo.DisableAutoCommit(), kgo.SessionTimeout(10*time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.fail("member: %v", err)
		return
	}
	defer c.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		if fetches.NumRecords() > 0 {
			committing, cancel := context.WithTimeout(ctx, 5*time.Second)
			_ = c.CommitRecords(committing, fetches.Records()...)
			cancel()
		}
	}
}

// watchCommits asks again and again what is committed.
func (b *book) watchCommits(ctx context.Context, s settings) {
	c, err := client(s)
	if err != nil {
		b.fail("watcher: %v", err)
		return
	}
	defer c.Close()
	seen := make([]int64, s.partitions)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for ; ctx.Err() == nil; <-ticker.C {
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		answers, err := kadm.NewClient(c).FetchOffsets(asking, group)
		cancel()
		if err != nil {
			continue
		}
		for p := range seen {
			answer, ok := answers.Lookup(s.topic, int32(p))
			if answer.Err != nil {
				continue
			}
			if at := answer.At; (ok && at < seen[p]) || (!ok && seen[p] > 0) {
				b.fail("partition %d: committed offset went back from %d to %d", p, seen[p], at)
			} else if ok {
				seen[p] = at
			}
		}
	}
}

// check reads all partitions to their ends: offsets without gap, each number once and in order, all acknowledged ones
// at the offset that was acknowledged.
func (b *book) check(s settings) (string, error) {
	offsets := map[int32]kgo.Offset{}
	for p := 0; p < s.partitions; p++ {
		offsets[int32(p)] = kgo.NewOffset().AtStart()
	}
	c, err := client(s, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: offsets}))
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, s.topic)
	if err != nil {
		return "", err
	}
	next, due := make([]int64, s.partitions), int64(0)
	ends.Each(func(end kadm.ListedOffset) { due += end.Offset })
	for read := int64(0); read < due; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return "", fmt.Errorf("%d of %d read back: %w", read, due, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			p := r.Partition
			if r.Offset != next[p] {
				b.fail("partition %d: offset %d after %d", p, r.Offset, next[p]-1)
			}
			if number := string(r.Value); number != strconv.FormatInt(r.Offset, 10) {
				b.fail("partition %d: number %s at offset %d", p, number, r.Offset)
			}
			next[p] = r.Offset + 1
			read++
		})
	}
	total := 0
	for p, acknowledged := range b.acknowledged {
		total += len(acknowledged)
		for offset, number := range acknowledged {
			if offset != number || offset >= next[p] {
				b.fail("partition %d: number %d was acknowledged at offset %d, the end is %d", p, number, offset, next[p])
			}
		}
	}
	if len(b.failures) > 0 {
		return "", fmt.Errorf("%d records acknowledged; %q", total, b.failures)
	}
	return fmt.Sprintf("%d records acknowledged, none lost, none doubled, no commit went back", total), nil
}
