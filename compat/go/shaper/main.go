// A slow and lossy link: packets that the kernel routes into a TUN device leave by the real one, late or never. One process in
// each node's network namespace, told by lines of "ADDRESS DELAY_MS JITTER_MS LOSS_PER_MILLE"; an address without a line is passed on.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const queueMax = 20_000

type link struct {
	delay, jitter time.Duration
	loss          int
}

type packet struct {
	due   time.Time
	bytes []byte
}

var (
	links  = map[[4]byte]link{}
	guard  sync.Mutex
	queues = map[[4]byte]chan packet{}
)

func main() {
	tun, err := attach(os.Args[1])
	if err != nil {
		fatal(err)
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err == nil {
		err = syscall.BindToDevice(socket, os.Args[2])
	}
	if err != nil {
		fatal(err)
	}
	go pass(tun, socket)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var a [4]byte
		var delay, jitter, loss int
		if _, err := fmt.Sscanf(lines.Text(), "%d.%d.%d.%d %d %d %d", &a[0], &a[1], &a[2], &a[3], &delay, &jitter, &loss); err != nil {
			fatal(err)
		}
		guard.Lock()
		links[a] = link{time.Duration(delay) * time.Millisecond, time.Duration(jitter) * time.Millisecond, loss}
		guard.Unlock()
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "shaper:", err)
	os.Exit(1)
}

func attach(name string) (int, error) {
	tun, err := syscall.Open("/dev/net/tun", syscall.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	var request [40]byte
	copy(request[:], name)
	*(*uint16)(unsafe.Pointer(&request[16])) = syscall.IFF_TUN | syscall.IFF_NO_PI
	_, _, code := syscall.Syscall(syscall.SYS_IOCTL, uintptr(tun), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request[0])))
	if code != 0 {
		return 0, code
	}
	return tun, nil
}

func pass(tun, socket int) {
	buffer := make([]byte, 65536)
	for {
		n, err := syscall.Read(tun, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			fatal(err)
		}
		if n < 20 || buffer[0]>>4 != 4 {
			continue
		}
		to := [4]byte(buffer[16:20])
		guard.Lock()
		link := links[to]
		guard.Unlock()
		if rand.Intn(1000) < link.loss {
			continue
		}
		due := time.Now().Add(link.delay)
		if link.jitter > 0 {
			due = due.Add(time.Duration(rand.Int63n(int64(link.jitter))))
		}
		queue, known := queues[to]
		if !known {
			queue = make(chan packet, queueMax)
			queues[to] = queue
			go send(socket, to, queue)
		}
		select {
		case queue <- packet{due, append([]byte(nil), buffer[:n]...)}:
		default: // as a router does whose queue is full
		}
	}
}

func send(socket int, to [4]byte, queue <-chan packet) {
	for packet := range queue {
		time.Sleep(time.Until(packet.due))
		// a network loses what it cannot send
		_ = syscall.Sendto(socket, packet.bytes, 0, &syscall.SockaddrInet4{Addr: to})
	}
}
