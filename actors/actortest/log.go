package actortest

import (
	"context"
	"log/slog"
	"strings"
)

// logHandler tells a node's log to the world, and finds the creation of topics in it: those lines are stable.
type logHandler struct {
	node *Node
	slog.Handler
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	if topic, ok := strings.CutPrefix(r.Message, "Topic creation callback fired for '"); ok && h.node.cluster.OnTopic != nil {
		h.node.cluster.OnTopic(h.node, strings.TrimSuffix(topic, "'"))
	}
	if h.node.world.story == nil {
		return nil
	}
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	h.node.world.telling("node %d  %s %s", h.node.ID, r.Level, line)
	return nil
}

func (h *logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *logHandler) WithGroup(string) slog.Handler      { return h }
