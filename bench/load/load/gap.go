package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gap produces one record after the other, acks=all, and retries every 10 ms: the longest time to an answer is how long
// a failover was noticed. P50 and P99 are of the usual answers.
func gap(s settings) (result, error) {
	often := 10 * time.Millisecond
	c, err := client(s, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RetryBackoffFn(func(int) time.Duration { return often }), kgo.MetadataMinAge(often),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DialTimeout(time.Second))
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	var latencies []time.Duration
	start := time.Now()
	for since(start) < s.seconds {
		begun := time.Now()
		record := &kgo.Record{Topic: s.topic, Partition: int32(s.partition), Value: []byte("gap")}
		if err := c.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return result{}, err
		}
		latencies = append(latencies, time.Since(begun))
		time.Sleep(often)
	}
	r := result{Count: int64(len(latencies)), Seconds: since(start)}
	r.percentiles(latencies)
	// percentiles has sorted them
	r.Longest = float64(latencies[len(latencies)-1].Microseconds())
	return r, nil
}
