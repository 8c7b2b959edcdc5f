// The load client of `cargo xtask bench`: one subcommand a load, one line of JSON with what it saw.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

// settings of all loads; each uses some.
type settings struct {
	bootstrap, topic, acks                                       string
	partition, partitions, recordBytes, connections, rate, count int
	seconds                                                      float64
	linger                                                       time.Duration
	buffered, replicas                                           int
	bytes                                                        int64
}

// result is what a load saw. Times of requests in microseconds.
type result struct {
	Count   int64   `json:"count"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	P999    float64 `json:"p999"`
	Longest float64 `json:"longest"`
}

var loads = map[string]func(settings) (result, error){
	"create":     create,
	"produce":    produce,
	"single":     single,
	"echo":       echo,
	"stream":     stream,
	"fetch":      fetch,
	"drain":      drain,
	"endtoend":   endToEnd,
	"first":      firstAck,
	"members":    members,
	"commits":    commits,
	"commitall":  commitsOfAll,
	"reload":     reload,
	"replicated": replicated,
	"probe":      probe,
}

func main() {
	if len(os.Args) < 2 || loads[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load LOAD [options]")
		os.Exit(2)
	}
	var s settings
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&s.bootstrap, "bootstrap", "127.0.0.1:9092", "address, or several with commas")
	flags.StringVar(&s.topic, "topic", "bench", "topic")
	flags.StringVar(&s.acks, "acks", "1", "1 or all")
	flags.IntVar(&s.partitions, "partitions", 6, "partitions of the topic")
	flags.IntVar(&s.replicas, "replicas", 3, "replicas of each partition, in a load that makes them")
	flags.IntVar(&s.partition, "partition", 0, "the one partition of a load that needs one")
	flags.IntVar(&s.recordBytes, "record-bytes", 1024, "size of a record's value")
	flags.IntVar(&s.connections, "connections", 64, "connections, or members")
	flags.IntVar(&s.rate, "rate", 0, "records or requests a second; 0 is as fast as it goes")
	flags.IntVar(&s.count, "count", 0, "how many")
	flags.DurationVar(&s.linger, "linger", 5*time.Millisecond, "how long a producer waits for more records")
	flags.IntVar(&s.buffered, "buffered", 50_000, "how many records a producer holds at most")
	flags.Float64Var(&s.seconds, "seconds", 10, "how long")
	flags.Int64Var(&s.bytes, "bytes", 1<<30, "how many bytes")
	_ = flags.Parse(os.Args[2:])
	answer, err := loads[os.Args[1]](s)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	line, _ := json.Marshal(answer)
	fmt.Println(string(line))
}

// percentiles fills a result from latencies.
func (r *result) percentiles(latencies []time.Duration) {
	slices.Sort(latencies)
	at := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return float64(latencies[min(int(share*float64(len(latencies))), len(latencies)-1)].Nanoseconds()) / 1000
	}
	r.P50, r.P99, r.P999 = at(0.5), at(0.99), at(0.999)
}

func since(start time.Time) float64 { return time.Since(start).Seconds() }
