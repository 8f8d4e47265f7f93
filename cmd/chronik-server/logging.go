package main

import (
	"io"
	"log/slog"
	"strings"

	"chronik/protocol/config"
)

// newLogger writes to w in the chosen format. Text lines keep the message contiguous, as slog's quoting does in both.
func newLogger(w io.Writer, s *config.Settings) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[s.LogLevel]
	options := &slog.HandlerOptions{Level: level}
	if strings.EqualFold(s.LogFormat, "json") {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
