package api

import (
	"net"
	"strconv"

	"chronik/actors"
	"chronik/actors/cluster"
	"chronik/protocol/config"
)

// Client is what the calls of one connection share. It belongs to the connection actor.
type Client struct {
	Node   *actors.Node
	Shared *Shared
	// Host is the client's address as Kafka shows it in DescribeGroups: "/192.0.2.1".
	Host string
	// LocalHost and LocalPort are where this very connection ended; advertised when the node has no address of its own.
	LocalHost string
	LocalPort int32
	// Software is what the client said in ApiVersions (KIP-511), for the log.
	Software string

	sessions sessions
	topics   topicConfigs
}

// NewClient is the state of a new connection. local and remote are host:port.
func NewClient(node *actors.Node, shared *Shared, local, remote string) *Client {
	c := &Client{Node: node, Shared: shared}
	c.LocalHost, c.LocalPort = splitAddress(local)
	host, _ := splitAddress(remote)
	c.Host = "/" + host
	return c
}

// Close gives back what the connection held on the node.
func (c *Client) Close() { c.sessions.clear(c.Shared) }

func splitAddress(addr string) (host string, port int32) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, 0
	}
	n, err := strconv.ParseInt(p, 10, 32)
	if err != nil {
		return h, 0
	}
	return h, int32(n)
}

// topicConfigs remembers effective topic configurations as of one image and one broker configuration, because every
// produced batch needs one.
type topicConfigs struct {
	image  *cluster.Image
	broker *config.Broker
	known  map[string]*config.Topic
}

// topicConfig is the topic's effective configuration. Configs that do not parse cannot get into an image; if they did,
// the defaults hold.
func (c *Client) topicConfig(im *cluster.Image, t *cluster.Topic) *config.Topic {
	b := c.Node.Config()
	if c.topics.image != im || c.topics.broker != b {
		c.topics = topicConfigs{image: im, broker: b, known: map[string]*config.Topic{}}
	}
	if cfg := c.topics.known[t.Name]; cfg != nil {
		return cfg
	}
	cfg, err := config.EffectiveTopic(t.Configs, b)
	if err != nil {
		cfg = b.TopicDefaults
	}
	c.topics.known[t.Name] = &cfg
	return &cfg
}
