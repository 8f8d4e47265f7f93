package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"
)

// mostNamed is how many partitions are named; of the others only the number is told.
const mostNamed = 20

// clusterStatus is what `cluster status` tells, in every format.
type clusterStatus struct {
	ClusterID       string             `json:"cluster_id" yaml:"cluster_id"`
	Controller      int32              `json:"controller" yaml:"controller"`
	Nodes           []nodeStatus       `json:"nodes" yaml:"nodes"`
	Partitions      int                `json:"partitions" yaml:"partitions"`
	UnderReplicated partitionList      `json:"under_replicated" yaml:"under_replicated"`
	Leaderless      partitionList      `json:"leaderless" yaml:"leaderless"`
	Reassignments   []reassignmentItem `json:"reassignments" yaml:"reassignments"`
	Quorum          quorumStatus       `json:"quorum" yaml:"quorum"`
}

type nodeStatus struct {
	ID         int32  `json:"id" yaml:"id"`
	Address    string `json:"address" yaml:"address"`
	Rack       string `json:"rack" yaml:"rack"`
	Reachable  bool   `json:"reachable" yaml:"reachable"`
	Problem    string `json:"problem,omitempty" yaml:"problem,omitempty"`
	DiskTotal  int64  `json:"disk_total_bytes" yaml:"disk_total_bytes"`
	DiskUsable int64  `json:"disk_usable_bytes" yaml:"disk_usable_bytes"`
	Leaders    int    `json:"leaders" yaml:"leaders"`
	Replicas   int    `json:"replicas" yaml:"replicas"`
}

// partitionList names the first of them.
type partitionList struct {
	Count int      `json:"count" yaml:"count"`
	First []string `json:"first" yaml:"first"`
}

func (l *partitionList) add(name string) {
	if l.Count++; l.Count <= mostNamed {
		l.First = append(l.First, name)
	}
}

type reassignmentItem struct {
	Partition string  `json:"partition" yaml:"partition"`
	Replicas  []int32 `json:"replicas" yaml:"replicas,flow"`
	Adding    []int32 `json:"adding" yaml:"adding,flow"`
	Removing  []int32 `json:"removing" yaml:"removing,flow"`
}

type quorumStatus struct {
	Problem       string          `json:"problem,omitempty" yaml:"problem,omitempty"`
	Leader        int32           `json:"leader" yaml:"leader"`
	Epoch         int32           `json:"epoch" yaml:"epoch"`
	HighWatermark int64           `json:"high_watermark" yaml:"high_watermark"`
	Voters        []quorumReplica `json:"voters" yaml:"voters"`
	Observers     []quorumReplica `json:"observers" yaml:"observers"`
}

type quorumReplica struct {
	ID  int32 `json:"id" yaml:"id"`
	Lag int64 `json:"lag" yaml:"lag"`
}

func (o *operator) status(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	format := c.String("output")
	if !slices.Contains([]string{"table", "json", "yaml"}, format) {
		return usage("--output %q: use table, json or yaml", format)
	}
	v, err := o.look()
	if err != nil {
		return err
	}
	s := statusOf(v)
	switch format {
	case "json":
		e := json.NewEncoder(o.out)
		e.SetIndent("", "  ")
		return e.Encode(s)
	case "yaml":
		e := yaml.NewEncoder(o.out)
		e.SetIndent(2)
		if err := e.Encode(s); err != nil {
			return err
		}
		return e.Close()
	}
	return s.table(o.out)
}

func statusOf(v *view) *clusterStatus {
	s := &clusterStatus{ClusterID: v.clusterID, Controller: v.controller, Nodes: []nodeStatus{}, Partitions: len(v.parts), Reassignments: []reassignmentItem{},
		UnderReplicated: partitionList{First: []string{}}, Leaderless: partitionList{First: []string{}}}
	leads, holds := map[int32]int{}, map[int32]int{}
	for _, p := range v.parts {
		leads[p.leader]++
		for _, r := range p.replicas {
			holds[r]++
		}
		if p.leader < 0 {
			s.Leaderless.add(p.String())
		}
		if len(missing(p.target(), missing(p.inSync, p.offline))) > 0 { // who is gone is in sync on paper for a while
			s.UnderReplicated.add(p.String())
		}
		if len(p.adding)+len(p.removes) > 0 {
			s.Reassignments = append(s.Reassignments, reassignmentItem{p.String(), p.replicas, noNil(p.adding), noNil(p.removes)})
		}
	}
	for _, n := range v.nodes {
		s.Nodes = append(s.Nodes, nodeStatus{ID: n.id, Address: n.addr, Rack: n.rack, Reachable: n.reachable(), Problem: n.why,
			DiskTotal: n.total, DiskUsable: n.usable, Leaders: leads[n.id], Replicas: holds[n.id]})
	}
	q := &v.quorum
	s.Quorum = quorumStatus{Leader: q.leader, Epoch: q.epoch, HighWatermark: q.end, Voters: quorumReplicas(q.voters), Observers: quorumReplicas(q.watchers)}
	if q.err != nil {
		s.Quorum.Problem = q.err.Error()
	}
	return s
}

// noNil prints as [] in JSON.
func noNil(list []int32) []int32 { return append([]int32{}, list...) }

func quorumReplicas(list []quorumMember) []quorumReplica {
	out := []quorumReplica{}
	for _, m := range list {
		out = append(out, quorumReplica{m.id, m.lag})
	}
	return out
}

// table is for people.
func (s *clusterStatus) table(out io.Writer) error {
	fmt.Fprintf(out, "cluster %s, controller %d\n\n", s.ClusterID, s.Controller)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tADDRESS\tRACK\tREACHABLE\tDISK\tUSABLE\tLEADERS\tREPLICAS")
	for _, n := range s.Nodes {
		reachable := "yes"
		if !n.Reachable {
			reachable = "NO"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", n.ID, dash(n.Address), dash(n.Rack), reachable, sizeText(n.DiskTotal), sizeText(n.DiskUsable), n.Leaders, n.Replicas)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range s.Nodes {
		if n.Problem != "" {
			fmt.Fprintf(out, "node %d: %s\n", n.ID, n.Problem)
		}
	}
	fmt.Fprintf(out, "\n%d partitions\n", s.Partitions)
	fmt.Fprintf(out, "under-replicated: %s\n", s.UnderReplicated)
	fmt.Fprintf(out, "without a leader: %s\n", s.Leaderless)
	fmt.Fprintf(out, "reassignments under way: %d\n", len(s.Reassignments))
	for i, r := range s.Reassignments {
		if i == mostNamed {
			fmt.Fprintf(out, "  and %d more\n", len(s.Reassignments)-i)
			break
		}
		fmt.Fprintf(out, "  %s: replicas %s, coming %s, going %s\n", r.Partition, idText(r.Replicas), idText(r.Adding), idText(r.Removing))
	}
	return s.Quorum.table(out)
}

func (q *quorumStatus) table(out io.Writer) error {
	if q.Problem != "" {
		_, err := fmt.Fprintf(out, "\nquorum of %s: not known: %s\n", metaTopic, q.Problem)
		return err
	}
	fmt.Fprintf(out, "\nquorum of %s: leader %d, epoch %d, high watermark %d\n", metaTopic, q.Leader, q.Epoch, q.HighWatermark)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tROLE\tLAG")
	for _, m := range q.Voters {
		fmt.Fprintf(w, "%d\tvoter\t%d\n", m.ID, m.Lag)
	}
	for _, m := range q.Observers {
		fmt.Fprintf(w, "%d\tobserver\t%d\n", m.ID, m.Lag)
	}
	return w.Flush()
}

func (l partitionList) String() string {
	s := fmt.Sprint(l.Count)
	if l.Count > 0 {
		s += ": " + strings.Join(l.First, ", ")
	}
	if more := l.Count - len(l.First); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// idText is a list of node ids, for people.
func idText(ids []int32) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
}

// sizeText is a number of bytes, for people.
func sizeText(n int64) string {
	switch {
	case n < 0:
		return "-"
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
