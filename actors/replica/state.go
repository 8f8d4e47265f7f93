package replica

import (
	"encoding/json"
	"fmt"
	"sort"

	pb "go.etcd.io/raft/v3/raftpb"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// epochStart says at which offset a leader epoch begins; only epochs with records have a row.
type epochStart struct {
	Epoch kafka.LeaderEpoch
	Start kafka.Offset
}

// state is what follows from a prefix of the log, and from nothing else.
type state struct {
	NextOffset kafka.Offset
	LogStart   kafka.Offset
	Epochs     []epochStart
	Producers  producers
	// The open segment: bytes since the last Roll, and the timestamp of its first batch.
	OpenBytes int64
	OpenFirst kafka.Timestamp
	OpenMax   kafka.Timestamp
}

func newState() *state {
	return &state{Producers: producers{}, OpenFirst: kafka.NoTimestamp, OpenMax: kafka.NoTimestamp}
}

func (s *state) clone() *state {
	c := *s
	c.Epochs = append([]epochStart(nil), s.Epochs...)
	c.Producers = s.Producers.clone()
	return &c
}

// applyBatch takes a stamped batch into account.
func (s *state) applyBatch(h *batch.Header) {
	if h.BaseOffset != s.NextOffset {
		panic(fmt.Sprintf("BUG: a batch at offset %d follows %d", h.BaseOffset, s.NextOffset))
	}
	if n := len(s.Epochs); n == 0 || s.Epochs[n-1].Epoch < h.LeaderEpoch {
		s.Epochs = append(s.Epochs, epochStart{h.LeaderEpoch, h.BaseOffset})
	}
	s.NextOffset = h.NextOffset()
	s.Producers.apply(h)
	if s.OpenBytes == 0 {
		s.OpenFirst = h.MaxTimestamp
	}
	s.OpenBytes += int64(h.Size)
	s.OpenMax = max(s.OpenMax, h.MaxTimestamp)
}

// applyCommand takes a command entry into account.
func (s *state) applyCommand(c command) {
	switch c.Kind {
	case cmdRoll:
		s.OpenBytes, s.OpenFirst, s.OpenMax = 0, kafka.NoTimestamp, kafka.NoTimestamp
	case cmdAdvanceLogStart:
		s.LogStart = max(s.LogStart, min(c.Offset, s.NextOffset))
		s.dropEpochs()
	case cmdExpireProducers:
		s.Producers.expire(c.Now, c.Before)
	}
}

// dropEpochs forgets epochs that ended at or below the log start offset; the one that covers it begins there.
func (s *state) dropEpochs() {
	n := 0
	for n+1 < len(s.Epochs) && s.Epochs[n+1].Start <= s.LogStart {
		n++
	}
	s.Epochs = append([]epochStart(nil), s.Epochs[n:]...)
	if len(s.Epochs) > 0 && s.Epochs[0].Start < s.LogStart {
		s.Epochs[0].Start = s.LogStart
	}
}

// endOfEpoch answers OffsetForLeaderEpoch: the largest epoch at or below the wanted one, and where it ends.
func (s *state) endOfEpoch(wanted kafka.LeaderEpoch) (kafka.LeaderEpoch, kafka.Offset, bool) {
	i := sort.Search(len(s.Epochs), func(i int) bool { return s.Epochs[i].Epoch > wanted })
	if i == 0 {
		return kafka.NoLeaderEpoch, kafka.NoOffset, false
	}
	end := s.NextOffset
	if i < len(s.Epochs) {
		end = s.Epochs[i].Start
	}
	return s.Epochs[i-1].Epoch, end, true
}

// epochAt is the leader epoch of the record at an offset.
func (s *state) epochAt(o kafka.Offset) kafka.LeaderEpoch {
	i := sort.Search(len(s.Epochs), func(i int) bool { return s.Epochs[i].Start > o })
	if i == 0 {
		return kafka.NoLeaderEpoch
	}
	return s.Epochs[i-1].Epoch
}

// checkpointVersion is the first byte of an encoded checkpoint.
const checkpointVersion = 1

// checkpoint is what is stored with the segments: the state as of the last entry in them, and the configuration of the
// group at that entry, in Raft's terms.
type checkpoint struct {
	State          *state
	Voters         []uint64
	Learners       []uint64
	VotersOutgoing []uint64 `json:",omitempty"`
	LearnersNext   []uint64 `json:",omitempty"`
	AutoLeave      bool     `json:",omitempty"`
	Last           wal.Position
}

func newCheckpoint(s *state, last wal.Position, c *pb.ConfState) *checkpoint {
	return &checkpoint{State: s, Last: last, Voters: c.GetVoters(), Learners: c.GetLearners(), VotersOutgoing: c.GetVotersOutgoing(), LearnersNext: c.GetLearnersNext(), AutoLeave: c.GetAutoLeave()}
}

func (c *checkpoint) conf() *pb.ConfState {
	conf := &pb.ConfState{Voters: c.Voters, Learners: c.Learners, VotersOutgoing: c.VotersOutgoing, LearnersNext: c.LearnersNext}
	if c.AutoLeave {
		conf.AutoLeave = &c.AutoLeave
	}
	return conf
}

func (c *checkpoint) encode() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("BUG: a checkpoint does not encode: " + err.Error())
	}
	return append([]byte{checkpointVersion}, b...)
}

func decodeCheckpoint(b []byte) (*checkpoint, error) {
	if len(b) == 0 || b[0] != checkpointVersion {
		return nil, fmt.Errorf("replica checkpoint: %w", wal.ErrUnknownVersion)
	}
	c := &checkpoint{State: newState()}
	if err := json.Unmarshal(b[1:], c); err != nil {
		return nil, fmt.Errorf("replica checkpoint: %w", err)
	}
	if c.State == nil {
		return nil, fmt.Errorf("replica checkpoint: it has no state")
	}
	if c.State.Producers == nil {
		c.State.Producers = producers{}
	}
	for id, p := range c.State.Producers {
		if p == nil {
			return nil, fmt.Errorf("replica checkpoint: producer %d has no state", id)
		}
	}
	return c, nil
}
