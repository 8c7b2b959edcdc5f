package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Frames written by hand: what one processor of client can offer is far above what a full client can.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one record batch of version 2 with one record.
func batch(value []byte) []byte {
	record := kmsg.Record{Value: value}
	body := record.AppendTo(nil)
	// The length of a record leads it and counts what follows; the size of a varint 0 is one byte.
	record.Length = int32(len(body) - 1)
	body = record.AppendTo(nil)
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: now, MaxTimestamp: now, ProducerID: -1, ProducerEpoch: -1,
		FirstSequence: -1, NumRecords: 1, Records: body,
	}
	bytes := b.AppendTo(nil)
	binary.BigEndian.PutUint32(bytes[8:], uint32(len(bytes)-12))
	binary.BigEndian.PutUint32(bytes[17:], crc32.Checksum(bytes[21:], castagnoli))
	return bytes
}

func frame(request kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, request, 1)
}

// produceFrame asks for one record to be appended; version 9 is the last that names the topic in a flexible header.
func produceFrame(s settings, partition int) []byte {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = 9, 1, 30_000
	if s.acks == "all" {
		request.Acks = -1
	}
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = int32(partition), batch(text(s.recordBytes)[0])
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = s.topic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	return frame(request)
}

// exchange writes a frame and reads the answer's into the buffer, which it may grow.
func exchange(connection net.Conn, request []byte, buffer *[]byte) ([]byte, error) {
	if _, err := connection.Write(request); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(connection, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size > 200<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	if cap(*buffer) < size {
		*buffer = make([]byte, size)
	}
	answer := (*buffer)[:size]
	_, err := io.ReadFull(connection, answer)
	return answer, err
}

// produced checks an answer to produceFrame.
func produced(answer []byte) error {
	response := kmsg.NewPtrProduceResponse()
	response.Version = 9
	if len(answer) < 5 {
		return errors.New("a short answer")
	}
	// Correlation id and the header's tags.
	if err := response.ReadFrom(answer[5:]); err != nil {
		return err
	}
	return kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
}

// untilLed produces one record to each partition, again and again while it has no leader yet.
func untilLed(s settings) error {
	connection, err := net.Dial("tcp", s.bootstrap)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	var buffer []byte
	for partition := 0; partition < s.partitions; {
		answer, err := exchange(connection, produceFrame(s, partition), &buffer)
		if err != nil {
			return err
		}
		switch err := produced(answer); {
		case err == nil:
			partition++
		case kerr.IsRetriable(err):
			time.Sleep(10 * time.Millisecond)
		default:
			return err
		}
	}
	return nil
}

// single sends one record a request on each of many connections, the next when the last is answered.
func single(s settings) (result, error) {
	return closedLoop(s, func(connection int) []byte { return produceFrame(s, connection%s.partitions) }, produced)
}

// echo does the same against the floor's server, which answers frames of any content.
func echo(s settings) (result, error) {
	return closedLoop(s, func(connection int) []byte { return produceFrame(s, connection%s.partitions) }, func([]byte) error { return nil })
}

func closedLoop(s settings, request func(connection int) []byte, check func([]byte) error) (result, error) {
	latencies := make([][]time.Duration, s.connections)
	failures := make(chan error, s.connections)
	var all sync.WaitGroup
	start := time.Now()
	end := start.Add(time.Duration(s.seconds * float64(time.Second)))
	for i := 0; i < s.connections; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := one(s, request(i), check, end, &latencies[i]); err != nil {
				failures <- err
			}
		}()
	}
	all.Wait()
	r := result{Seconds: since(start)}
	select {
	case err := <-failures:
		return r, err
	default:
	}
	var together []time.Duration
	for _, own := range latencies {
		together = append(together, own...)
	}
	r.Count = int64(len(together))
	r.percentiles(together)
	return r, nil
}

// one connection's loop. With a rate it keeps to its share of it.
func one(s settings, request []byte, check func([]byte) error, end time.Time, latencies *[]time.Duration) error {
	connection, err := net.Dial("tcp", s.bootstrap)
	if err != nil {
		return err
	}
	defer connection.Close()
	var buffer []byte
	var gap time.Duration
	if s.rate > 0 {
		gap = time.Duration(float64(time.Second) * float64(s.connections) / float64(s.rate))
	}
	for due := time.Now(); ; due = due.Add(gap) {
		if gap > 0 {
			time.Sleep(time.Until(due))
		}
		start := time.Now()
		if start.After(end) {
			return nil
		}
		answer, err := exchange(connection, request, &buffer)
		if err != nil {
			return err
		}
		*latencies = append(*latencies, time.Since(start))
		if err := check(answer); err != nil {
			return err
		}
	}
}

// stream writes bytes to the floor's sink and waits until it has closed.
func stream(s settings) (result, error) {
	connection, err := net.Dial("tcp", s.bootstrap)
	if err != nil {
		return result{}, err
	}
	defer connection.Close()
	block := make([]byte, 1<<20)
	copy(block, text(1 << 20)[0])
	start := time.Now()
	for sent := int64(0); sent < s.bytes; sent += int64(len(block)) {
		if _, err := connection.Write(block); err != nil {
			return result{}, err
		}
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return result{}, err
	}
	_, _ = io.Copy(io.Discard, connection)
	return result{Bytes: s.bytes, Seconds: since(start)}, nil
}

// fetch reads so many bytes with Fetch requests written by hand, each partition in turn, from its beginning again and
// again. From the floor's server, which sends a file, it just reads.
func fetch(s settings) (result, error) {
	connection, err := net.Dial("tcp", s.bootstrap)
	if err != nil {
		return result{}, err
	}
	defer connection.Close()
	var r result
	start := time.Now()
	if s.topic == "" {
		r.Bytes, _ = io.CopyBuffer(onlyWriter{io.Discard}, connection, make([]byte, 1<<20))
		r.Seconds = since(start)
		return r, nil
	}
	var buffer []byte
	offsets := make([]int64, s.partitions)
	for at := 0; r.Bytes < s.bytes; at = (at + 1) % s.partitions {
		answer, err := exchange(connection, fetchFrame(s, at, offsets[at]), &buffer)
		if err != nil {
			return r, err
		}
		next, bytes, err := fetched(answer)
		if err != nil {
			return r, err
		}
		if bytes == 0 {
			if offsets[at] == 0 {
				return r, errors.New("an empty partition")
			}
			next = 0
		}
		offsets[at] = next
		r.Bytes += int64(bytes)
		r.Count++
	}
	r.Seconds = since(start)
	return r, nil
}

// onlyWriter hides the reader-from of what it wraps, so that the bytes are read into the process.
type onlyWriter struct{ io.Writer }

// fetchFrame: version 11 is the last with fixed fields, so that the records' place in the answer is known.
func fetchFrame(s settings, partition int, offset int64) []byte {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.ReplicaID, request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 11, -1, 0, 1, 64<<20
	request.SessionEpoch = -1
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = int32(partition), offset, 4<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = s.topic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	return frame(request)
}

// fetched gives the offset after the last whole batch of an answer, and the bytes of its records.
func fetched(answer []byte) (int64, int, error) {
	response := kmsg.NewPtrFetchResponse()
	response.Version = 11
	if err := response.ReadFrom(answer[4:]); err != nil {
		return 0, 0, err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return 0, 0, err
	}
	part := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
		return 0, 0, err
	}
	records, next := part.RecordBatches, int64(0)
	for at := 0; at+61 <= len(records); {
		size := int(binary.BigEndian.Uint32(records[at+8:])) + 12
		if at+size > len(records) {
			break
		}
		next = int64(binary.BigEndian.Uint64(records[at:])) + int64(binary.BigEndian.Uint32(records[at+23:])) + 1
		at += size
	}
	return next, len(records), nil
}

// untilTopicID gives a function that produces one record on a new connection; the topic must be there or be auto-created.
func (s settings) untilTopicID() (func() error, error) {
	request := produceFrame(s, 0)
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version, metadata.AllowAutoTopicCreation = 9, true
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(s.topic)
	metadata.Topics = append(metadata.Topics, topic)
	ask := frame(metadata)
	return func() error {
		connection, err := net.Dial("tcp", s.bootstrap)
		if err != nil {
			return err
		}
		defer connection.Close()
		var buffer []byte
		_ = connection.SetDeadline(time.Now().Add(30 * time.Second))
		if answer, err := exchange(connection, request, &buffer); err == nil && produced(answer) == nil {
			return nil
		}
		if _, err := exchange(connection, ask, &buffer); err != nil {
			return err
		}
		answer, err := exchange(connection, request, &buffer)
		if err != nil {
			return err
		}
		return produced(answer)
	}, nil
}

// findCoordinator asks for the group's coordinator, which also makes the offsets topic where there is none yet.
func findCoordinator(s settings, group string) error {
	connection, err := net.Dial("tcp", s.bootstrap)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.Version, request.CoordinatorKey = 3, group
	var buffer []byte
	for {
		answer, err := exchange(connection, frame(request), &buffer)
		if err != nil {
			return err
		}
		response := kmsg.NewPtrFindCoordinatorResponse()
		response.Version = 3
		if err := response.ReadFrom(answer[5:]); err != nil {
			return err
		}
		switch err := kerr.ErrorForCode(response.ErrorCode); {
		case err == nil:
			return nil
		case !kerr.IsRetriable(err):
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// commits sends so many offset commits, one partition each, over the connections.
func commits(s settings) (result, error) {
	s.partitions = 1
	return commitsOfAll(s)
}

// commitsOfAll sends so many requests, each with a commit for every partition of the topic.
func commitsOfAll(s settings) (result, error) {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Version, request.Group, request.Generation = 8, committer, -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = s.topic
	for i := range s.partitions {
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset = int32(i), 42
		topic.Partitions = append(topic.Partitions, part)
	}
	request.Topics = append(request.Topics, topic)
	bytes := frame(request)
	if err := findCoordinator(s, request.Group); err != nil {
		return result{}, err
	}
	failures := make(chan error, s.connections)
	start := time.Now()
	for i := 0; i < s.connections; i++ {
		go func() { failures <- commitLoop(s, bytes, s.count/s.connections) }()
	}
	for i := 0; i < s.connections; i++ {
		if err := <-failures; err != nil {
			return result{}, err
		}
	}
	return result{Count: int64(s.count / s.connections * s.connections), Seconds: since(start)}, nil
}

const committer = "bench-commits"

// reload asks for a committed offset, again and again while the broker starts and loads the group.
func reload(s settings) (result, error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Version, request.Group = 7, committer
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = s.topic, []int32{int32(s.partitions - 1)}
	request.Topics = append(request.Topics, topic)
	ask := frame(request)
	start := time.Now()
	for {
		err := offsetFetched(s.bootstrap, ask)
		if err == nil {
			return result{Count: 1, Seconds: since(start)}, nil
		}
		if since(start) > s.seconds {
			return result{}, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func offsetFetched(address string, ask []byte) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(30 * time.Second))
	var buffer []byte
	for {
		answer, err := exchange(connection, ask, &buffer)
		if err != nil {
			return err
		}
		response := kmsg.NewPtrOffsetFetchResponse()
		response.Version = 7
		if err := response.ReadFrom(answer[5:]); err != nil {
			return err
		}
		if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
			return err
		}
		if found := response.Topics[0].Partitions[0]; found.Offset != 42 {
			return fmt.Errorf("offset %d, error %d", found.Offset, found.ErrorCode)
		}
		return nil
	}
}

func commitLoop(s settings, request []byte, count int) error {
	connection, err := net.Dial("tcp", s.bootstrap)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Minute))
	var buffer []byte
	for done := 0; done < count; {
		answer, err := exchange(connection, request, &buffer)
		if err != nil {
			return err
		}
		response := kmsg.NewPtrOffsetCommitResponse()
		response.Version = 8
		if err := response.ReadFrom(answer[5:]); err != nil {
			return err
		}
		err = kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
		if errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.NotCoordinator) || errors.Is(err, kerr.CoordinatorLoadInProgress) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		done++
	}
	return nil
}
