package actortest

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// Committer is an assign-only consumer that commits rising offsets of one partition for its group, one at a time, and reads
// them back: what was acknowledged is never older than what is read later, whoever coordinates.
type Committer struct {
	Commits int // acknowledged

	w       *Workload
	client  *Client
	group   string
	sent    int64 // the offset that is being committed, or the last one
	acked   int64
	addr    string
	waiting bool
}

// NewCommitter starts one.
func NewCommitter(w *Workload, group string) *Committer {
	c := &Committer{w: w, client: w.c.NewClient(group), group: group}
	c.commit()
	return c
}

func (c *Committer) again(f func()) {
	c.addr = ""
	c.w.c.After(pause, f)
}

// at runs f once the coordinator is known.
func (c *Committer) at(f func()) {
	if c.addr != "" {
		f()
		return
	}
	c.client.coordinator(c.group, func(addr string) {
		if c.addr = addr; addr == "" {
			c.again(func() { c.at(f) })
			return
		}
		f()
	})
}

func (c *Committer) commit() {
	if c.w.stopped {
		c.waiting = false
		return
	}
	c.waiting = true
	c.sent++
	c.at(c.send)
}

func (c *Committer) send() {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 6, c.group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = c.w.Topic
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = c.sent
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	c.client.Ask(c.addr, req, func(r kmsg.Response, err error) {
		if err != nil {
			c.again(func() { c.at(c.send) })
			return
		}
		if code := kerror.Code(r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode); code != kerror.None {
			if !code.Retriable() && code != kerror.RequestTimedOut {
				c.w.c.Fail("a commit of %s: %v", c.group, code)
				return
			}
			c.again(func() { c.at(c.send) })
			return
		}
		c.acked = c.sent
		c.Commits++
		c.at(c.read)
	})
}

// read fetches what was committed: the coordinator may have changed since.
func (c *Committer) read() {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 5, c.group
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic, t.Partitions = c.w.Topic, []int32{0}
	req.Topics = append(req.Topics, t)
	c.client.Ask(c.addr, req, func(r kmsg.Response, err error) {
		if err != nil {
			c.again(func() { c.at(c.read) })
			return
		}
		f := r.(*kmsg.OffsetFetchResponse)
		if f.ErrorCode != 0 {
			if code := kerror.Code(f.ErrorCode); !code.Retriable() {
				c.w.c.Fail("reading the commits of %s: %v", c.group, code)
				return
			}
			c.again(func() { c.at(c.read) })
			return
		}
		if got := f.Topics[0].Partitions[0].Offset; got != c.acked {
			c.w.c.Fail("group %s committed offset %d and now has %d", c.group, c.acked, got)
			return
		}
		c.w.c.After(think, c.commit)
	})
}

func (c *Committer) stuck() string {
	if !c.waiting {
		return ""
	}
	return fmt.Sprintf("%s waits for its commit of %d, at %q", c.group, c.sent, c.addr)
}
