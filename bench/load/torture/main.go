// The client side of `cargo xtask torture`: what must hold while a broker is killed, sent nonsense, or has no disk left.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

type settings struct {
	bootstrap, topic, ballast string
	partitions, frames        int
}

var tortures = map[string]func(settings) (string, error){"kill": kill, "frames": frames, "disk": disk}

func main() {
	if len(os.Args) < 2 || tortures[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: torture kill|frames|disk [options]")
		os.Exit(2)
	}
	var s settings
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&s.bootstrap, "bootstrap", "127.0.0.1:9092", "address")
	flags.StringVar(&s.topic, "topic", "torture", "topic")
	flags.StringVar(&s.ballast, "ballast", "", "file whose removal frees space")
	flags.IntVar(&s.partitions, "partitions", 6, "partitions")
	flags.IntVar(&s.frames, "frames", 1_000_000, "random frames to send")
	_ = flags.Parse(os.Args[2:])
	start := time.Now()
	detail, err := tortures[os.Args[1]](s)
	if err != nil {
		fmt.Printf("FAIL\t%v\n", err)
		os.Exit(1)
	}
	fmt.Printf("OK\t%s, %.0f s\n", detail, time.Since(start).Seconds())
}
