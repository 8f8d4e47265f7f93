package main

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// buildBatch makes an uncompressed batch of about size bytes, of records of about record bytes.
func buildBatch(size, record int) []byte {
	record = min(record, max(1, size-80))
	count := max(1, size/record)
	value := make([]byte, max(1, record-12))
	for i := range value {
		value[i] = byte('a' + i%26)
	}
	var records []byte
	for i := range count {
		r := kmsg.Record{OffsetDelta: int32(i), Value: value}
		body := r.AppendTo(nil)
		r.Length = int32(len(body) - 1) // AppendTo wrote a one-byte length of zero
		records = r.AppendTo(records)
	}
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(count - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(count), Records: records}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// produceFrame is a complete Produce request for one partition, length prefix included.
func produceFrame(l load, partition int32, batch []byte) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, l.acks, 30_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = l.topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("chronik-bench")).AppendRequest(nil, req, 1)
}

// cpuSeconds reads a process's user and system time and its peak resident memory.
func cpuSeconds(pid int) (float64, int64) {
	if pid == 0 {
		return 0, 0
	}
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	s := string(stat)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 13 {
		return 0, 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	var peak int64
	for _, line := range strings.Split(string(status), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			peak, _ = strconv.ParseInt(strings.Fields(kb)[0], 10, 64)
		}
	}
	return (user + system) / 100, peak << 10
}
