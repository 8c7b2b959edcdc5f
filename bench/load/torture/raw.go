package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// frames sends random and damaged frames over 32 connections, with a thousand slow and half-closed ones open, while an
// ordinary producer must be served all the time.
func frames(s settings) (string, error) {
	if err := createTopic(s); err != nil {
		return "", err
	}
	var open []net.Conn
	for i := 0; i < 1000; i++ {
		connection, err := dial(s, i)
		if err != nil {
			return "", err
		}
		defer connection.Close()
		// A frame that never comes whole; every other one says that nothing more will come.
		if _, err := connection.Write([]byte{0, 0, 1, 0, 0, 18}); err != nil {
			return "", err
		}
		if i%2 == 0 {
			_ = connection.CloseWrite()
		}
		open = append(open, connection)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served, serving := int64(0), make(chan error, 1)
	go func() { serving <- serve(ctx, s, &served) }()
	var sent, refused atomic.Int64
	var senders sync.WaitGroup
	for i := 0; i < 32; i++ {
		senders.Add(1)
		go func() { defer senders.Done(); nonsense(s, i, s.frames/32, &sent, &refused) }()
	}
	senders.Wait()
	cancel()
	if err := <-serving; err != nil {
		return "", err
	}
	if served == 0 {
		return "", errors.New("nobody was served meanwhile")
	}
	return fmt.Sprintf("%d frames, %d connections closed by the broker, %d slow ones, %d records served meanwhile",
		sent.Load(), refused.Load(), len(open), served), nil
}

// dial comes from one of many loopback addresses, so that ports do not run out.
func dial(s settings, i int) (*net.TCPConn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}
	to, err := net.ResolveTCPAddr("tcp", s.bootstrap)
	if err != nil {
		return nil, err
	}
	connection, err := net.DialTCP("tcp", from, to)
	if err == nil {
		// A closed connection leaves nothing behind.
		_ = connection.SetLinger(0)
	}
	return connection, err
}

// serve produces a record every ten milliseconds; each must be taken within ten seconds.
func serve(ctx context.Context, s settings, served *int64) error {
	c, err := client(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for ; ctx.Err() == nil; <-ticker.C {
		limited, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := c.ProduceSync(limited, &kgo.Record{Topic: s.topic, Value: []byte("served")}).FirstErr()
		cancel()
		if err != nil {
			return fmt.Errorf("not served: %w", err)
		}
		*served++
	}
	return nil
}

func nonsense(s settings, seed, count int, sent, refused *atomic.Int64) {
	random := rand.New(rand.NewSource(int64(seed)))
	var connection *net.TCPConn
	answers := make([]byte, 64<<10)
	for i := 0; i < count; i++ {
		if connection == nil {
			var err error
			if connection, err = dial(s, seed*7+i); err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
		}
		_ = connection.SetDeadline(time.Now().Add(time.Second))
		_, err := connection.Write(damaged(random))
		sent.Add(1)
		if err == nil && i%8 == 7 {
			// Most nonsense is answered by closing; what is answered otherwise is not waited for long.
			_ = connection.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
			_, err = connection.Read(answers)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				err = nil
			}
		}
		if err != nil || i%64 == 63 {
			if err != nil {
				refused.Add(1)
			}
			_ = connection.Close()
			connection = nil
		}
	}
	if connection != nil {
		_ = connection.Close()
	}
}

// damaged is a frame of random bytes, or a request with a proper head and a random body, or a good request with
// a few bytes changed.
func damaged(random *rand.Rand) []byte {
	body := make([]byte, random.Intn(200))
	random.Read(body)
	switch random.Intn(3) {
	case 0:
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		if random.Intn(50) == 0 {
			// A length that is negative or beyond all limits.
			binary.BigEndian.PutUint32(frame, random.Uint32()|1<<30)
		}
		return append(frame, body...)
	case 1:
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)+11))
		frame = binary.BigEndian.AppendUint16(frame, uint16(random.Intn(95)))
		frame = binary.BigEndian.AppendUint16(frame, uint16(random.Intn(18)))
		frame = binary.BigEndian.AppendUint32(frame, random.Uint32())
		return append(append(frame, 0, 1, 'x'), body...)
	}
	keys := []int16{0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22, 32, 36, 60, 75}
	request := kmsg.RequestForKey(keys[random.Intn(len(keys))])
	request.SetVersion(int16(random.Intn(int(request.MaxVersion()) + 1)))
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("torture")).AppendRequest(nil, request, random.Int31())
	for n := random.Intn(4); n >= 0; n-- {
		frame[8+random.Intn(len(frame)-8)] = byte(random.Intn(256))
	}
	return frame
}

// disk fills the broker's disk until a produce fails, reads all that was acknowledged, frees space by removing the
// ballast, and waits until produces are taken again.
func disk(s settings) (string, error) {
	s.partitions = 1
	if err := createTopic(s); err != nil {
		return "", err
	}
	c, err := client(s, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordRetries(1), kgo.DisableIdempotentWrite(), kgo.RequestRetries(2), kgo.RecordDeliveryTimeout(10*time.Second))
	if err != nil {
		return "", err
	}
	defer c.Close()
	var acknowledged []int64
	value := make([]byte, 512<<10)
	rand.New(rand.NewSource(1)).Read(value)
	one := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		results := c.ProduceSync(ctx, &kgo.Record{Topic: s.topic, Value: value})
		if err := results.FirstErr(); err != nil {
			return err
		}
		acknowledged = append(acknowledged, results[0].Record.Offset)
		return nil
	}
	var failure error
	for failure == nil && len(acknowledged) < 4096 {
		failure = one()
	}
	if failure == nil {
		return "", errors.New("the disk never became full")
	}
	full := len(acknowledged)
	if err := readAll(s, acknowledged); err != nil {
		return "", fmt.Errorf("reading with a full disk: %w", err)
	}
	if err := os.Remove(s.ballast); err != nil {
		return "", err
	}
	deadline := time.Now().Add(time.Minute)
	for err := one(); err != nil; err = one() {
		if time.Now().After(deadline) {
			return "", fmt.Errorf("no service a minute after space was freed: %w", err)
		}
	}
	if err := readAll(s, acknowledged); err != nil {
		return "", fmt.Errorf("reading after space was freed: %w", err)
	}
	return fmt.Sprintf("%d records until the disk was full (%v), all read, service resumed", full, failure), nil
}

// readAll reads to the last acknowledged offset; each acknowledged one must be there.
func readAll(s settings, acknowledged []int64) error {
	at := map[string]map[int32]kgo.Offset{s.topic: {0: kgo.NewOffset().AtStart()}}
	c, err := client(s, kgo.ConsumePartitions(at))
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seen := map[int64]bool{}
	last := acknowledged[len(acknowledged)-1]
	for !seen[last] {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { seen[r.Offset] = len(r.Value) == 512<<10 })
	}
	for _, offset := range acknowledged {
		if !seen[offset] {
			return fmt.Errorf("offset %d was acknowledged and is not there", offset)
		}
	}
	return nil
}
