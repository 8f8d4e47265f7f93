package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/protocol/kerror"
)

// heartbeat handles Heartbeat 0-4. Version notes: 3 adds static members (KIP-345).
func (g *machine) heartbeat(c *call, req *kmsg.HeartbeatRequest) {
	m, code := g.member(req.MemberID, req.InstanceID, req.Generation)
	switch {
	case code != kerror.None:
	case g.state == empty:
		code = kerror.UnknownMemberID
	case g.state == preparing:
		g.alive(m)
		code = kerror.RebalanceInProgress
	default:
		// Members heartbeat as soon as they know the generation, so CompletingRebalance counts like Stable.
		g.alive(m)
	}
	r := kmsg.NewPtrHeartbeatResponse()
	r.Version, r.ErrorCode = req.Version, int16(code)
	g.reply(c, r)
}
