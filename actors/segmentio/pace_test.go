package segmentio

import (
	"testing"
	"time"

	"chronik/actors/env"
)

// still is a clock that a test moves.
type still struct {
	env.Clock
	now time.Duration
}

func (s *still) Monotonic() time.Duration { return s.now }

// TestPace: over time no more passes than the rate allows, beyond one burst; a rest earns no more than a burst; a new rate
// holds for what is owed.
func TestPace(t *testing.T) {
	const perSecond = 10 << 20
	c := &still{}
	p := newPace(c, perSecond)
	passed := 0
	for c.now < 100*time.Second {
		passed += 1 << 20
		c.now += p.passed(1<<20, perSecond)
	}
	if want := 100*perSecond + paceBurst; passed < want-2<<20 || passed > want+2<<20 {
		t.Errorf("%d bytes passed in 100 s, wanted %d", passed, want)
	}
	c.now += time.Hour
	if d := p.passed(paceBurst, perSecond); d != 0 {
		t.Errorf("after a rest a burst waits %v", d)
	}
	if d := p.passed(perSecond, perSecond); d > 1001*time.Millisecond || d < 799*time.Millisecond {
		t.Errorf("ten megabytes more wait %v", d)
	}
	if d := p.passed(0, perSecond/10); d < 7*time.Second {
		t.Errorf("at a tenth of the rate the debt takes %v", d)
	}
	if d := p.passed(100<<20, 1<<62); d > time.Millisecond {
		t.Errorf("without a limit it waits %v", d)
	}
}
