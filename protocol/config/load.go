package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Given is everything that settings are read from. Flag beats environment beats file beats default.
type Given struct {
	Mode     Mode
	Flags    map[string]string                 // only what is on the command line, names without dashes
	Env      func(name string) string          // "": not set
	ReadFile func(name string) ([]byte, error) // for --config
}

// Load reads and checks all settings. An error names the flag, variable or line at fault and the remedy.
func Load(g Given) (*Settings, error) {
	l := &loader{given: g, file: map[string]line{}, s: &Settings{Mode: g.Mode}}
	if err := l.readFile(); err != nil {
		return nil, err
	}
	if err := l.refuseClusterOptions(); err != nil {
		return nil, err
	}
	l.node()
	l.clients()
	l.observe()
	if g.Mode == RaftCluster {
		l.cluster()
	}
	if len(l.problems) == 0 {
		l.ports()
	}
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	if _, err := EffectiveBroker(l.s, nil, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", l.s.ConfigFile, err)
	}
	return l.s, nil
}

type loader struct {
	given    Given
	file     map[string]line
	s        *Settings
	problems []error
}

func (l *loader) readFile() error {
	name, origin := l.value("config")
	l.s.ConfigFile = name
	if name == "" {
		return nil
	}
	raw, err := l.given.ReadFile(name)
	if err != nil {
		return fmt.Errorf("%s: %w", origin, err)
	}
	lines, err := parseFile(string(raw))
	if err == nil {
		l.file, l.s.Kafka, err = sortFile(lines)
	}
	if err != nil {
		return fmt.Errorf("%s:\n%w", name, err)
	}
	return nil
}

// value finds an option's text and tells where it is from; both are empty when nobody set it.
func (l *loader) value(name string) (text, origin string) {
	o := FindOption(name)
	if v, ok := l.given.Flags[name]; ok {
		return v, "--" + name
	}
	if v := l.given.Env(o.Env); v != "" {
		return v, o.Env
	}
	if v, ok := l.file[name]; ok {
		return v.value, fmt.Sprintf("%s (%s line %d)", v.key, l.s.ConfigFile, v.number)
	}
	return "", ""
}

func (l *loader) fail(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

func (l *loader) text(name, def string) string {
	if v, origin := l.value(name); origin != "" {
		return v
	}
	return def
}

func (l *loader) oneOf(name, def string, allowed ...string) string {
	v, origin := l.value(name)
	if origin == "" {
		return def
	}
	if v = strings.ToLower(v); !slices.Contains(allowed, v) {
		l.fail("%s: %q is none of %s", origin, v, strings.Join(allowed, ", "))
	}
	return v
}

func (l *loader) port(name string, low, def int) int {
	v, origin := l.value(name)
	if origin == "" {
		return def
	}
	n, err := parsePort(v, low)
	if err != nil {
		l.fail("%s: %w", origin, err)
	}
	return n
}

func (l *loader) boolean(name string) bool {
	v, origin := l.value(name)
	if origin == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		l.fail("%s: %q is neither true nor false", origin, v)
	}
	return b
}

// refuseClusterOptions keeps a standalone node from silently forgetting that it was meant to be one of several.
func (l *loader) refuseClusterOptions() error {
	if l.given.Mode == RaftCluster {
		return nil
	}
	for _, o := range Options {
		if !o.Raft {
			continue
		}
		if _, origin := l.value(o.Name); origin != "" {
			return fmt.Errorf("multi-node needs raft-cluster: %s is set, but this would run standalone; use\n  %s",
				origin, CommandLine("raft-cluster", l.given.Flags))
		}
	}
	return nil
}

func (l *loader) node() {
	s := l.s
	s.NodeID = -1
	if v, origin := l.value("node-id"); origin != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 {
			l.fail("%s: %q is not a node id (0 to 2147483647)", origin, v)
		} else {
			s.NodeID = int32(n)
		}
	} else if s.Mode == RaftCluster {
		flags := map[string]string{"node-id": "1"}
		for k, v := range l.given.Flags {
			flags[k] = v
		}
		l.fail("raft-cluster needs --node-id, a number of its own for each node, for example\n  %s", CommandLine("raft-cluster", flags))
	}
	s.DataDir = l.text("data-dir", "")
	if s.DataDir == "" {
		if s.DataDir = "./data"; s.Mode == RaftCluster {
			s.DataDir = "./data/node-" + strconv.Itoa(int(s.NodeID))
		}
	}
	s.FileMetadata = l.boolean("file-metadata")
	s.Rack = l.text("rack", "")
	s.ClusterSecret = l.text("cluster-secret", "")
}

func (l *loader) clients() {
	s := l.s
	s.KafkaPort = l.port("kafka-port", 1, 9092)
	bind, bindOrigin := l.value("bind-addr")
	if bindOrigin == "" {
		bind = "0.0.0.0"
	}
	host, port, err := splitAddress(bind)
	switch {
	case err != nil:
		l.fail("%s: %w", bindOrigin, err)
	case port != 0:
		l.fail("%s: %q has a port; the port is --kafka-port", bindOrigin, bind)
	}
	s.BindAddr = host
	l.advertised()
}

func (l *loader) advertised() {
	s := l.s
	addr, origin := l.value("advertised-addr")
	portText, portOrigin := l.value("advertised-port")
	if origin == "" {
		switch {
		case portOrigin != "":
			l.fail("%s: %s alone does not say where; give --advertised-addr HOST:%s instead", portOrigin, portText, portText)
		case s.Mode == RaftCluster && (s.BindAddr == "" || unspecified(s.BindAddr)):
			l.fail("raft-cluster needs --advertised-addr, the name or address that clients reach this node by (or --bind-addr with one concrete address)")
		case s.Mode == RaftCluster:
			s.AdvertisedHost, s.AdvertisedPort = s.BindAddr, s.KafkaPort
		}
		return
	}
	host, port, err := splitAddress(addr)
	if err != nil {
		l.fail("%s: %w; use host, host:port or [v6]:port", origin, err)
		return
	}
	if unspecified(host) {
		l.fail("%s: %s is every address and none: clients cannot connect to it; use a name or address that they reach this node by", origin, host)
		return
	}
	s.AdvertisedHost, s.AdvertisedPort = host, s.KafkaPort
	if port != 0 {
		s.AdvertisedPort = port
	}
	if portOrigin == "" {
		return
	}
	n, err := parsePort(portText, 1)
	switch {
	case err != nil:
		l.fail("%s: %w", portOrigin, err)
	case port != 0 && port != n:
		l.fail("%s says port %d and %s says %d; give one of them", origin, port, portOrigin, n)
	default:
		s.AdvertisedPort = n
	}
}

func (l *loader) observe() {
	s := l.s
	def := s.KafkaPort + 4000
	if s.Mode == Standalone && s.KafkaPort == 9092 {
		def = 9093
	}
	s.MetricsPort = l.port("metrics-port", 0, def)
	if s.MetricsPort > 65535 {
		l.fail("--metrics-port: its default, --kafka-port + 4000 = %d, is not a port; choose one, or 0 for none", s.MetricsPort)
	}
	s.LogLevel = l.oneOf("log-level", "info", "debug", "info", "warn", "error")
	s.LogFormat = l.oneOf("log-format", "text", "text", "json")
}

func (l *loader) cluster() {
	s := l.s
	s.Bootstrap = l.boolean("bootstrap")
	addr, origin := l.value("raft-addr")
	if origin == "" {
		addr, origin = "0.0.0.0:5001", "--raft-addr"
	}
	host, port, err := splitAddress(addr)
	switch {
	case err != nil:
		l.fail("%s: %w; use address:port", origin, err)
	case port == 0:
		l.fail("%s: %q has no port; use address:port", origin, addr)
	}
	s.RaftAddr = hostPort(host, port)
	text, origin := l.value("peers")
	if s.Peers, err = ParsePeers(text); err != nil {
		l.fail("%s: %w; use for example 2@host:5001,3@host:5001", origin, err)
	}
	if join, origin := l.value("join"); join != "" {
		host, port, err := splitAddress(join)
		switch {
		case err != nil || host == "" || port == 0:
			l.fail("%s: %q is no address of another node; use host:port, its --raft-addr", origin, join)
		case s.Bootstrap || len(s.Peers) > 0:
			l.fail("%s: a node that joins a cluster has neither --bootstrap nor --peers", origin)
		}
		s.Join = hostPort(host, port)
	}
	for _, p := range s.Peers {
		switch {
		case p.ID == s.NodeID:
			l.fail("%s: node %d is this node itself (--node-id); list the other nodes only", origin, p.ID)
		case p.Addr == s.RaftAddr:
			l.fail("%s: %d@%s is this node's own --raft-addr; list the other nodes only", origin, p.ID, p.Addr)
		}
	}
}

// ports refuses one port for two listeners of this node.
func (l *loader) ports() {
	s := l.s
	if s.MetricsPort == s.KafkaPort {
		l.fail("--metrics-port and --kafka-port are both %d; change one", s.KafkaPort)
	}
	if s.Mode != RaftCluster {
		return
	}
	_, raft, _ := splitAddress(s.RaftAddr)
	if raft == s.KafkaPort {
		l.fail("--raft-addr and --kafka-port both use port %d; change one", raft)
	}
	if raft == s.MetricsPort {
		l.fail("--raft-addr and --metrics-port both use port %d; change one", raft)
	}
}

// CommandLine writes a command line: global options, the command, its own options, each in the order of --help.
func CommandLine(command string, flags map[string]string) string {
	parts := []string{"chronik-server"}
	add := func(raft bool) {
		for _, o := range Options {
			if v, ok := flags[o.Name]; ok && o.Raft == raft {
				parts = append(parts, flagText(&o, v)...)
			}
		}
	}
	add(false)
	if command != "" {
		parts = append(parts, command)
	}
	add(true)
	return strings.Join(parts, " ")
}

func flagText(o *Option, v string) []string {
	switch {
	case o.Type == TypeBoolean && v == "true":
		return []string{"--" + o.Name}
	case o.Type == TypeBoolean:
		return []string{"--" + o.Name + "=" + v}
	case o.Type == TypePassword:
		return []string{"--" + o.Name, "…"}
	}
	return []string{"--" + o.Name, quote(v)}
}

// quote writes a value as a shell takes it.
func quote(v string) string {
	if v != "" && strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,@%+=") == "" {
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
}
