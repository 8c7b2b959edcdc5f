package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	often    = 10 * time.Millisecond
	patience = 5 * time.Minute
)

// replicated creates s.count topics of s.partitions partitions and s.replicas replicas, and ends when all are led and in
// sync.
func replicated(s settings) (result, error) {
	c, err := client(s)
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	names := []string{s.topic}
	for i := 1; i < s.count; i++ {
		names = append(names, fmt.Sprintf("%s-%d", s.topic, i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	for _, name := range names { // one by one: Kafka's controller refuses more than 10,000 records at once
		_, err := kadm.NewClient(c).CreateTopic(ctx, int32(s.partitions), int16(s.replicas), nil, name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return result{}, err
		}
	}
	if _, err := inSync(ctx, c, s, names...); err != nil {
		return result{}, err
	}
	return result{Count: int64(len(names) * s.partitions), Seconds: since(start)}, nil
}

// inSync waits until all partitions have all their replicas in sync, and gives the leader of the partition of the load.
func inSync(ctx context.Context, c *kgo.Client, s settings, names ...string) (int32, error) {
	for {
		topics, err := kadm.NewClient(c).ListTopics(ctx, names...)
		if err == nil && len(topics) == len(names) && settled(topics, s) {
			return topics[s.topic].Partitions[int32(s.partition)].Leader, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("not all replicas are in sync: %w", ctx.Err())
		case <-time.After(10 * often):
		}
	}
}

func settled(topics kadm.TopicDetails, s settings) bool {
	for _, topic := range topics {
		if topic.Err != nil || len(topic.Partitions) != s.partitions {
			return false
		}
		for _, partition := range topic.Partitions {
			if partition.Err != nil || partition.Leader < 0 || len(partition.ISR) != s.replicas {
				return false
			}
		}
	}
	return true
}

// agreed waits until all replicas of the partition of the load name the same leader, and gives it. A broker that was stopped
// for a while first tells what it knew before.
func agreed(ctx context.Context, c *kgo.Client, s settings) (int32, error) {
	for {
		leader, err := inSync(ctx, c, s, s.topic)
		if err != nil {
			return 0, err
		}
		known := 0
		for _, broker := range c.DiscoveredBrokers() {
			if told, err := leaderToldBy(ctx, broker, s); err == nil && told == leader {
				known++
			}
		}
		if known == s.replicas {
			return leader, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("not all brokers know that %d leads: %w", leader, ctx.Err())
		case <-time.After(often):
		}
	}
}

func leaderToldBy(ctx context.Context, broker *kgo.Broker, s settings) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(s.topic)
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, broker)
	if err != nil {
		return 0, err
	}
	for _, topic := range answer.Topics {
		for _, partition := range topic.Partitions {
			if partition.Partition == int32(s.partition) && len(partition.ISR) == s.replicas {
				return partition.Leader, nil
			}
		}
	}
	return 0, errors.New("not known, or not in sync")
}

// activeController is the quorum's leader.
func activeController(ctx context.Context, c *kgo.Client) (int32, error) {
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, c)
	if err != nil {
		return 0, err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, errors.New("DescribeQuorum: not one partition")
	}
	return answer.Topics[0].Partitions[0].LeaderID, nil
}

// writer produces one record after the other, acks=all, and remembers when the last answered one was begun, when its answer
// came, and the longest pause.
type writer struct {
	client    *kgo.Client
	topic     string
	partition int32
	pause     time.Duration

	lock    sync.Mutex
	acked   *sync.Cond
	begun   time.Time
	last    time.Time
	longest time.Duration
	err     error
}

func startWriter(s settings, options ...kgo.Opt) (*writer, error) {
	options = append(options, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	c, err := client(s, options...)
	if err != nil {
		return nil, err
	}
	w := &writer{client: c, topic: s.topic, partition: int32(s.partition), last: time.Now()}
	w.acked = sync.NewCond(&w.lock)
	go w.run()
	return w, nil
}

func (w *writer) run() {
	for {
		begun := time.Now()
		record := &kgo.Record{Topic: w.topic, Partition: w.partition, Value: []byte("probe")}
		err := w.client.ProduceSync(context.Background(), record).FirstErr()
		w.lock.Lock()
		now := time.Now()
		w.longest = max(w.longest, now.Sub(w.last))
		w.begun, w.last = begun, now
		if err != nil && w.err == nil {
			w.err = err
		}
		w.lock.Unlock()
		w.acked.Broadcast()
		if err != nil {
			return
		}
		time.Sleep(often)
	}
}

// next waits for the first answer to a record that was begun after a moment: an answer alone may have been on its way.
func (w *writer) next(after time.Time) (time.Time, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	for !w.begun.After(after) && w.err == nil {
		w.acked.Wait()
	}
	return w.last, w.err
}

// longestPause gives the longest time between two answers since it was asked last.
func (w *writer) longestPause() (time.Duration, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	longest := w.longest
	w.longest = 0
	return longest, w.err
}

// probe writes with two clients, one that tries again every 10 ms and one as it comes, and obeys lines of its input:
//
//	settle         waits until all replicas are in sync, all brokers know it, and the first client is answered;
//	               prints "settled LEADER CONTROLLER"
//	settle all     the same for both clients
//	gather         makes the active controller's node the partition's leader; prints "gathered NODE"
//	part           makes another node than the active controller's its leader; prints "parted NODE"
//	killed NANOS   waits until a record that the first client begins from now on is answered; prints "gap MICROS", from NANOS
//	usual NANOS    the same for the second client
//	change         tries to change the metadata every 10 ms until it is done; prints "changed NANOS", when that was
//	pause          prints "pause MICROS MICROS", the longest times without an answer since the last such line
func probe(s settings) (result, error) {
	impatient := []kgo.Opt{kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return often }),
		kgo.MetadataMinAge(often), kgo.DialTimeout(100 * time.Millisecond), kgo.DisableIdempotentWrite(),
		// a leader that hangs is not waited for, nor are connections to it when those that its kernel accepts are used up
		kgo.ProduceRequestTimeout(100 * time.Millisecond), kgo.RequestTimeoutOverhead(100 * time.Millisecond)}
	quick, err := startWriter(s, impatient...)
	if err != nil {
		return result{}, err
	}
	usual, err := startWriter(s)
	if err != nil {
		return result{}, err
	}
	control, err := client(s, append(impatient, kgo.RetryTimeout(10*time.Second))...)
	if err != nil {
		return result{}, err
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		command, argument, _ := strings.Cut(input.Text(), " ")
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		line, err := obey(ctx, s, command, argument, quick, usual, control)
		cancel()
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", command, err)
		}
		fmt.Println(line)
	}
	return result{}, input.Err()
}

func obey(ctx context.Context, s settings, command, argument string, quick, usual *writer, control *kgo.Client) (string, error) {
	switch command {
	case "settle":
		leader, err := agreed(ctx, control, s)
		if err != nil {
			return "", err
		}
		now := time.Now()
		if _, err := quick.next(now); err != nil {
			return "", err
		}
		if argument == "all" {
			if _, err := usual.next(now); err != nil {
				return "", err
			}
		}
		controller, err := activeController(ctx, control)
		return fmt.Sprintf("settled %d %d", leader, controller), err
	case "gather":
		node, err := lead(ctx, s, control, true)
		return fmt.Sprintf("gathered %d", node), err
	case "part":
		node, err := lead(ctx, s, control, false)
		return fmt.Sprintf("parted %d", node), err
	case "killed":
		return gap(quick, argument)
	case "usual":
		return gap(usual, argument)
	case "change":
		err := change(ctx, s, control)
		return fmt.Sprintf("changed %d", time.Now().UnixNano()), err
	case "pause":
		first, err := quick.longestPause()
		if err != nil {
			return "", err
		}
		second, err := usual.longestPause()
		return fmt.Sprintf("pause %d %d", first.Microseconds(), second.Microseconds()), err
	default:
		return "", errors.New("no such command")
	}
}

func gap(w *writer, killed string) (string, error) {
	nanos, err := strconv.ParseInt(killed, 10, 64)
	if err != nil {
		return "", err
	}
	answered, err := w.next(time.Now())
	return fmt.Sprintf("gap %d", answered.Sub(time.Unix(0, nanos)).Microseconds()), err
}

// lead makes the active controller's node the first replica of the partition, and its leader; or another one, where it is.
func lead(ctx context.Context, s settings, c *kgo.Client, together bool) (int32, error) {
	admin := kadm.NewClient(c)
	for {
		controller, err := activeController(ctx, c)
		if err != nil {
			return 0, err
		}
		topics, err := admin.ListTopics(ctx, s.topic)
		if err != nil {
			return 0, err
		}
		partition := topics[s.topic].Partitions[int32(s.partition)]
		if (partition.Leader == controller) == together {
			return partition.Leader, nil
		}
		var replicas, behind []int32
		for _, replica := range partition.Replicas {
			if (replica == controller) == together {
				replicas = append(replicas, replica)
			} else {
				behind = append(behind, replica)
			}
		}
		replicas = append(replicas, behind...)
		var order kadm.AlterPartitionAssignmentsReq
		order.Assign(s.topic, partition.Partition, replicas)
		if _, err := admin.AlterPartitionAssignments(ctx, order); err != nil {
			return 0, err
		}
		var set kadm.TopicsSet
		set.Add(s.topic, partition.Partition)
		if _, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set); err != nil {
			return 0, err
		}
		time.Sleep(10 * often)
	}
}

// change sets a configuration of the topic, by whoever takes it.
func change(ctx context.Context, s settings, c *kgo.Client) error {
	value := strconv.FormatInt(600_000+time.Now().UnixNano()%1_000_000, 10)
	for {
		attempt, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		answers, err := kadm.NewClient(c).AlterTopicConfigs(attempt,
			[]kadm.AlterConfig{{Name: "delete.retention.ms", Value: &value}}, s.topic)
		cancel()
		if err == nil && len(answers) == 1 && answers[0].Err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(often):
		}
	}
}
