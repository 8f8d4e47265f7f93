package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/message"
	"chronik/protocol/config"
	"chronik/protocol/kerror"
)

// resourceKey names a resource whose configs change.
type resourceKey struct {
	kind int8
	name string
}

// alterConfigs answers AlterConfigs 0-2: what is not named is removed.
func alterConfigs(c *Call) {
	req := c.Request.(*kmsg.AlterConfigsRequest)
	var want []message.AlterResource
	for _, r := range req.Resources {
		a := message.AlterResource{Type: int8(r.ResourceType), Name: r.ResourceName, Replace: true}
		for _, cfg := range r.Configs {
			a.Ops = append(a.Ops, message.AlterConfig{Key: cfg.Name, Value: cfg.Value, Op: config.OpSet})
		}
		want = append(want, a)
	}
	c.alter(want, req.ValidateOnly, func(results []message.AlterResult) {
		resp := kmsg.NewPtrAlterConfigsResponse()
		for _, r := range results {
			x := kmsg.NewAlterConfigsResponseResource()
			x.ResourceType, x.ResourceName, x.ErrorCode, x.ErrorMessage = kmsg.ConfigResourceType(r.Type), r.Name, int16(r.Code), nullable(r.Message)
			resp.Resources = append(resp.Resources, x)
		}
		c.Reply(resp)
	})
}

// incrementalAlterConfigs answers IncrementalAlterConfigs 0-1 (KIP-339).
func incrementalAlterConfigs(c *Call) {
	req := c.Request.(*kmsg.IncrementalAlterConfigsRequest)
	var want []message.AlterResource
	for _, r := range req.Resources {
		a := message.AlterResource{Type: int8(r.ResourceType), Name: r.ResourceName}
		for _, cfg := range r.Configs {
			a.Ops = append(a.Ops, message.AlterConfig{Key: cfg.Name, Value: cfg.Value, Op: int8(cfg.Op)})
		}
		want = append(want, a)
	}
	c.alter(want, req.ValidateOnly, func(results []message.AlterResult) {
		resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
		for _, r := range results {
			x := kmsg.NewIncrementalAlterConfigsResponseResource()
			x.ResourceType, x.ResourceName, x.ErrorCode, x.ErrorMessage = kmsg.ConfigResourceType(r.Type), r.Name, int16(r.Code), nullable(r.Message)
			resp.Resources = append(resp.Resources, x)
		}
		c.Reply(resp)
	})
}

// alter has resources changed; a resource that is named twice is refused, as are configs that are.
func (c *Call) alter(want []message.AlterResource, validateOnly bool, then func([]message.AlterResult)) {
	seen := map[resourceKey]int{}
	for i := range want {
		seen[resourceKey{want[i].Type, want[i].Name}]++
	}
	out := make([]message.AlterResult, len(want))
	var pass message.AlterConfigs
	var place []int
	for i := range want {
		r := &want[i]
		out[i] = message.AlterResult{Type: r.Type, Name: r.Name}
		switch {
		case seen[resourceKey{r.Type, r.Name}] > 1:
			out[i].Code, out[i].Message = kerror.InvalidRequest, "Each resource must appear at most once."
		case duplicateKey(r.Ops) != "":
			out[i].Code, out[i].Message = kerror.InvalidRequest, "Error due to duplicate config keys: "+duplicateKey(r.Ops)
		default:
			pass.Resources = append(pass.Resources, *r)
			place = append(place, i)
		}
	}
	if len(place) == 0 {
		then(out)
		return
	}
	var got message.AlterResults
	c.command(message.CmdAlterConfigs, pass, validateOnly, Patience, &got, func(code kerror.Code, text string) {
		for i, at := range place {
			if code != kerror.None {
				out[at].Code, out[at].Message = code, text
			} else {
				out[at] = got.Resources[i]
			}
		}
		then(out)
	})
}

func duplicateKey(ops []message.AlterConfig) string {
	seen := map[string]bool{}
	for _, op := range ops {
		if seen[op.Key] {
			return op.Key
		}
		seen[op.Key] = true
	}
	return ""
}
