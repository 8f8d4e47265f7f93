package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"chronik/actors/api"
)

// goldenShown is how many differences are printed in full.
var goldenShown = func() int {
	if n, err := strconv.Atoi(os.Getenv("CHRONIK_GOLDEN_SHOWN")); err == nil {
		return n
	}
	return 40
}()

// exchange is one line of testdata/wire/kafka-4.3.1.jsonl: a request built by the official classes and Apache Kafka's
// answer. Captured are values of the answer that later requests carry.
type exchange struct {
	Step     string
	V        int
	API      string
	Key      int16
	Version  int16
	Request  string
	Response string
	Captured map[string]struct{ Path, Kind, Value string }
}

// exchanges are all lines of the golden file.
func exchanges(t testing.TB) (all []exchange) {
	t.Helper()
	f, err := os.Open(filepath.Join(root(), "testdata", "wire", "kafka-4.3.1.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var x exchange
		if err := json.Unmarshal(sc.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestGoldens sends the same bytes to chronik-server and compares each answer with Kafka's, byte by byte, after the
// volatile fields (see volatile) were replaced by the same constant on both sides.
func TestGoldens(t *testing.T) {
	n := StartStandalone(t, "--advertised-addr", "localhost", "--config", configFile(t,
		"group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=5", "auto.create.topics.enable=false",
		"log.segment.bytes=1073741824", "log.retention.hours=168")) // as in the server.properties that Kafka ships
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ours := map[string][2][]byte{} // variable: Kafka's bytes, ours
	total, failed := 0, 0
	for _, x := range exchanges(t) {
		total++
		req, _ := base64.StdEncoding.DecodeString(x.Request)
		want, _ := base64.StdEncoding.DecodeString(x.Response)
		for _, v := range ours {
			req = bytes.ReplaceAll(req, v[0], v[1])
		}
		got, err := ask(conn, req, x)
		if err != nil {
			t.Fatalf("%s v%d %q: %v", x.API, x.Version, x.Step, err)
		}
		if diff := compare(x, want, got, ours); diff != "" {
			if failed++; failed <= goldenShown {
				t.Errorf("%s v%d %q: %s", x.API, x.Version, x.Step, diff)
			}
		}
	}
	t.Logf("%d exchanges, %d differ", total, failed)
	if total < 500 {
		t.Fatalf("only %d exchanges in the golden file", total)
	}
}

// TestAdvertisedRanges: what we advertise, Apache Kafka advertises, in the same versions.
func TestAdvertisedRanges(t *testing.T) {
	n := StartStandalone(t)
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, x := range exchanges(t) {
		if x.API != "ApiVersions" {
			continue
		}
		req, _ := base64.StdEncoding.DecodeString(x.Request)
		raw, _ := base64.StdEncoding.DecodeString(x.Response)
		want, err := decode(x, raw)
		if err != nil {
			t.Fatal(err)
		}
		raw, err = ask(conn, req, x)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(x, raw)
		if err != nil {
			t.Fatal(err)
		}
		kafka := map[int16]kmsg.ApiVersionsResponseApiKey{}
		for _, k := range want.(*kmsg.ApiVersionsResponse).ApiKeys {
			kafka[k.ApiKey] = k
		}
		ours := got.(*kmsg.ApiVersionsResponse)
		if len(ours.ApiKeys) != len(api.Keys()) || len(ours.FinalizedFeatures) != 0 {
			t.Errorf("%d APIs, finalized features %v", len(ours.ApiKeys), ours.FinalizedFeatures)
		}
		for _, k := range ours.ApiKeys {
			if w := kafka[k.ApiKey]; w.MinVersion != k.MinVersion || w.MaxVersion != k.MaxVersion {
				t.Errorf("version %d: key %d is advertised as %d-%d, by Kafka as %d-%d", x.Version, k.ApiKey, k.MinVersion, k.MaxVersion, w.MinVersion, w.MaxVersion)
			}
		}
	}
}

func configFile(t testing.TB, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// ask sends a frame and reads the answer; a coordinator or topic that is still being made is asked again.
func ask(conn net.Conn, req []byte, x exchange) ([]byte, error) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		_ = conn.SetDeadline(deadline)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(req))), req...)); err != nil {
			return nil, err
		}
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		got := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, got); err != nil {
			return nil, err
		}
		resp, err := decode(x, got)
		if err != nil || !retriable(x, resp) || time.Now().After(deadline) {
			return got, nil
		}
	}
}

// retriable says whether an answer only tells that a coordinator or leader is not there yet.
func retriable(x exchange, resp kmsg.Response) bool {
	found := false
	walk(reflect.ValueOf(resp).Elem(), "", func(path string, v reflect.Value) {
		if strings.HasSuffix(path, "ErrorCode") {
			switch v.Int() {
			case 5, 14, 15, 16, 78:
				found = true
			case 3, 6:
				found = found || x.Step == "ready"
			}
		}
	})
	return found
}

func decode(x exchange, raw []byte) (kmsg.Response, error) {
	resp := kmsg.ResponseForKey(x.Key)
	resp.SetVersion(x.Version)
	body := raw[4:]
	if resp.IsFlexible() && x.Key != 18 {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, err
	}
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		return nil, fmt.Errorf("the answer is not in canonical form: %x, not %x", body, again)
	}
	return resp, nil
}

func compare(x exchange, want, got []byte, ours map[string][2][]byte) string {
	w, err := decode(x, want)
	if err != nil {
		return "Kafka's golden: " + err.Error()
	}
	g, err := decode(x, got)
	if err != nil {
		return fmt.Sprintf("ours does not decode: %v\n%x", err, got)
	}
	for name, c := range x.Captured {
		a, b := captured(w, c.Path, c.Kind), captured(g, c.Path, c.Kind)
		if a == nil || b == nil {
			return fmt.Sprintf("cannot capture %s at %s", name, c.Path)
		}
		if c.Kind != "number" && len(a) > 0 {
			ours[name] = [2][]byte{a, b}
		} else if !bytes.Equal(a, b) {
			return fmt.Sprintf("%s: %x, not %x", c.Path, b, a)
		}
	}
	mask(x.API, w)
	mask(x.API, g)
	arrange(reflect.ValueOf(w).Elem())
	arrange(reflect.ValueOf(g).Elem())
	if a, b := w.AppendTo(nil), g.AppendTo(nil); !bytes.Equal(a, b) {
		ja, _ := json.Marshal(w)
		jb, _ := json.Marshal(g)
		return fmt.Sprintf("\n kafka %s\n ours  %s", clip(ja, jb), clip(jb, ja))
	}
	return ""
}

// clip shows the place where two texts part.
func clip(a, b []byte) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("…%s", a[max(0, i-160):min(len(a), i+240)])
}

// captured finds topics.0.topicId in a response, as the bytes that a later request carries.
func captured(resp kmsg.Response, path, kind string) []byte {
	v := reflect.ValueOf(resp).Elem()
	for _, part := range strings.Split(path, ".") {
		if i, err := strconv.Atoi(part); err == nil {
			if i >= v.Len() {
				return nil
			}
			v = v.Index(i)
			continue
		}
		v = v.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, part) })
		if !v.IsValid() {
			return nil
		}
	}
	switch kind {
	case "uuid":
		id := v.Interface().([16]byte)
		return id[:]
	case "string":
		return []byte(v.String())
	case "int32": // chosen at random; 0 is none
		if v.Int() == 0 {
			return nil
		}
		return binary.BigEndian.AppendUint32(nil, uint32(v.Int()))
	default:
		return []byte(fmt.Sprint(v.Interface()))
	}
}

// volatile is the reviewed list of what may differ: per API (or * for all) the field names that are replaced. Epochs are
// terms with us and start at 1; texts are for people; sizes and paths depend on the machine and on how data is stored.
var volatile = map[string]string{
	"*":                    "ErrorMessage LeaderEpoch CurrentLeader TopicID ClusterID Port",
	"Metadata":             "",
	"CreateTopics":         "Configs",
	"JoinGroup":            "MemberID LeaderID",
	"LeaveGroup":           "MemberID",
	"DescribeGroups":       "MemberID ClientHost",
	"DescribeConfigs":      "Documentation",
	"DescribeLogDirs":      "Dir Size TotalBytes UsableBytes OffsetLag",
	"DescribeProducers":    "LastTimestamp CoordinatorEpoch",
	"OffsetForLeaderEpoch": "LeaderEpoch",
	"ApiVersions":          "SupportedFeatures FinalizedFeatures FinalizedFeaturesEpoch ZkMigrationReady",
	"Fetch":                "NodeEndpoints SessionID",
}

// whose finds the names of a cluster and its directories in a message.
var whose = regexp.MustCompile(`(directoryId|the cluster id)[ =]"?[\w-]{22}"?`)

func mask(api string, resp kmsg.Response) {
	if av, ok := resp.(*kmsg.ApiVersionsResponse); ok {
		av.SupportedFeatures, av.FinalizedFeatures, av.FinalizedFeaturesEpoch = nil, nil, -1
		av.ApiKeys = nil // TestAdvertisedRanges compares these
		return
	}
	names := map[string]bool{}
	for _, list := range []string{volatile["*"], volatile[api]} {
		for _, n := range strings.Fields(list) {
			names[n] = true
		}
	}
	walk(reflect.ValueOf(resp).Elem(), "", func(path string, v reflect.Value) {
		name := path[strings.LastIndexByte(path, '.')+1:]
		if raw, ok := v.Interface().([]byte); ok && strings.HasPrefix(name, "RecordBatch") {
			blankEpochs(raw)
			return
		}
		if text, ok := v.Interface().(*string); ok && text != nil && name == "ErrorMessage" {
			s := whose.ReplaceAllString(*text, "$1=x")
			v.Set(reflect.ValueOf(&s))
		}
		if !names[name] || !v.CanSet() {
			return
		}
		switch {
		case name == "Configs" && v.Kind() == reflect.Slice:
			// Kafka sets this one itself, as a dynamic default of all brokers, when it formats a cluster.
			for i := range v.Len() {
				if f := v.Index(i).FieldByName("Source"); v.Index(i).FieldByName("Name").String() == "min.insync.replicas" && f.Int() == 3 {
					f.SetInt(5)
				}
			}
		case v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.String:
			s := "x"
			v.Set(reflect.ValueOf(&s))
		case v.Kind() == reflect.String && v.Len() > 0:
			v.SetString("x")
		case name == "SessionID" && v.Int() == 0: // none is granted
		case v.CanInt() && v.Int() >= 0:
			v.SetInt(7)
		case v.Kind() == reflect.Array && !v.IsZero():
			v.Set(reflect.ValueOf([16]byte{1}))
		case name == "Configs": // each of its elements
		case v.Kind() == reflect.Struct, v.Kind() == reflect.Slice:
			v.SetZero()
		}
	})
}

// arrange sorts what Apache Kafka answers in the order of a hash table: topics, partitions, configs and members. The
// synonyms of a config have an order: strongest first.
func arrange(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "ConfigSynonyms" {
				arrange(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		for i := range v.Len() {
			arrange(v.Index(i))
		}
		key := func(i int) string {
			b, _ := json.Marshal(v.Index(i).Interface())
			return string(b)
		}
		sort.SliceStable(v.Interface(), func(i, j int) bool { return key(i) < key(j) })
	}
}

// blankEpochs replaces the leader epoch of every batch; the CRC does not cover it.
func blankEpochs(raw []byte) {
	for len(raw) >= 61 {
		size := int(binary.BigEndian.Uint32(raw[8:])) + 12
		copy(raw[12:16], "\x00\x00\x00\x07")
		if size > len(raw) {
			return
		}
		raw = raw[size:]
	}
}

func walk(v reflect.Value, path string, visit func(string, reflect.Value)) {
	if path != "" {
		visit(path, v)
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				walk(v.Index(i), path, visit)
			}
		}
	}
}
