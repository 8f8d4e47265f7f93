package actortest

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/env"
)

// Client is a Kafka client on the clients' machine. It speaks the wire protocol over the simulated network, one
// connection per broker, and gives every request up after a while.
type Client struct {
	cluster *Cluster
	net     *network
	conns   map[string]*clientConn
	format  *kmsg.RequestFormatter
}

// NewClient returns one.
func (c *Cluster) NewClient(id string) *Client {
	return &Client{cluster: c, net: &network{world: c.World, net: c.Net}, conns: map[string]*clientConn{}, format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(id))}
}

var (
	errGivenUp = errors.New("no answer in time")
	errClosed  = errors.New("the connection was closed")
)

const (
	clientDial    = time.Second
	clientRequest = 5 * time.Second
)

type clientConn struct {
	client  *Client
	addr    string
	socket  env.Socket
	dead    bool
	next    int32
	waiting []*clientRequestState // in order
	unsent  [][]byte
}

type clientRequestState struct {
	correlation int32
	resp        kmsg.Response
	done        func(kmsg.Response, error)
	cancel      func()
}

// Ask sends a request to a broker; done is called once.
func (c *Client) Ask(addr string, req kmsg.Request, done func(kmsg.Response, error)) {
	conn := c.conns[addr]
	if conn == nil || conn.dead {
		conn = &clientConn{client: c, addr: addr}
		c.conns[addr] = conn
		c.net.Dial(addr, clientDial, func(s env.Socket, err error) {
			if err != nil {
				conn.fail(err)
				return
			}
			if conn.dead {
				s.Close()
				return
			}
			conn.socket = s
			s.Start(env.SocketLimits{MaxFrame: 64 << 20}, conn)
			for _, f := range conn.unsent {
				s.Send([][]byte{f}, nil)
			}
			conn.unsent = nil
		})
	}
	conn.ask(req, done)
}

func (c *clientConn) ask(req kmsg.Request, done func(kmsg.Response, error)) {
	c.next++
	r := &clientRequestState{correlation: c.next, resp: req.ResponseKind(), done: done}
	r.cancel = c.client.cluster.After(clientRequest, func() {
		if !c.dead {
			c.fail(errGivenUp)
		}
	})
	c.waiting = append(c.waiting, r)
	frame := c.client.format.AppendRequest(nil, req, c.next)[4:]
	if c.socket == nil {
		c.unsent = append(c.unsent, frame)
		return
	}
	c.socket.Send([][]byte{frame}, nil)
}

// Frame implements env.Handler. Answers must come in the order of the requests.
func (c *clientConn) Frame(f env.Frame) {
	c.socket.Release()
	w := c.client.cluster.World
	if len(c.waiting) == 0 || int32(binary.BigEndian.Uint32(f.Payload)) != c.waiting[0].correlation {
		w.Fail("an answer that nobody waits for from %s", c.addr)
		return
	}
	r := c.waiting[0]
	c.waiting = c.waiting[1:]
	r.cancel()
	body := f.Payload[4:]
	if r.resp.IsFlexible() && r.resp.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	if err := r.resp.ReadFrom(body); err != nil {
		w.Fail("an answer of %s does not decode: %v", c.addr, err)
		return
	}
	r.done(r.resp, nil)
}

// Closed implements env.Handler.
func (c *clientConn) Closed(error) { c.fail(errClosed) }

func (c *clientConn) fail(err error) {
	if c.dead {
		return
	}
	c.dead = true
	if c.socket != nil {
		c.socket.Close()
	}
	waiting := c.waiting
	c.waiting = nil
	for _, r := range waiting {
		r.cancel()
		r.done(nil, err)
	}
}

// anyBroker picks a broker to ask.
func (c *Client) anyBroker() string {
	return KafkaAddr(c.cluster.Nodes[c.cluster.Rand.IntN(len(c.cluster.Nodes))].ID)
}

// coordinator finds the address of a group's coordinator; "" when it is not known now.
func (c *Client) coordinator(group string, then func(addr string)) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorKey = 2, group
	c.Ask(c.anyBroker(), req, func(r kmsg.Response, err error) {
		if err != nil || r.(*kmsg.FindCoordinatorResponse).ErrorCode != 0 {
			then("")
			return
		}
		then(KafkaAddr(int(r.(*kmsg.FindCoordinatorResponse).NodeID)))
	})
}

// leader finds the address of a partition's leader; "" when it is not known now.
func (c *Client) leader(topic string, partition int32, then func(addr string)) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req.Topics = append(req.Topics, t)
	c.Ask(c.anyBroker(), req, func(r kmsg.Response, err error) {
		if err != nil {
			then("")
			return
		}
		for _, t := range r.(*kmsg.MetadataResponse).Topics {
			for _, p := range t.Partitions {
				if p.Partition == partition && p.ErrorCode == 0 && p.Leader > 0 {
					then(KafkaAddr(int(p.Leader)))
					return
				}
			}
		}
		then("")
	})
}
