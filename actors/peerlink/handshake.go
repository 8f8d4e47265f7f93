package peerlink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"chronik/actors/cluster"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// Hello is who a node says it is. ClusterID is "" while it belongs to none.
type Hello struct {
	ClusterID string
	Node      kafka.NodeID
	Replica   wal.ReplicaID // registration number; 0: none
	Directory wal.DirectoryID
	Bootstrap bool
	Peers     []PeerAddr   // of --peers, by id
	Row       cluster.Node // how it wants to be registered
	Joining   bool         // it belongs to no cluster and founds none: it opens connections whatever its id
	Secured   bool         // it has a --cluster-secret
	Nonce     [16]byte
}

// PeerAddr is an entry of --peers.
type PeerAddr struct {
	ID   kafka.NodeID
	Addr string
}

// AddrOf is how this node reaches another by its flags, "" when they do not name it.
func (h *Hello) AddrOf(id kafka.NodeID) string {
	for _, p := range h.Peers {
		if p.ID == id {
			return p.Addr
		}
	}
	return ""
}

// answer is the second frame: who the other side is, and its proof.
type answer struct {
	Hello Hello
	Proof []byte
}

type proof struct{ Proof []byte }

type refusal struct{ Why string }

// prove is an HMAC over both hellos and the role of the prover, so that neither a replay nor a reflection proves
// anything. Without a secret there is nothing to prove.
func prove(secret, role string, dialer, acceptor *Hello) []byte {
	if secret == "" {
		return nil
	}
	mac := hmac.New(sha256.New, []byte(secret))
	for _, v := range []any{role, dialer, acceptor} {
		b, err := json.Marshal(v)
		if err != nil {
			panic("BUG: a hello does not encode: " + err.Error())
		}
		fmt.Fprintf(mac, "%d:", len(b))
		mac.Write(b)
	}
	return mac.Sum(nil)
}

const (
	roleDialer   = "dialer"
	roleAcceptor = "acceptor"
)

// checkSecret says why a proof does not hold; "" when it does.
func checkSecret(secret, role string, theirs, dialer, acceptor *Hello, given []byte) string {
	switch {
	case secret == "" && theirs.Secured:
		return fmt.Sprintf("node %d has a --cluster-secret and this node has none", theirs.Node)
	case secret != "" && !theirs.Secured:
		return fmt.Sprintf("node %d has no --cluster-secret and this node has one", theirs.Node)
	case !hmac.Equal(given, prove(secret, role, dialer, acceptor)):
		return fmt.Sprintf("node %d has another --cluster-secret", theirs.Node)
	}
	return ""
}
