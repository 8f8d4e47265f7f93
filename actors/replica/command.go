package replica

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"chronik/actors/message"
	"chronik/protocol/kafka"
	"chronik/wal"
)

// commandByte begins a command entry. A batch cannot begin with it: its first byte is the highest of a base offset.
const commandByte = 0xFF

const (
	commandVersion = 1
	commandSize    = 3 + 3*8
)

// commandKind is what a command does.
type commandKind byte

const (
	cmdRoll            commandKind = 1 // seal the open segment here
	cmdAdvanceLogStart commandKind = 2 // Offset
	cmdExpireProducers commandKind = 3 // Now, Before
)

// command is decided by the leader and done by all replicas when it is applied.
type command struct {
	Kind   commandKind
	Offset kafka.Offset
	// Now is the leader's time: a producer that appended nothing since the last such command is marked with it, and one
	// whose mark is older than Before is forgotten. The batches' own timestamps say nothing: clients may replay old data.
	Now, Before kafka.Timestamp
}

func (c command) encode() []byte {
	b := []byte{commandByte, commandVersion, byte(c.Kind)}
	b = binary.BigEndian.AppendUint64(b, uint64(c.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Now))
	return binary.BigEndian.AppendUint64(b, uint64(c.Before))
}

func isCommand(e *wal.Entry) bool {
	return e.Type == wal.EntryNormal && len(e.Data) > 0 && e.Data[0] == commandByte
}

func isBatch(e *wal.Entry) bool {
	return e.Type == wal.EntryNormal && len(e.Data) > 0 && e.Data[0] != commandByte
}

// carriesBatches says whether a message wants records to be stored. With a full disk they are not, and not acknowledged; the
// leader sends them again until there is room. What is small goes on: votes, commits, commands that delete.
func carriesBatches(m any) bool {
	x, ok := m.(*message.RaftMessage)
	if !ok || x.Msg == nil || x.Msg.GetType() != raftpb.MsgApp {
		return false
	}
	for _, e := range x.Msg.Entries {
		if d := e.GetData(); e.GetType() == raftpb.EntryNormal && len(d) > 0 && d[0] != commandByte {
			return true
		}
	}
	return false
}

func decodeCommand(e *wal.Entry) command {
	if len(e.Data) != commandSize || e.Data[1] != commandVersion {
		panic(fmt.Sprintf("BUG: entry %d is a command of an unknown form", e.Index))
	}
	return command{commandKind(e.Data[2]), kafka.Offset(binary.BigEndian.Uint64(e.Data[3:])), kafka.Timestamp(binary.BigEndian.Uint64(e.Data[11:])),
		kafka.Timestamp(binary.BigEndian.Uint64(e.Data[19:]))}
}
