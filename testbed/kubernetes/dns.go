package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
)

// coreDNS runs CoreDNS with only the plugins the testbed's Corefile names.
func coreDNS() int {
	dnsserver.Directives = []string{"bind", "errors", "health", "log", "ready", "kubernetes"}
	coremain.Run()
	return 0
}
