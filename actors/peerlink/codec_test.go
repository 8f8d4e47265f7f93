package peerlink

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"chronik/actors/cluster"
	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// messages are of all shapes that Raft sends to peers.
func messages(rng *rand.Rand) []*message.RaftMessage {
	u := func() *uint64 { return new(rng.Uint64() >> rng.IntN(64)) }
	var out []*message.RaftMessage
	for range 20 {
		m := &raftpb.Message{Type: raftpb.MsgApp.Enum(), From: u(), To: u(), Term: u(), LogTerm: u(), Index: u(), Commit: u(), Vote: u(), RejectHint: u()}
		switch rng.IntN(4) {
		case 0:
			for range 1 + rng.IntN(4) {
				data := make([]byte, rng.IntN(3000))
				for i := range data {
					data[i] = byte(rng.Uint32())
				}
				if len(data) == 0 {
					data = nil
				}
				m.Entries = append(m.Entries, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: u(), Index: u(), Data: data})
			}
		case 1:
			m.Type, m.Context = raftpb.MsgHeartbeat.Enum(), []byte("context")
		case 2:
			m.Type, m.Reject = raftpb.MsgAppResp.Enum(), new(true)
		case 3:
			m.Type = raftpb.MsgSnap.Enum()
			m.Snapshot = &raftpb.Snapshot{Data: []byte("state"), Metadata: &raftpb.SnapshotMetadata{Index: u(), Term: u(), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}}}}
		}
		out = append(out, &message.RaftMessage{Group: wal.GroupID(rng.Uint64N(1000)), Msg: m})
	}
	return out
}

func encodeAll(ms []*message.RaftMessage) []byte {
	e := newRaftEncoder()
	for _, m := range ms {
		e.message(m.Group, m.Msg)
	}
	return bytes.Join(e.finish(), nil)
}

func TestRaftRoundTrip(t *testing.T) {
	for seed := range uint64(50) {
		in := messages(rand.New(rand.NewPCG(seed, 1)))
		kind, body, err := open(encodeAll(in))
		if err != nil || kind != kindRaft {
			t.Fatal(kind, err)
		}
		out, err := decodeRaft(body)
		if err != nil || len(out) != len(in) {
			t.Fatalf("%d of %d messages: %v", len(out), len(in), err)
		}
		for i := range in {
			if in[i].Group != out[i].Group || !proto.Equal(in[i].Msg, normal(in[i].Msg, out[i].Msg)) {
				t.Fatalf("message %d:\n%v\n%v", i, in[i].Msg, out[i].Msg)
			}
		}
	}
}

// normal leaves out what a decoder sets to its zero value and the encoder's side did not set.
func normal(in, out *raftpb.Message) *raftpb.Message {
	x := proto.Clone(out).(*raftpb.Message)
	if in.Reject == nil {
		x.Reject = nil
	}
	return x
}

// TestTruncatedFrames: a batch that ends early is refused as a whole, or holds fewer whole messages; it is never misread.
func TestTruncatedFrames(t *testing.T) {
	in := messages(rand.New(rand.NewPCG(7, 7)))
	whole := encodeAll(in)[2:]
	for n := range len(whole) {
		out, err := decodeRaft(whole[:n])
		if err != nil {
			continue
		}
		for i := range out {
			if in[i].Group != out[i].Group || !proto.Equal(in[i].Msg, normal(in[i].Msg, out[i].Msg)) {
				t.Fatalf("cut at %d, message %d is another one", n, i)
			}
		}
	}
}

func TestGossipAndChunkRoundTrip(t *testing.T) {
	sent := &message.Gossip{Unfit: true, Rows: []message.GossipRow{{Group: 3, Leadership: cluster.Leadership{Term: 4, Version: 5, Leader: 2, InSync: []kafka.NodeID{1, 2, 3}}}, {Group: 9, Leadership: cluster.Leadership{Term: 1, Leader: 1}}}}
	got, err := decodeGossip(encodeGossip(sent)[2:])
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Fatalf("%+v %v", got, err)
	}
	chunk := &message.SegmentChunk{Group: 7, Token: 8, Copied: wal.Copied{First: 5, FirstOffset: 50, Entries: []wal.SegmentEntry{
		{Entry: wal.Entry{Index: 5, Term: 2, Data: bytes.Repeat([]byte("x"), 2000)}, BaseOffset: 50, LastOffset: 59, MaxTimestamp: 123, RowCRC: 77},
		{Entry: wal.Entry{Index: 6, Term: 2}, BaseOffset: -1, LastOffset: -1, MaxTimestamp: -1, Roll: true, RowCRC: 78}}}}
	back, err := decodeChunk(bytes.Join(encodeChunk(chunk), nil)[2:])
	if err != nil || len(back.Copied.Entries) != 2 || !back.Copied.Entries[1].Roll || back.Copied.Entries[1].BaseOffset != -1 || !bytes.Equal(back.Copied.Entries[0].Data, chunk.Copied.Entries[0].Data) {
		t.Fatalf("%+v %v", back, err)
	}
}

// FuzzFrames: whatever a peer sends, decoding ends with a message or an error, in memory bounded by the frame.
func FuzzFrames(f *testing.F) {
	f.Add(encodeAll(messages(rand.New(rand.NewPCG(1, 1)))))
	f.Add(encodeGossip(&message.Gossip{Rows: []message.GossipRow{{Group: 1}}}))
	f.Add(bytes.Join(encodeChunk(&message.SegmentChunk{Group: 1, Why: "x"}), nil))
	f.Add([]byte{frameVersion, kindRaft, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, frame []byte) {
		kind, body, err := open(frame)
		if err != nil {
			return
		}
		switch kind {
		case kindRaft:
			ms, err := decodeRaft(body)
			if err == nil && len(ms) > len(body) {
				t.Fatal("more messages than bytes")
			}
		case kindGossip:
			_, _ = decodeGossip(body)
		case kindSegmentChunk:
			_, _ = decodeChunk(body)
		}
		_, _ = ReadHello(frame)
	})
}

func TestProofs(t *testing.T) {
	a, b := &Hello{Node: 1, Secured: true, Nonce: [16]byte{1}}, &Hello{Node: 2, Secured: true, Nonce: [16]byte{2}}
	good := prove("s", roleAcceptor, a, b)
	if why := checkSecret("s", roleAcceptor, b, a, b, good); why != "" {
		t.Fatal(why)
	}
	again := *a
	again.Nonce[0] = 9
	for name, why := range map[string]string{
		"reflected":      checkSecret("s", roleDialer, b, a, b, good),
		"replayed":       checkSecret("s", roleAcceptor, b, &again, b, good),
		"other secret":   checkSecret("t", roleAcceptor, b, a, b, good),
		"no proof":       checkSecret("s", roleAcceptor, b, a, b, nil),
		"no secret here": checkSecret("", roleAcceptor, b, a, b, good),
		"none there":     checkSecret("s", roleAcceptor, &Hello{Node: 2}, a, b, nil),
	} {
		if why == "" {
			t.Errorf("%s: accepted", name)
		}
	}
}
