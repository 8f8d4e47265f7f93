package group

import (
	"bytes"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// newMemberJoinTimeout bounds how long a member whose first JoinGroup is parked is kept without a sign of life: its
// connection may be gone, and it has no id to send heartbeats with yet.
const newMemberJoinTimeout = 5 * time.Minute

// protocol is one assignment protocol that a member offers, with its subscription.
type protocol struct {
	name     string
	metadata []byte
}

// member is one member of a group. Its parked calls are nil when nothing is parked. Slices are never changed once set.
type member struct {
	id               string
	instance         *string // group.instance.id of a static member (KIP-345), else nil
	clientID         string
	clientHost       string
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
	protocols        []protocol // in the member's order of preference
	assignment       []byte
	join, sync       *call
	// unknown is set from the first JoinGroup until it is answered: the member does not know its id yet.
	unknown  bool
	deadline time.Time // without a sign of life until then the member is removed
}

func (m *member) static() bool { return m.instance != nil }

// waiting says whether the group owes this member an answer: then silence is no sign of death, except of a member that
// does not know its id.
func (m *member) waiting() bool { return !m.unknown && (m.join != nil || m.sync != nil) }

func (m *member) metadata(name string) []byte {
	for _, p := range m.protocols {
		if p.name == name {
			return p.metadata
		}
	}
	return nil
}

func (m *member) supports(name string) bool {
	for _, p := range m.protocols {
		if p.name == name {
			return true
		}
	}
	return false
}

// offers says whether a JoinGroup brings exactly the protocols that the member has already.
func (m *member) offers(ps []protocol) bool {
	if len(ps) != len(m.protocols) {
		return false
	}
	for i, p := range ps {
		if p.name != m.protocols[i].name || !bytes.Equal(p.metadata, m.protocols[i].metadata) {
			return false
		}
	}
	return true
}

// update takes over what a JoinGroup says.
func (m *member) update(req *kmsg.JoinGroupRequest) {
	m.protocols = protocolsOf(req)
	m.sessionTimeout = millis(req.SessionTimeoutMillis)
	m.rebalanceTimeout = rebalanceTimeoutOf(req)
}

func protocolsOf(req *kmsg.JoinGroupRequest) []protocol {
	ps := make([]protocol, len(req.Protocols))
	for i, p := range req.Protocols {
		ps[i] = protocol{name: p.Name, metadata: p.Metadata}
	}
	return ps
}

// rebalanceTimeoutOf: version 0 has one timeout for both.
func rebalanceTimeoutOf(req *kmsg.JoinGroupRequest) time.Duration {
	if req.Version == 0 {
		return millis(req.SessionTimeoutMillis)
	}
	return millis(req.RebalanceTimeoutMillis)
}

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }
