package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// packets that may be under way in one direction; more are lost, as in a real network.
const underWay = 100_000

type packet struct {
	data []byte
	due  time.Time
}

// delay is a slow link between two networks, for kernels without netem:
//
//	delay DURATION INTERFACE OTHER_INTERFACE PROCESS
//
// It makes an interface in its own network and another in that of the process.
// What is sent into one comes out of the other after the duration. It ends with
// the process, and the interfaces end with it.
func delay() int {
	if err := runDelay(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runDelay() error {
	if len(os.Args) != 5 {
		return fmt.Errorf("usage: casskop-testbed delay DURATION INTERFACE OTHER_INTERFACE PROCESS")
	}
	duration, err := time.ParseDuration(os.Args[1])
	if err != nil {
		return err
	}
	network := fmt.Sprintf("/proc/%s/ns/net", os.Args[4])
	here, err := tunnel(os.Args[2])
	if err != nil {
		return err
	}
	there, err := tunnelIn(network, os.Args[3])
	if err != nil {
		return err
	}
	go forward(here, there, duration)
	go forward(there, here, duration)
	for {
		if _, err := os.Stat(network); err != nil {
			return nil
		}
		time.Sleep(time.Second)
	}
}

// tunnel makes an interface whose packets are read from and written to the file.
func tunnel(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("this kernel lends no packets to programs: /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	// Only now it may be watched for packets.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// tunnelIn makes the interface in another network. The thread that went there
// ends with the goroutine, for it is never unlocked.
func tunnelIn(network, name string) (file *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var fd int
		if fd, err = unix.Open(network, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			file, err = tunnel(name)
		}
	}()
	<-done
	return file, err
}

func forward(from, to *os.File, duration time.Duration) {
	queue := make(chan packet, underWay)
	go func() {
		for packet := range queue {
			time.Sleep(time.Until(packet.due))
			_, _ = to.Write(packet.data)
		}
	}()
	buffer := make([]byte, 65536)
	for {
		size, err := from.Read(buffer)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {
		case queue <- packet{append([]byte(nil), buffer[:size]...), time.Now().Add(duration)}:
		default:
		}
	}
}
