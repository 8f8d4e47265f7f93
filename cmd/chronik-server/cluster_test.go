package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFlagsFirst(t *testing.T) {
	for line, want := range map[string]string{
		"cluster transfer-leader t-0 2 --bootstrap-server h:1": "cluster transfer-leader --bootstrap-server h:1 t-0 2",
		"cluster --bootstrap-server h:1 status -o json":        "cluster status --bootstrap-server h:1 -o json",
		"cluster set-replication-factor --all 3 --dry-run":     "cluster set-replication-factor --all --dry-run 3",
		"cluster remove-node 3 --force --parallel=2":           "cluster remove-node --force --parallel=2 3",
		"--log-level debug cluster rebalance --timeout 1h":     "--log-level debug cluster rebalance --timeout 1h",
		"cluster --help": "cluster --help",
		"cluster set-replication-factor -- --odd 3":                     "cluster set-replication-factor --odd 3",
		"verify-log dir --dump t-0":                                     "verify-log dir --dump t-0",
		"--node-id 1 raft-cluster --raft-addr 0.0.0.0:1 --join cluster": "--node-id 1 raft-cluster --raft-addr 0.0.0.0:1 --join cluster",
	} {
		got := flagsFirst(append([]string{"chronik-server"}, strings.Fields(line)...))
		if s := strings.Join(got[1:], " "); s != want {
			t.Errorf("%s\nbecame %s\nwanted %s", line, s, want)
		}
	}
}

// TestClusterUsage: command lines that cannot be meant are refused before anybody is asked.
func TestClusterUsage(t *testing.T) {
	for _, line := range []string{"", "nix", "status more", "status -o xml", "status --nix", "status --bootstrap-server localhost", "transfer-leader t-0",
		"transfer-leader t 1", "transfer-leader t-0 x", "rebalance --parallel 0", "rebalance --timeout 0s", "set-replication-factor t", "set-replication-factor t 0",
		"set-replication-factor --all t 2", "remove-node", "remove-node one", "add-node host", "add-node 0.0.0.0:1"} {
		var wrong *usageError
		app := newApp()
		app.Writer, app.ErrWriter = &bytes.Buffer{}, &bytes.Buffer{}
		if err := app.Run(append([]string{"chronik-server", "cluster"}, flagsFirst(append([]string{"chronik-server", "cluster"}, strings.Fields(line)...))[2:]...)); !errors.As(err, &wrong) {
			t.Errorf("cluster %s: %v", line, err)
		}
	}
}

func TestParsePartition(t *testing.T) {
	for s, want := range map[string]partitionID{"t-0": {"t", 0}, "with-dash-12": {"with-dash", 12}, "a--1": {"a-", 1}} {
		if got, err := parsePartition(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "t", "-1", "t-", "t-x", "t-99999999999"} {
		if got, err := parsePartition(s); err == nil {
			t.Errorf("%q became %v", s, got)
		}
	}
}

func TestProgress(t *testing.T) {
	plan := []change{{partitionID{"t", 0}, []int32{1}, []int32{2}}, {partitionID{"t", 1}, []int32{1}, []int32{2}}}
	size := func(id partitionID) int64 { return []int64{8 << 20, 28 << 20}[id.Index] } // weigh 10 and 30
	at := time.Unix(0, 0)
	for _, term := range []bool{false, true} {
		var out bytes.Buffer
		p := newProgress(&out, term, plan, size, at)
		p.show(at.Add(time.Second), "")
		p.finished(weigh(&plan[0], size))
		p.show(at.Add(10*time.Second), "t-1 is being copied to node 2")
		p.finished(weigh(&plan[1], size))
		p.end(at.Add(40 * time.Second))
		lines := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' || r == '\r' })
		want := []string{"1 of 2 partitions, about 30s left; t-1 is being copied to node 2", "2 of 2 partitions done in 40s"}
		if term {
			want = []string{"\033[K[........................] 0 of 2 partitions", "\033[K[############............] 1 of 2 partitions, about 30s left; t-1 is being copied to node 2", "\033[K2 of 2 partitions done in 40s"}
		}
		if !slices.Equal(lines, want) {
			t.Errorf("terminal %v: %q", term, lines)
		}
	}
}

// TestPlanLarge: thousands of partitions are planned while an operator waits.
func TestPlanLarge(t *testing.T) {
	nodes := plainNodes(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	var parts []placed
	for i := range int32(3_000) {
		parts = append(parts, placed{partitionID{"t", i}, 1, []int32{1, 2, 3}})
	}
	began := time.Now()
	plan := planRebalance(nodes, parts)
	_, replicas, leads, copies := outcome(t, parts, plan)
	if spread(nodes, replicas) > 0 || spread(nodes, leads) > 0 || copies != 6_300 {
		t.Errorf("%v, %v, %d copies", replicas, leads, copies)
	}
	t.Logf("%v", time.Since(began))
}
