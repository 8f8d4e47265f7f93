package metadata

import (
	"fmt"
	"maps"
	"strconv"

	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kafka"
	"chronik/protocol/kerror"
	"chronik/wal"
)

func groupID(i int32) wal.GroupID { return wal.GroupID(i) }

func (d *decider) alterConfigs(c *message.AlterConfigs) decision {
	res := message.AlterResults{}
	for i := range c.Resources {
		r := &c.Resources[i]
		code, text := d.alter(r)
		res.Resources = append(res.Resources, message.AlterResult{Type: r.Type, Name: r.Name, Code: code, Message: text})
	}
	return decision{body: res}
}

// opDelete is the one operation that needs no value.
const opDelete = config.OpDelete

func (d *decider) alter(r *message.AlterResource) (kerror.Code, string) {
	var old map[string]string
	switch r.Type {
	case resourceTopic:
		if why := CheckName(r.Name); why != "" {
			return kerror.InvalidTopicException, why
		}
		if t := d.im.Topics[r.Name]; t != nil {
			old = t.Configs
		}
	case resourceBroker:
		if r.Name != "" {
			id, err := strconv.Atoi(r.Name)
			if err != nil || d.im.Nodes[kafka.NodeID(id)] == nil {
				return kerror.InvalidRequest, fmt.Sprintf("Unexpected broker id %q: no such broker is registered.", r.Name)
			}
		}
		old = d.im.BrokerConfigs[r.Name]
	default:
		return kerror.InvalidRequest, fmt.Sprintf("Unsupported resource type %d: topics (2) and brokers (4) have configs here.", r.Type)
	}
	next := map[string]string{}
	if !r.Replace {
		maps.Copy(next, old)
	}
	for _, op := range r.Ops {
		if op.Value == nil && op.Op != opDelete {
			return kerror.InvalidConfig, fmt.Sprintf("Null value not supported for : %s", op.Key)
		}
		text := ""
		if op.Value != nil {
			text = *op.Value
		}
		var err error
		if r.Type == resourceTopic {
			next, err = config.AlterTopic(next, op.Key, op.Op, text, d.broker)
		} else {
			next, err = config.AlterBroker(next, op.Key, op.Op, text)
		}
		if err != nil {
			return kerror.InvalidConfig, err.Error()
		}
	}
	var err error
	if r.Type == resourceTopic {
		err = config.ValidateTopic(next)
	} else {
		err = config.ValidateBroker(next, r.Name == "")
	}
	if err != nil {
		return kerror.InvalidConfig, err.Error()
	}
	if r.Type == resourceTopic && d.im.Topics[r.Name] == nil { // Kafka looks at the configs first
		return kerror.UnknownTopicOrPartition, fmt.Sprintf("The topic '%s' does not exist.", r.Name)
	}
	if !maps.Equal(old, next) {
		d.add(record{Configs: &configsRecord{Type: r.Type, Name: r.Name, Configs: next}})
	}
	return kerror.None, ""
}
