package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTransactionsRefused: while there are no transactions, a transactional producer is stopped at once, by an error that its
// client takes as final.
func TestTransactionsRefused(t *testing.T) {
	n := StartStandalone(t)
	CreateTopic(t, []string{n.Addr}, "tx", 1, 1, nil)
	limit := 5 * time.Second
	t.Run("franz-go", func(t *testing.T) {
		cl := client(t, []string{n.Addr}, kgo.TransactionalID("t1"), kgo.DefaultProduceTopic("tx"))
		defer cl.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
		defer cancel()
		began := time.Now()
		err := cl.BeginTransaction()
		if err == nil {
			err = cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr()
		}
		if took := time.Since(began); err == nil || took > limit {
			t.Fatalf("%v after %v", err, took)
		}
		t.Log(err)
	})
	t.Run("Java", func(t *testing.T) {
		classpath(t)
		began := time.Now()
		out, err := Java(t, 30*time.Second, "", "kafka-producer-perf-test", "--bootstrap-server", n.Addr, "--topic", "tx", "--num-records", "10", "--record-size", "10",
			"--throughput", "-1", "--transactional-id", "t2")
		// The JVM's own start is in this time.
		if took := time.Since(began); !strings.Contains(out, "TransactionalIdAuthorizationException") || took > limit+3*time.Second {
			t.Fatalf("%v after %v\n%s", err, took, out)
		}
	})
	t.Run("librdkafka", func(t *testing.T) {
		needs(t, "kcat")
		began := time.Now()
		out, err := Run(t, 30*time.Second, "x\n", "kcat", "-b", n.Addr, "-P", "-t", "tx", "-X", "transactional.id=t3")
		if took := time.Since(began); err == nil || took > limit {
			t.Fatalf("%v after %v\n%s", err, took, out)
		}
	})
}
