package replica

import (
	"encoding/binary"
	"fmt"

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

func decodeCommand(e *wal.Entry) command {
	if len(e.Data) != commandSize || e.Data[1] != commandVersion {
		panic(fmt.Sprintf("BUG: entry %d is a command of an unknown form", e.Index))
	}
	return command{commandKind(e.Data[2]), kafka.Offset(binary.BigEndian.Uint64(e.Data[3:])), kafka.Timestamp(binary.BigEndian.Uint64(e.Data[11:])),
		kafka.Timestamp(binary.BigEndian.Uint64(e.Data[19:]))}
}
