// casskop-testbed is every program of the testbed's Kubernetes in one binary.
//
// One binary instead of ten shares the Kubernetes libraries: it links in
// minutes on two cores and takes a tenth of the disk. The first argument, or
// the name the binary is called by, chooses the program.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// programs maps a name to what it runs. Each program reads os.Args as if it
// were a binary of its own and returns its exit code.
var programs = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          apiserver,
	"kube-controller-manager": controllerManager,
	"kube-scheduler":          scheduler,
	"kubelet":                 kubelet,
	"kube-proxy":              proxy,
	"kubectl":                 kubectl,
	"coredns":                 coreDNS,
	"storage":                 storage,
	"delay":                   delay,
}

func main() {
	name := filepath.Base(os.Args[0])
	if programs[name] == nil && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	program := programs[name]
	if program == nil {
		names := make([]string, 0, len(programs))
		for n := range programs {
			names = append(names, n)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: casskop-testbed PROGRAM [ARGUMENTS]\nprograms: %s\n", strings.Join(names, " "))
		os.Exit(2)
	}
	os.Exit(program())
}
