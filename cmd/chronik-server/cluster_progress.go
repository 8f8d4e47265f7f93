package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// plainEvery spaces the lines of progress where there is no terminal to redraw one.
const plainEvery = 5 * time.Second

// progress tells how far a plan is: one line redrawn on a terminal, else a line now and then. Partitions weigh what has to be
// copied, so that the estimate of the time left does not take a large one for a small one.
type progress struct {
	out          io.Writer
	term         bool
	total, done  int
	weight, past float64
	began, last  time.Time
}

func newProgress(out io.Writer, term bool, plan []change, sizes func(partitionID) int64, now time.Time) *progress {
	p := &progress{out: out, term: term, total: len(plan), began: now, last: now}
	for i := range plan {
		p.weight += weigh(&plan[i], sizes)
	}
	return p
}

// weigh counts bytes to copy, and something for the change itself.
func weigh(c *change, sizes func(partitionID) int64) float64 {
	return float64(1<<20) + float64(len(c.Adding()))*float64(sizes(c.partitionID)+1<<20)
}

func (p *progress) finished(weight float64) {
	p.done++
	p.past += weight
}

// left is an estimate; 0: none yet.
func (p *progress) left(now time.Time) time.Duration {
	if p.past == 0 {
		return 0
	}
	return time.Duration(float64(now.Sub(p.began)) * (p.weight - p.past) / p.past)
}

// show tells the state and what is waited for.
func (p *progress) show(now time.Time, waiting string) {
	if !p.term && now.Sub(p.last) < plainEvery {
		return
	}
	p.last = now
	text := fmt.Sprintf("%d of %d partitions", p.done, p.total)
	if left := p.left(now); left > 0 {
		text += ", about " + roughly(left) + " left"
	}
	if waiting != "" {
		text += "; " + waiting
	}
	if p.term {
		const width = 24
		full := width * p.done / max(p.total, 1)
		fmt.Fprintf(p.out, "\r\033[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// end leaves a line that stays.
func (p *progress) end(now time.Time) {
	if p.term {
		fmt.Fprint(p.out, "\r\033[K")
	}
	if p.done == p.total {
		fmt.Fprintf(p.out, "%d of %d partitions done in %s\n", p.done, p.total, roughly(now.Sub(p.began)))
	} else {
		fmt.Fprintf(p.out, "%d of %d partitions done\n", p.done, p.total)
	}
}

// roughly rounds as one would say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Minute).String()
}
