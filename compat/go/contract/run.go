package contract

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrNotApplicable is wrapped by checks that the client cannot do.
var ErrNotApplicable = errors.New("n/a")

// NotApplicable says why.
func NotApplicable(why string) error { return fmt.Errorf("%w: %s", ErrNotApplicable, why) }

// Client is what each program implements.
type Client interface {
	Create() error
	Produce(codec string) error
	// Read everything of a topic from the offset on, comparing it.
	Read(topic string, start int64, reader *Reader) error
	// OffsetAt looks up the first offset at or after a timestamp, for each partition.
	OffsetAt(topic string, timestamp int64) (map[int]int64, error)
	// Provoke an error by its name and return the error's own name.
	Provoke(name string) (string, error)
	Flow(topic string, stop <-chan struct{}) (int, error)
	Member(group, topic string, stop <-chan struct{}) error
	Committed(group, topic string, partitions int) (map[int]int64, error)
}

// Name is the prefix of this program's topics.
func Name(otherwise string) string {
	if name := os.Getenv("COMPAT_NAME"); name != "" {
		return name
	}
	return otherwise
}

// Servers are the addresses of a bootstrap list.
func Servers(bootstrap string) []string { return strings.Split(bootstrap, ",") }

// Run does what the command line asks for.
func Run(module, name string, client Client) {
	var err error
	arguments := os.Args[2:]
	switch arguments[0] {
	case "flow":
		var count int
		if count, err = client.Flow(arguments[1], endOfInput()); err == nil {
			fmt.Printf("sent\t%d\n", count)
		}
	case "member":
		err = members(client, arguments[1], arguments[2], arguments[3])
	case "committed":
		err = committed(client, arguments[1], arguments[2], arguments[3])
	default:
		err = checks(module, name, client, arguments)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func checks(module, name string, client Client, names []string) error {
	failed := 0
	for _, check := range names {
		detail, err := one(module, name, client, check)
		result := "ok"
		if err != nil {
			detail, result = err.Error(), "fail"
			if errors.Is(err, ErrNotApplicable) {
				result = "n/a"
			} else {
				failed++
			}
		}
		fmt.Printf("%s\t%s\t%s\n", check, result, strings.Join(strings.Fields(detail), " "))
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

func one(module, name string, client Client, check string) (string, error) {
	all := fmt.Sprintf("%d records", Count)
	switch what, rest, _ := strings.Cut(check, "."); what {
	case "version":
		return version(module), nil
	case "create":
		return "topics", client.Create()
	case "produce":
		return all, client.Produce(rest)
	case "read":
		codec, other, found := strings.Cut(rest, "@")
		if !found {
			other = name
		}
		return all, client.Read(other+"."+codec, 0, NewReader(Count, 0))
	case "offset":
		start := Count / 10
		reader := NewReader(Count-start*Partitions, int64(start))
		return fmt.Sprintf("from offset %d", start), client.Read(name+".none", int64(start), reader)
	case "time":
		return timeLookup(name, client)
	case "error":
		return client.Provoke(rest)
	}
	return "", errors.New("no such check")
}

func timeLookup(name string, client Client) (string, error) {
	target := Count / 2
	found, err := client.OffsetAt(name+".none", Timestamp(target))
	if err != nil {
		return "", err
	}
	for p := 0; p < Partitions; p++ {
		if offset, ok := found[p]; !ok || offset != ExpectedOffset(p, target) {
			return "", fmt.Errorf("partition %d: %d", p, offset)
		}
	}
	return fmt.Sprintf("offsets of record %d", target), nil
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}

func endOfInput() <-chan struct{} {
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	return stop
}

func members(client Client, group, topic, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	stop := endOfInput()
	results := make(chan error, n)
	for i := 0; i < n; i++ {
		go func() { results <- client.Member(group, topic, stop) }()
	}
	for i := 0; i < n; i++ {
		if err := <-results; err != nil {
			return err
		}
	}
	return nil
}

func committed(client Client, group, topic, partitions string) error {
	n, err := strconv.Atoi(partitions)
	if err != nil {
		return err
	}
	offsets, err := client.Committed(group, topic, n)
	for p, offset := range offsets {
		fmt.Printf("committed\t%d\t%d\n", p, offset)
	}
	return err
}

// Pace calls send with 0, 1, 2 ... ten at a time, about 500 a second, until the end of input.
func Pace(stop <-chan struct{}, send func(number int) error) (int, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for count := 0; ; {
		select {
		case <-stop:
			return count, nil
		case <-ticker.C:
		}
		for end := count + 10; count < end; count++ {
			if err := send(count); err != nil {
				return count, err
			}
		}
	}
}

var output sync.Mutex

// Got prints rows of partition, offset and value at once.
func Got(rows [][3]string) {
	output.Lock()
	defer output.Unlock()
	writer := bufio.NewWriter(os.Stdout)
	for _, row := range rows {
		fmt.Fprintf(writer, "got\t%s\t%s\t%s\n", row[0], row[1], row[2])
	}
	_ = writer.Flush()
}

// Row makes one row for Got.
func Row(partition int, offset int64, value []byte) [3]string {
	return [3]string{strconv.Itoa(partition), strconv.FormatInt(offset, 10), string(value)}
}
