package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"chronik/actors/metadata"
	"chronik/wal"
	"chronik/wal/vfs"
)

const verifyLogUsage = `chronik-server verify-log DIR [--dump TOPIC-P [--records]]

Checks the data directory of a stopped node and changes nothing: the log, every batch of every segment and of the log
with its checksums, that offsets are dense and leader epochs never fall. Exit code 1: something is damaged.

  --dump TOPIC-P   print one line per batch of this partition, and where the high watermark is, instead of the summary;
                   all in a line that stands before "where" is the same on every replica
  --records        with --dump: print every record, too, with length and hash of key and value
`

func verifyLogCommand() *cli.Command {
	return &cli.Command{
		Name:               "verify-log",
		Usage:              "check the data directory of a stopped node",
		ArgsUsage:          "DIR [--dump TOPIC-P [--records]]",
		CustomHelpTemplate: verifyLogUsage,
		SkipFlagParsing:    true, // options may stand behind DIR
		Action: func(c *cli.Context) error {
			v := verification{fs: vfs.OS{}, out: c.App.Writer, err: c.App.ErrWriter}
			if isTerminal(os.Stderr) {
				v.progress = showProgress(os.Stderr)
			}
			return v.run(c.Args().Slice())
		},
	}
}

// verification is one run of verify-log.
type verification struct {
	fs       vfs.FS
	out, err io.Writer
	progress wal.Progress
	dir      string
	dump     string
	records  bool
}

// parse takes options before and behind DIR.
func (v *verification) parse(args []string) error {
	set := flag.NewFlagSet("verify-log", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&v.dump, "dump", "", "")
	set.BoolVar(&v.records, "records", false, "")
	var dirs []string
	for {
		if err := set.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usage("%v\n%s", err, verifyLogUsage)
		}
		if args = set.Args(); len(args) == 0 {
			break
		}
		dirs, args = append(dirs, args[0]), args[1:]
	}
	switch {
	case len(dirs) != 1:
		return usage("verify-log needs one directory\n%s", verifyLogUsage)
	case v.records && v.dump == "":
		return usage("--records goes with --dump TOPIC-P")
	}
	v.dir = dirs[0]
	return nil
}

func (v *verification) run(args []string) error {
	err := v.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(v.out, verifyLogUsage)
		return err
	}
	if err != nil {
		return err
	}
	var r *wal.Report
	if v.dump != "" {
		r, err = wal.Dump(v.fs, v.dir, v.dump, wal.DumpOptions{Records: v.records, Progress: v.progress}, v.out)
	} else if r, err = wal.Verify(v.fs, v.dir, v.progress); err == nil {
		v.checkMetadata(r)
		err = v.summary(r)
	}
	switch {
	case errors.Is(err, vfs.ErrLocked):
		return fmt.Errorf("%s is in use: stop the node that runs on it first (%w)", v.dir, err)
	case r == nil:
		return err
	}
	for _, p := range r.Problems {
		fmt.Fprintf(v.err, "damaged: %s\n", p)
	}
	if err == nil && r.Damaged() {
		err = fmt.Errorf("%s is damaged in %d places", v.dir, len(r.Problems))
	}
	return err
}

// checkMetadata looks at the snapshot of the metadata log, which holds what that log does not any more.
func (v *verification) checkMetadata(r *wal.Report) {
	name := path.Join(v.dir, metadata.SnapshotName)
	problem := func(format string, args ...any) {
		r.Problems = append(r.Problems, wal.Problem{File: name, Offset: -1, What: fmt.Sprintf(format, args...)})
	}
	b, err := metadata.Load(vfs.ReadOnly(v.fs), v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if r.Format.ClusterID != "" {
			problem("it is gone, though the directory belongs to cluster %s", r.Format.ClusterID)
		}
		return
	}
	if err != nil {
		problem("%v", err)
		return
	}
	s, err := metadata.Peek(b)
	if err != nil {
		problem("%v", err)
		return
	}
	if g := r.Group(wal.MetaGroup); g != nil && s.Position.Index < g.Base.Index {
		problem("it ends at entry %d, the log of the metadata begins behind entry %d", s.Position.Index, g.Base.Index)
	}
	if r.Format.ClusterID != "" && s.ClusterID != r.Format.ClusterID {
		problem("it is of cluster %s, the directory belongs to cluster %s", s.ClusterID, r.Format.ClusterID)
	}
}

// summary prints what a person wants to know.
func (v *verification) summary(r *wal.Report) error {
	w := tabwriter.NewWriter(v.out, 0, 8, 2, ' ', 0)
	cluster := r.Format.ClusterID
	if cluster == "" {
		cluster = "none yet"
	}
	fmt.Fprintf(w, "directory\t%s\nnode\t%d, directory id %s\ncluster\t%s\n", r.Dir, r.Format.NodeID, r.Format.Directory, cluster)
	rounds, bytes := int64(0), int64(0)
	for _, f := range r.Files {
		rounds, bytes = rounds+f.Rounds, bytes+f.Bytes
	}
	fmt.Fprintf(w, "log\t%d files, %d rounds, %d bytes\n\n", len(r.Files), rounds, bytes)
	fmt.Fprintln(w, "GROUP\tNAME\tTERM\tSEGMENTS\tBYTES\tLOG ENTRIES\tBATCHES\tRECORDS\tOFFSETS\tHIGH WATERMARK")
	batches, records := int64(0), int64(0)
	for _, g := range r.Groups {
		offsets, high := "", ""
		if g.NextOffset >= 0 {
			offsets, high = fmt.Sprintf("%d..%d", max(g.FirstOffset, 0), g.NextOffset), fmt.Sprint(g.HighWatermark)
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", g.Group, g.Name, g.HardState.Term, g.Segments, g.SegmentBytes, g.LogEntries, g.Batches, g.Records, offsets, high)
		batches, records = batches+g.Batches, records+g.Records
	}
	fmt.Fprintln(w)
	if r.Torn != nil {
		fmt.Fprintf(w, "note: the last round of the log was torn by a crash: %d bytes of %s from offset %d on, never acknowledged; the next start cuts them\n", r.Torn.Bytes, r.Torn.File, r.Torn.Offset)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if !r.Damaged() {
		fmt.Fprintf(w, "ok: %d groups, %d batches, %d records, no damage\n", len(r.Groups), batches, records)
	}
	return w.Flush()
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func showProgress(w io.Writer) wal.Progress {
	return func(done, total int64) {
		fmt.Fprintf(w, "\r%3d %% of %d MB", 100*done/max(total, 1), total>>20)
		if done >= total {
			fmt.Fprint(w, "\r\033[K")
		}
	}
}
