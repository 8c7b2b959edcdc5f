// franz-go under faults. The contract is in compat/README.md, "Under faults".
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	outstandingMax = 2000
	tick           = 20 * time.Millisecond
	seekEvery      = 5 * time.Second
	seekBack       = 300
	membersCount   = 2
)

var (
	output  = bufio.NewWriterSize(os.Stdout, 1<<16)
	outputs sync.Mutex
	padding = strings.Repeat("x", 160)
)

func now() int64 { return time.Now().UnixMilli() }

func say(format string, arguments ...any) {
	outputs.Lock()
	defer outputs.Unlock()
	fmt.Fprintf(output, format+"\n", arguments...)
}

func flush() {
	outputs.Lock()
	defer outputs.Unlock()
	_ = output.Flush()
}

func main() {
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	bootstrap, role, rest := strings.Split(os.Args[1], ","), os.Args[2], os.Args[3:]
	var err error
	switch role {
	case "writer":
		err = write(bootstrap, rest[0], rest[1], number(rest[2]), number(rest[3]), stop)
	case "reader":
		err = read(bootstrap, rest[0], number(rest[1]), stop)
	case "group":
		err = join(bootstrap, rest[0], rest[1], stop)
	case "committed":
		err = committed(bootstrap, rest[0])
	}
	flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func short(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func connect(bootstrap []string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(bootstrap...), kgo.DialTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(5 * time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond), kgo.MetadataMaxAge(10 * time.Second),
	}, options...)...)
}

func write(bootstrap []string, name, topic string, partitions, rate int, stop <-chan struct{}) error {
	sequence := 0
	for incarnation := 0; ; incarnation++ {
		over, err := writeOnce(bootstrap, fmt.Sprintf("%s.%d", name, incarnation), topic, partitions, rate, &sequence, stop)
		if err != nil || over {
			return err
		}
	}
}

// writeOnce writes until the end, or until the producer has failed for good: then another takes over, under another name.
func writeOnce(bootstrap []string, name, topic string, partitions, rate int, sequence *int, stop <-chan struct{}) (bool, error) {
	client, err := connect(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return false, err
	}
	defer client.Close()
	var outstanding, failed atomic.Int64
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			return true, client.Flush(ctx)
		case <-ticker.C:
		}
		for i := 0; i < rate*int(tick.Milliseconds())/1000 && outstanding.Load() < outstandingMax; i++ {
			at := *sequence
			*sequence++
			outstanding.Add(1)
			value := fmt.Sprintf("%s|%d|%s", name, at, padding)
			record := &kgo.Record{Topic: topic, Partition: int32(at % partitions), Value: []byte(value)}
			client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
				outstanding.Add(-1)
				if err != nil {
					failed.Add(1)
					say("F\t%d\t%s\t%d\t%d\t%s", now(), name, r.Partition, at, short(err))
					return
				}
				say("A\t%d\t%s\t%d\t%d\t%d", now(), name, r.Partition, at, r.Offset)
			})
		}
		flush()
		if failed.Load() > 0 {
			return false, nil
		}
	}
}

// tell prints a record as it was read.
func tell(r *kgo.Record) {
	parts := bytes.SplitN(r.Value, []byte("|"), 3)
	if len(parts) != 3 {
		say("X\t%d\t%d\tnot a record of ours at %d", now(), r.Partition, r.Offset)
		return
	}
	say("R\t%d\t%d\t%d\t%s\t%s", now(), r.Partition, r.Offset, parts[0], parts[1])
}

func tellErrors(fetches kgo.Fetches) {
	fetches.EachError(func(_ string, partition int32, err error) {
		var lost *kgo.ErrDataLoss
		if errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &lost) {
			say("X\t%d\t%d\t%s", now(), partition, short(err))
		}
	})
}

func read(bootstrap []string, topic string, partitions int, stop <-chan struct{}) error {
	offsets, next := map[int32]kgo.Offset{}, map[int32]int64{}
	for p := int32(0); p < int32(partitions); p++ {
		offsets[p] = kgo.NewOffset().At(0)
		next[p] = 0
		say("S\t%d\t%d\t0", now(), p)
	}
	client, err := connect(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer client.Close()
	var ends map[int32]int64
	seek := time.Now().Add(seekEvery)
	for turn := int32(0); ; turn++ {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fetches := client.PollFetches(ctx)
		cancel()
		tellErrors(fetches)
		fetches.EachRecord(func(r *kgo.Record) {
			tell(r)
			next[r.Partition] = r.Offset + 1
		})
		flush()
		select {
		case <-stop:
			if ends == nil {
				ends = endOffsets(client, topic)
			}
			if reached(ends, next) {
				return nil
			}
		default:
			if time.Now().After(seek) {
				seek = time.Now().Add(seekEvery)
				p := turn % int32(partitions)
				next[p] = max(0, next[p]-seekBack)
				client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {p: {Epoch: -1, Offset: next[p]}}})
				say("S\t%d\t%d\t%d", now(), p, next[p])
			}
		}
	}
}

func endOffsets(client *kgo.Client, topic string) map[int32]int64 {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil || listed.Error() != nil {
		return nil
	}
	ends := map[int32]int64{}
	listed.Each(func(offset kadm.ListedOffset) { ends[offset.Partition] = offset.Offset })
	return ends
}

func reached(ends, next map[int32]int64) bool {
	if ends == nil {
		return false
	}
	for p, end := range ends {
		if next[p] < end {
			return false
		}
	}
	return true
}

func join(bootstrap []string, group, topic string, stop <-chan struct{}) error {
	results := make(chan error, membersCount)
	for m := 0; m < membersCount; m++ {
		go func() { results <- member(bootstrap, group, topic, strconv.Itoa(m), stop) }()
	}
	for m := 0; m < membersCount; m++ {
		if err := <-results; err != nil {
			return err
		}
	}
	return nil
}

func member(bootstrap []string, group, topic, name string, stop <-chan struct{}) error {
	var assigned atomic.Int64
	client, err := connect(bootstrap, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(time.Second), kgo.Balancers(kgo.RangeBalancer()), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned.Store(now()) }),
		kgo.AdjustFetchOffsetsFn(func(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			for p, offset := range offsets[topic] {
				say("P\t%d\t%s\t%d\t%d", assigned.Load(), name, p, max(0, offset.EpochOffset().Offset))
			}
			return offsets, nil
		}))
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		fetches := client.PollFetches(ctx)
		cancel()
		tellErrors(fetches)
		next := map[int32]int64{}
		fetches.EachRecord(func(r *kgo.Record) {
			say("G\t%d\t%s\t%d\t%d", now(), name, r.Partition, r.Offset)
			next[r.Partition] = r.Offset + 1
		})
		if len(next) > 0 {
			commit(client, name, fetches.Records(), next)
		}
		flush()
		client.AllowRebalance()
	}
}

func commit(client *kgo.Client, name string, records []*kgo.Record, next map[int32]int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	asked := now()
	if err := client.CommitRecords(ctx, records...); err != nil {
		say("M\t%d\t%s\t%s", now(), name, short(err))
		return
	}
	for p, offset := range next {
		say("C\t%d\t%s\t%d\t%d\t%d", asked, name, p, offset, now())
	}
}

func committed(bootstrap []string, group string) error {
	client, err := connect(bootstrap)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answers, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	answers.Each(func(o kadm.OffsetResponse) { say("P\t%d\tend\t%d\t%d", now(), o.Partition, o.At) })
	return answers.Error()
}
