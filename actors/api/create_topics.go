package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kerror"
)

// createTopics answers CreateTopics 2-7.
func createTopics(c *Call) {
	req := c.Request.(*kmsg.CreateTopicsRequest)
	resp := kmsg.NewPtrCreateTopicsResponse()
	count := map[string]int{}
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	var want message.CreateTopics
	place := map[string]int{} // where a topic's answer stands
	for i := range req.Topics {
		t := &req.Topics[i]
		if _, again := place[t.Topic]; again {
			continue
		}
		place[t.Topic] = len(resp.Topics)
		x := kmsg.NewCreateTopicsResponseTopic()
		x.Topic, x.NumPartitions, x.ReplicationFactor = t.Topic, -1, -1
		cmd, code, text := newTopic(t)
		if count[t.Topic] > 1 {
			code, text = kerror.InvalidRequest, "Duplicate topic name."
		}
		if code != kerror.None {
			refuseTopic(&x, code, text)
		} else {
			want.Topics = append(want.Topics, cmd)
		}
		resp.Topics = append(resp.Topics, x)
	}
	if len(want.Topics) == 0 {
		c.Reply(resp)
		return
	}
	var got message.TopicResults
	c.command(message.CmdCreateTopics, want, req.ValidateOnly, millis(req.TimeoutMillis), &got, func(code kerror.Code, text string) {
		if code != kerror.None {
			for _, t := range want.Topics {
				refuseTopic(&resp.Topics[place[t.Name]], code, text)
			}
		}
		for i := range got.Topics {
			r := &got.Topics[i]
			x := &resp.Topics[place[r.Name]]
			if r.Code != kerror.None {
				refuseTopic(x, r.Code, r.Message)
				continue
			}
			x.NumPartitions, x.ReplicationFactor = r.Partitions, r.ReplicationFactor
			x.TopicID = r.ID
			for _, w := range want.Topics {
				if w.Name == r.Name {
					x.Configs = createdConfigs(w.Configs, c.Config())
				}
			}
		}
		c.Reply(resp)
	})
}

func refuseTopic(x *kmsg.CreateTopicsResponseTopic, code kerror.Code, text string) {
	if text == "" {
		text = code.Text()
	}
	x.ErrorCode, x.ErrorMessage, x.Configs = int16(code), &text, []kmsg.CreateTopicsResponseTopicConfig{}
}

// newTopic turns a request into a command; what can be seen to be wrong without the metadata is refused here.
func newTopic(t *kmsg.CreateTopicsRequestTopic) (cmd message.CreateTopic, code kerror.Code, text string) {
	cmd = message.CreateTopic{Name: t.Topic, Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor, Configs: map[string]string{}}
	for _, cfg := range t.Configs {
		if cfg.Value == nil {
			return cmd, kerror.InvalidConfig, "Null value not supported for topic configs: " + cfg.Name
		}
		cmd.Configs[cfg.Name] = *cfg.Value
	}
	if len(t.ReplicaAssignment) == 0 {
		return cmd, kerror.None, ""
	}
	if t.ReplicationFactor != -1 {
		return cmd, kerror.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1."
	}
	if t.NumPartitions != -1 {
		return cmd, kerror.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1."
	}
	cmd.Assignments = map[int32][]int32{}
	for _, a := range t.ReplicaAssignment {
		if _, twice := cmd.Assignments[a.Partition]; twice {
			return cmd, kerror.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition " + itoa(int64(a.Partition))
		}
		cmd.Assignments[a.Partition] = slices.Clone(a.Replicas)
	}
	return cmd, kerror.None, ""
}

// createdConfigs is what CreateTopics 5+ tells of a new topic (KIP-525).
func createdConfigs(overrides map[string]string, b *config.Broker) []kmsg.CreateTopicsResponseTopicConfig {
	out := []kmsg.CreateTopicsResponseTopicConfig{}
	for _, d := range config.DescribeNewTopic(overrides, b) {
		x := kmsg.NewCreateTopicsResponseTopicConfig()
		x.Name, x.Value, x.ReadOnly, x.Source, x.IsSensitive = d.Name, d.Value, d.ReadOnly, int8(d.Source), d.Sensitive
		out = append(out, x)
	}
	return out
}
