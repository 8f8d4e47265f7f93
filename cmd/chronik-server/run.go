package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/urfave/cli/v2"

	"chronik/actors"
	"chronik/actors/broker"
	"chronik/actors/env"
	"chronik/actors/message"
	"chronik/actors/netio"
	"chronik/protocol/config"
	"chronik/wal"
	"chronik/wal/vfs"
)

// shutdownPatience is how long a node may take to stop; beyond it the process ends anyway, as after a crash.
const shutdownPatience = 5 * time.Second

// noSyncEnv is the switch of the tests that have to find out when nothing is synced; it is in no help text.
const noSyncEnv = "CHRONIK_TEST_UNSAFE_NO_FSYNC"

// serve runs one node until it is told to stop.
func serve(c *cli.Context, mode config.Mode) error {
	s, err := settings(c, mode)
	if err != nil {
		return err
	}
	log := newLogger(os.Stderr, s)
	raiseFileLimit(log)
	if s.DataDir, err = filepath.Abs(s.DataDir); err != nil {
		return usage("--data-dir %s: %v", s.DataDir, err)
	}
	n := &server{settings: s, log: log, metrics: metrics.NewSet()}
	began := time.Now()
	if err := n.start(); err != nil {
		return refusal(err, s)
	}
	n.banner(c.App.Writer, time.Since(began))
	signals, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	<-signals.Done()
	stop() // a second Ctrl-C ends the process at once
	return n.stop()
}

// server is one running node.
type server struct {
	settings *config.Settings
	log      *slog.Logger
	metrics  *metrics.Set
	runtime  *actors.Runtime
	handle   *broker.Handle
	observer *observer
	started  atomic.Pointer[broker.Handle] // read by /readyz
}

// fatal ends the process: after a broken invariant or a lying disk nothing that this node says can be trusted.
func (n *server) fatal(text string) {
	n.log.Error(text)
	fmt.Fprintln(os.Stderr, text)
	os.Exit(exitRefused)
}

func (n *server) start() error {
	tuneRuntime()
	var seed [32]byte
	if err := cryptoSeed(&seed); err != nil {
		return err
	}
	source := rand.New(rand.NewChaCha8(seed))
	e := &env.Env{Clock: netio.Clock{}, Rand: source, NewRand: childRand(), Network: netio.Network{}, FS: vfs.OS{}, Log: n.log, Fatal: n.fatal}
	n.runtime = actors.NewRuntime(n.metrics, n.log, n.fatal)
	if n.settings.FileMetadata {
		n.log.Warn("--file-metadata: the metadata snapshot is written and synced at every change: slower, and not recommended")
	}
	var err error
	if n.observer, err = startObserver(net.JoinHostPort(n.settings.BindAddr, strconv.Itoa(n.settings.MetricsPort)), n.metrics, n.log, n.ready); err != nil {
		return &broker.ListenError{Flag: "--metrics-port", Addr: net.JoinHostPort(n.settings.BindAddr, strconv.Itoa(n.settings.MetricsPort)), Err: err}
	}
	n.handle, err = broker.Start(broker.Options{Settings: n.settings, Env: e, Runtime: n.runtime, Metrics: n.metrics, NoSync: os.Getenv(noSyncEnv) == "1"})
	if err != nil {
		n.observer.Close()
		return err
	}
	n.started.Store(n.handle)
	return nil
}

// ready answers /readyz by asking the broker.
func (n *server) ready() (bool, string) {
	h := n.started.Load()
	if h == nil {
		return false, "starting"
	}
	reply, err := n.ask(h, func(to message.ReplyTo) any { return &message.NodeReady{ReplyTo: to} }, 2*time.Second)
	if err != nil {
		return false, "the broker does not answer: " + err.Error()
	}
	r := reply.(*message.NodeReadyReply)
	return r.Ready, r.Why
}

// banner tells a person what runs and what to try.
func (n *server) banner(w io.Writer, took time.Duration) {
	s := n.settings
	if n.handle.RaftAddr != "" {
		n.log.Info(fmt.Sprintf("Raft clustering enabled on node %d", n.handle.NodeID), "raft", n.handle.RaftAddr)
	}
	host := s.AdvertisedHost
	if host == "" {
		host = "localhost"
	}
	port := s.AdvertisedPort
	if port == 0 {
		port = s.KafkaPort
	}
	address := net.JoinHostPort(host, strconv.Itoa(port))
	fmt.Fprintf(w, "%s, started in %d ms\n", versionText(), took.Milliseconds())
	fmt.Fprintf(w, "  Kafka clients: %s (advertised: %s)\n", n.handle.KafkaAddr, address)
	if n.handle.RaftAddr != "" {
		fmt.Fprintf(w, "  Peers:         %s\n", n.handle.RaftAddr)
	}
	fmt.Fprintf(w, "  Metrics:       http://%s/metrics (also /healthz, /readyz)\n", n.observer.Addr)
	fmt.Fprintf(w, "  Data:          %s\n", s.DataDir)
	fmt.Fprintf(w, "Try:\n  echo hello | kcat -b %s -t greetings -P\n  kcat -b %s -t greetings -C -e\nCtrl-C stops it; what was acknowledged is on disk.\n", address, address)
}

// stop hands leadership over, flushes and closes.
func (n *server) stop() error {
	n.log.Info("shutting down")
	began := time.Now()
	_, err := n.ask(n.handle, func(to message.ReplyTo) any { return &message.Shutdown{ReplyTo: to} }, shutdownPatience-500*time.Millisecond)
	n.observer.Close()
	if err != nil {
		// Everything that was acknowledged is on disk already; only courtesy is lost.
		n.log.Warn("the node did not stop in time and is cut off", "error", err)
		return nil
	}
	n.log.Info("stopped", "ms", time.Since(began).Milliseconds())
	return nil
}

// refusal turns an error of starting into what a person can do about it.
func refusal(err error, s *config.Settings) error {
	var listen *broker.ListenError
	var voters *broker.MultiVoterError
	var other *wal.WrongNodeError
	switch {
	case errors.As(err, &listen) && errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another process; choose another with %s, or stop what listens there", listen.Flag, listen.Addr, listen.Flag)
	case errors.As(err, &listen):
		return fmt.Errorf("%s: %v", listen.Flag, err)
	case errors.As(err, &voters):
		return fmt.Errorf("%w: use\n  chronik-server --data-dir %s --kafka-port %d --advertised-addr HOST --node-id N raft-cluster --raft-addr 0.0.0.0:5001 --peers \"ID@HOST:PORT,…\"", err, s.DataDir, s.KafkaPort)
	case errors.As(err, &other):
		return fmt.Errorf("--node-id %d: %w; start it with --node-id %d, or choose another directory with --data-dir", other.Want, err, other.Have)
	case errors.Is(err, vfs.ErrLocked):
		return fmt.Errorf("--data-dir %s is used by another process; stop it, or choose another directory with --data-dir", s.DataDir)
	}
	return fmt.Errorf("--data-dir %s: %w", s.DataDir, err)
}
