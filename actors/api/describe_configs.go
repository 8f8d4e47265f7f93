package api

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/cluster"
	meta "chronik/actors/metadata"
	"chronik/protocol/config"
	"chronik/protocol/kerror"
)

// describeConfigs answers DescribeConfigs 1-4 for topics and brokers.
func describeConfigs(c *Call) {
	req := c.Request.(*kmsg.DescribeConfigsRequest)
	im := c.Image()
	resp := kmsg.NewPtrDescribeConfigsResponse()
	for i := range req.Resources {
		r := &req.Resources[i]
		x := kmsg.NewDescribeConfigsResponseResource()
		x.ResourceType, x.ResourceName = r.ResourceType, r.ResourceName
		rows, code, text := c.configsOf(im, r)
		x.ErrorCode, x.ErrorMessage = int16(code), &text // "" when all is well, as from Apache Kafka
		if code == kerror.None {
			x.Configs = describedRows(rows, r.ConfigNames, req)
		}
		resp.Resources = append(resp.Resources, x)
	}
	c.Reply(resp)
}

func (c *Call) configsOf(im *cluster.Image, r *kmsg.DescribeConfigsRequestResource) ([]config.Described, kerror.Code, string) {
	switch r.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if why := meta.CheckName(r.ResourceName); why != "" {
			return nil, kerror.InvalidTopicException, why
		}
		t := im.Topics[r.ResourceName]
		if t == nil {
			return nil, kerror.UnknownTopicOrPartition, kerror.UnknownTopicOrPartition.Text()
		}
		return config.DescribeTopic(t.Configs, c.Config()), kerror.None, ""
	case kmsg.ConfigResourceTypeBroker:
		own := itoa(int64(c.View().NodeID))
		switch r.ResourceName {
		case "":
			return config.DescribeClusterDefault(im.BrokerConfigs[""]), kerror.None, ""
		case own:
			return config.DescribeBroker(c.Config()), kerror.None, ""
		}
		return nil, kerror.InvalidRequest, fmt.Sprintf("Unexpected broker id, expected %s or empty string, but received %s", own, r.ResourceName)
	}
	return nil, kerror.InvalidRequest, fmt.Sprintf("Unsupported resource type: %v", r.ResourceType)
}

func describedRows(rows []config.Described, names []string, req *kmsg.DescribeConfigsRequest) []kmsg.DescribeConfigsResponseResourceConfig {
	out := []kmsg.DescribeConfigsResponseResourceConfig{}
	for i := range rows {
		d := &rows[i]
		if names != nil && !slices.Contains(names, d.Name) {
			continue
		}
		x := kmsg.NewDescribeConfigsResponseResourceConfig()
		x.Name, x.Value, x.ReadOnly, x.IsSensitive = d.Name, d.Value, d.ReadOnly, d.Sensitive
		x.Source, x.ConfigType = kmsg.ConfigSource(d.Source), kmsg.ConfigType(d.Type)
		if req.IncludeSynonyms {
			for _, s := range d.Synonyms {
				y := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
				y.Name, y.Value, y.Source = s.Name, s.Value, kmsg.ConfigSource(s.Source)
				x.ConfigSynonyms = append(x.ConfigSynonyms, y)
			}
		}
		if req.IncludeDocumentation {
			x.Documentation = nullable(d.Doc)
		}
		out = append(out, x)
	}
	return out
}
