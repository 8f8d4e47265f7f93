package main

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// enoughFiles is what a small node needs: connections, links and open segments take one descriptor each.
const enoughFiles = 4096

// raiseFileLimit raises the limit of open files to what is allowed, and names one that is too low.
func raiseFileLimit(log *slog.Logger) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		log.Warn("the limit of open files is unknown", "error", err)
		return
	}
	if l.Cur < l.Max {
		raised := unix.Rlimit{Cur: l.Max, Max: l.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err == nil {
			l = raised
		}
	}
	if l.Cur < enoughFiles {
		log.Warn("the limit of open files is too low for many clients or partitions; raise it, for example with ulimit -n 65536",
			"limit", l.Cur, "wanted", enoughFiles)
		return
	}
	log.Debug("limit of open files", "limit", l.Cur)
}
