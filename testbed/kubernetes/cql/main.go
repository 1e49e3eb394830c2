// cql runs statements on one Cassandra node and prints each row as a line
// "column=value column=value". CQL_CONSISTENCY sets the level (default ONE),
// CQL_USER and CQL_PASSWORD log in, CQL_CA (a file with certificates in PEM)
// encrypts, and verifies the node by its name in CQL_NAME, CQL_CERT and CQL_KEY show a certificate. It is
// a program of its own because tests run it several times a second, and Kubernetes takes its time to initialize.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: cql HOST[:PORT] 'STATEMENT'...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(host string, statements []string) error {
	cluster := gocql.NewCluster(host)
	// Talk to the named node and to no other, so that a demonstration knows
	// which node answered.
	cluster.DisableInitialHostLookup = true
	cluster.NumConns = 1
	// News of other nodes that come and go make the driver look for hosts anew,
	// and it has none for that moment.
	cluster.Events.DisableNodeStatusEvents = true
	cluster.Events.DisableTopologyEvents = true
	cluster.Events.DisableSchemaEvents = true
	cluster.Timeout = 20 * time.Second
	cluster.ConnectTimeout = 5 * time.Second
	cluster.Consistency = gocql.One
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	if level := os.Getenv("CQL_CONSISTENCY"); level != "" {
		consistency, err := gocql.ParseConsistencyWrapper(level)
		if err != nil {
			return err
		}
		cluster.Consistency = consistency
	}
	if user := os.Getenv("CQL_USER"); user != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: user, Password: os.Getenv("CQL_PASSWORD")}
	}
	if ca := os.Getenv("CQL_CA"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s has no certificate in PEM", ca)
		}
		config := &tls.Config{RootCAs: roots, ServerName: os.Getenv("CQL_NAME")}
		if file := os.Getenv("CQL_CERT"); file != "" {
			own, err := tls.LoadX509KeyPair(file, os.Getenv("CQL_KEY"))
			if err != nil {
				return err
			}
			config.Certificates = []tls.Certificate{own}
		}
		cluster.SslOpts = &gocql.SslOptions{Config: config, EnableHostVerification: true}
	}
	session, err := cluster.CreateSession()
	if err != nil {
		return err
	}
	defer session.Close()
	for _, statement := range statements {
		if err := runStatement(session, statement); err != nil {
			return err
		}
	}
	return nil
}

func runStatement(session *gocql.Session, statement string) error {
	rows := session.Query(statement).Iter()
	for {
		row := map[string]any{}
		if !rows.MapScan(row) {
			return rows.Close()
		}
		columns := make([]string, 0, len(row))
		for name, value := range row {
			columns = append(columns, fmt.Sprintf("%s=%v", name, value))
		}
		sort.Strings(columns)
		fmt.Println(strings.Join(columns, " "))
	}
}
