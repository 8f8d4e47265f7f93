package broker

import (
	"encoding/json"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kerror"
)

// ensureTopic creates a topic that a client asked for, at most one command per name at a time.
func (b *Broker) ensureTopic(ctx actor.Context, m *message.EnsureTopic) {
	if b.creating[m.Name] || b.node.View.Image().Topics[m.Name] != nil || b.node.View.Metadata() == nil {
		return
	}
	cfg := b.config.Load()
	t := message.CreateTopic{Name: m.Name, Partitions: -1, ReplicationFactor: -1, Internal: m.Internal}
	if m.Internal {
		t.Partitions, t.ReplicationFactor = cfg.OffsetsPartitions, cfg.OffsetsReplicationFactor
		t.Configs = config.OffsetsTopicConfigs(cfg)
	}
	body, err := json.Marshal(message.CreateTopics{Topics: []message.CreateTopic{t}})
	if err != nil {
		panic("BUG: a topic does not encode: " + err.Error())
	}
	b.creating[m.Name] = true
	b.token++
	if b.asked == nil {
		b.asked = map[uint64]string{}
	}
	b.asked[b.token] = m.Name
	ctx.Send(b.node.View.Metadata(), &message.MetaCommand{ReplyTo: message.ReplyTo{PID: ctx.Self(), Token: b.token}, Kind: message.CmdCreateTopics, Body: body,
		Deadline: b.node.Env.Clock.Now().Add(5 * time.Second)})
}

func (b *Broker) created(m *message.MetaCommandReply) {
	name := b.asked[m.Token]
	delete(b.asked, m.Token)
	delete(b.creating, name)
	if m.Reason != kerror.None {
		b.log.Warn("a topic could not be created automatically", "topic", name, "reason", m.Reason.String(), "text", m.Message)
	}
}
