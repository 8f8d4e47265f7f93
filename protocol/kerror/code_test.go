package kerror

import (
	"errors"
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestEveryKafkaError(t *testing.T) {
	if len(kafkaErrors) != 135 {
		t.Fatalf("Kafka 4.3.1 has 135 error codes, the table %d", len(kafkaErrors))
	}
	for _, want := range kafkaErrors {
		c := Code(want.code)
		if c.String() != want.name || c.Error() != want.name {
			t.Errorf("code %d reads %s, want %s", want.code, c, want.name)
		}
		if c.Retriable() != want.retriable {
			t.Errorf("%s: retriable is %v, want %v", want.name, c.Retriable(), want.retriable)
		}
		if (c.Text() == "") != (c == None) {
			t.Errorf("%s: text is %q", want.name, c.Text())
		}
	}
}

// Every constant has a distinct number (but for the old name of 6) that the client library knows by the same code.
func TestEveryConstant(t *testing.T) {
	src, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Code = (-?\d+)(?: +// (\w+))?`).FindAllStringSubmatch(string(src), -1) {
		n, _ := strconv.Atoi(m[2])
		if other, twice := seen[n]; twice && n != 6 {
			t.Errorf("%s and %s are both %d", other, m[1], n)
		}
		seen[n] = m[1]
		if n == 0 {
			continue
		}
		if got := Code(n).String(); got != m[3] {
			t.Errorf("%s is documented as %s and reads %s", m[1], m[3], got)
		}
		var typed *kerr.Error
		if !errors.As(kerr.ErrorForCode(int16(n)), &typed) || typed.Code != int16(n) {
			t.Errorf("%s (%d) is unknown to the client library", m[1], n)
		}
	}
	for _, want := range kafkaErrors {
		if seen[int(want.code)] == "" {
			t.Errorf("no constant for %s (%d)", want.name, want.code)
		}
	}
}

func TestUnknownCodes(t *testing.T) {
	for n := math.MinInt16; n <= math.MaxInt16; n++ {
		c := Code(n)
		if c.String() == "" || (c != None && (c.String() == "NONE" || c.Text() == "")) {
			t.Fatalf("code %d reads %q, %q", n, c, c.Text())
		}
	}
}
