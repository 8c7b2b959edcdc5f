// Package contract holds what the Go programs share: record i of compat/README.md, the checks' loop and its rows.
package contract

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
)

// Partitions of the topics that are produced to and read.
const Partitions = 3

const bigSize = 1_040_000

// Codecs in the order of the table.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Count is the number of records a topic gets.
var Count = number("COMPAT_RECORDS", 10_000)

// Replication is the replication factor of the topics.
var Replication = int16(number("COMPAT_REPLICATION", 1))

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Timestamp of record i in milliseconds.
func Timestamp(i int) int64 { return 1_700_000_000_000 + 1000*int64(i) }

// Key of record i; nil is null.
func Key(i int) []byte {
	if i%5 == 0 && i%11 != 0 {
		return nil
	}
	if i%17 == 0 {
		return []byte{}
	}
	return []byte(fmt.Sprintf("key-%d", i%97))
}

func sha(i, k int) []byte {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d:%d", i, k)))
	return sum[:]
}

// Value of record i; nil is null.
func Value(i int) []byte {
	if i%11 == 0 {
		return nil
	}
	if i%13 == 0 {
		return []byte{}
	}
	size := 7919 * i % 301
	if i%2500 == 1249 {
		size = bigSize
	}
	value := make([]byte, 0, size+32)
	for k := 0; len(value) < size; k++ {
		value = append(value, sha(i, k*(i%2))...)
	}
	return value[:size]
}

// Headers of record i.
func Headers(i int) []Header {
	var headers []Header
	for j := 0; j < i%4; j++ {
		headers = append(headers, Header{fmt.Sprintf("h%d", j/2), []byte(fmt.Sprintf("v%d-%d", i, j))})
	}
	return headers
}

// ExpectedOffset is what a look-up by the timestamp of record target must give.
func ExpectedOffset(partition, target int) int64 {
	return int64((target - partition + Partitions - 1) / Partitions)
}

func (r *Reader) same(a, b []byte) bool {
	return (r.NullIsEmpty || (a == nil) == (b == nil)) && bytes.Equal(a, b)
}

// Reader counts and compares what is read: every record must be the next one of its partition.
type Reader struct {
	Expected int
	Seen     int
	// NullIsEmpty is for a client that does not tell one from the other.
	NullIsEmpty bool
	next        [Partitions]int64
}

// NewReader expects that many records, from an offset on in each partition.
func NewReader(expected int, start int64) *Reader {
	return &Reader{Expected: expected, next: [Partitions]int64{start, start, start}}
}

// Unfinished is true while records are due.
func (r *Reader) Unfinished() bool { return r.Seen < r.Expected }

// Next is the offset due in a partition.
func (r *Reader) Next(partition int) int64 { return r.next[partition] }

// Take compares one record.
func (r *Reader) Take(partition int, offset int64, timestamp int64, key, value []byte, headers []Header) error {
	if offset != r.next[partition] {
		return fmt.Errorf("partition %d: expected offset %d, got %d", partition, r.next[partition], offset)
	}
	i := int(offset)*Partitions + partition
	where := fmt.Sprintf("%d@%d", partition, offset)
	if !r.same(key, Key(i)) {
		return fmt.Errorf("key of %s: expected %.40q, got %.40q (null: %v)", where, Key(i), key, key == nil)
	}
	if !r.same(value, Value(i)) {
		return fmt.Errorf("value of %s: expected %d bytes, got %d (null: %v)", where, len(Value(i)), len(value), value == nil)
	}
	if timestamp != Timestamp(i) {
		return fmt.Errorf("timestamp of %s: %d", where, timestamp)
	}
	expected := Headers(i)
	if len(expected) != len(headers) {
		return fmt.Errorf("headers of %s: %v", where, headers)
	}
	for j, header := range headers {
		if header.Key != expected[j].Key || !bytes.Equal(header.Value, expected[j].Value) {
			return fmt.Errorf("headers of %s: %v", where, headers)
		}
	}
	r.next[partition]++
	r.Seen++
	return nil
}
