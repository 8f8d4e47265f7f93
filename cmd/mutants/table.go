package main

// mutant is one planted bug: a piece of code that holds a promise, what breaks it, and the suites that must go red.
type mutant struct {
	promise string // as the README counts them
	what    string
	file    string
	old     string
	new     string
	kill    []string // go test arguments, tried in order until one is red
}

const (
	simulation = "-count=1 -timeout 10m -run TestSimulation$ ./actors/actortest"
	walTests   = "-count=1 -timeout 10m ./wal/..."
)

var mutants = []mutant{
	{"P1", "acks=all is answered when the record is in the leader's memory", "actors/replica/append.go",
		"ok = p.at.Index <= r.g.Applied() && (r.cfg.MinInsyncReplicas <= 1 || p.at.Index <= copies)", "ok = p.at.Index <= r.log.last() || p.at.Index <= copies",
		[]string{"-count=1 ./actors/replica", simulation}},
	{"P1", "acks=all is answered when the record is on the leader's disk", "actors/replica/append.go",
		"		if p.acks == -1 {\n			ok =", "		if p.acks < -1 {\n			ok =",
		[]string{"-count=1 -run TestFsyncCluster ./cmd/e2e"}},
	{"P2", "the log is written and not synced", "wal/log.go",
		"if err := f.Datasync(); err != nil {", "if err := error(nil); err != nil {",
		[]string{walTests, simulation}},
	{"P2", "a node that starts from an older image gives birth to replicas that it had dismissed", "actors/broker/reconcile.go",
		"return b.node.View.Image().Index >= b.metaLast", "return b.node.View.Image().Index > 0",
		[]string{simulation}},
	{"P2", "a replica that was dismissed and comes again is the same voter to Raft", "actors/metadata/reassign.go",
		"voters[i] = wal.NewReplicaID(registration, have.Generation+1)", "voters[i] = registration",
		[]string{simulation}},
	{"P3", "acks=1 is answered before the leader's own sync", "actors/replica/append.go",
		"		if p.to.PID != nil {\n			r.waiters = append(r.waiters, p)", "		if p.to.PID != nil && p.acks == 1 {\n			r.acknowledge(r.context(), p)\n		} else if p.to.PID != nil {\n			r.waiters = append(r.waiters, p)",
		[]string{"-count=1 ./actors/replica", "-count=1 -run TestFsync ./cmd/e2e"}},
	{"P4", "the high watermark is the end of the log, whatever is committed of it", "actors/replica/machine.go",
		"if next := r.log.nextAfter(last.Index); next > r.log.high {", "if next := r.log.nextAfter(r.log.last()); next > r.log.high {",
		[]string{"-count=1 ./actors/replica", simulation}},
	{"P5", "a retried batch of an idempotent producer is not recognised", "actors/replica/producers.go",
		"b.First == h.BaseSequence && b.Last == last {", "b.First == h.BaseSequence && b.Last == last && b.First < 0 {",
		[]string{"-count=1 ./actors/replica", simulation}},
	{"P7", "a link that broke is never opened again", "actors/peerlink/link.go",
		"l.retryAt = l.now() + l.backoff", "l.retryAt = l.now() + 1000*time.Hour",
		[]string{simulation}},
	{"P8", "a coordinator answers a commit before its record is committed", "actors/group/commit.go",
		"		if len(records) == 0 {\n			g.reply(c, g.commitResponse(req, kerror.None))\n		}\n		return records", "		g.reply(c, g.commitResponse(req, kerror.None))\n		return records",
		[]string{"-count=1 ./actors/group"}},
	{"P9", "a damaged batch is served from a segment", "wal/reader.go",
		"		if crc32.Checksum(b, castagnoli) != row.crc {\n			return nil, &CorruptionError{File: s.name, Offset: row.pos, What: fmt.Sprintf(\"the batch with offset %d does not verify\", row.base)}\n		}\n		out = append(out, b)",
		"		out = append(out, b)",
		[]string{walTests}},
	{"P10", "a failed sync is taken for a success", "wal/log.go",
		"if err := f.Datasync(); err != nil {", "if err := f.Datasync(); err != nil && l.Rounds < 0 {",
		[]string{walTests}},
	{"P11", "a full disk is not noticed", "wal/ring.go",
		"	case errors.Is(err, syscall.ENOSPC):\n		l.full = true\n	default:", "	case errors.Is(err, syscall.ENOSPC):\n	default:",
		[]string{walTests}},
	{"P12", "a request may cost any amount of memory to decode", "protocol/check.go",
		"if c.cost > c.budget {", "if c.cost > c.budget && c.budget < 0 {",
		[]string{"-count=1 ./protocol"}},
	{"P12", "the structure of a request is not checked before it is decoded", "protocol/check.go",
		"	if n > c.left() {\n		return c.fail(field, \"the request ends too early\")\n	}\n	c.at += int(n)", "	c.at += int(min(n, c.left()))",
		[]string{"-count=1 ./protocol"}},
}
