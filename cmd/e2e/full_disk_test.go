package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"chronik/protocol/batch"
	"chronik/protocol/kafka"
)

// TestFullDisk: on a full disk produce is refused with a storage error and nothing else breaks; when there is room again it
// goes on by itself. The disk is a small one in memory, mounted for the test.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "320m")
	n := StartStandalone(t)
	n.Kill()
	n.moveData(filepath.Join(dir, "data"))
	n.Restart(t)
	CreateTopic(t, []string{n.Addr}, "full", 1, 1, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cl := client(t, []string{n.Addr}, kgo.MaxVersions(kversion.V3_0_0()))
	defer cl.Close()
	value := make([]byte, 900_000)
	records := 0
	produce := func() int16 {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks, req.TimeoutMillis = 9, -1, 5000
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "full"
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = batch.Build(batch.Params{}, []batch.Record{{Timestamp: kafka.Timestamp(time.Now().UnixMilli()), Value: value}})
		topic.Partitions = append(topic.Partitions, p)
		req.Topics = append(req.Topics, topic)
		r, err := cl.Broker(1).Request(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		code := r.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
		if code == 0 {
			records++
		}
		return code
	}
	for range 10 {
		if code := produce(); code != 0 {
			t.Fatalf("code %d on a disk with room", code)
		}
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	const storageError = 56
	Eventually(t, time.Minute, "a storage error", func() error {
		if code := produce(); code != storageError {
			return fmt.Errorf("code %d after %d records", code, records)
		}
		return nil
	})
	if all := ReadAll(t, []string{n.Addr}, "full"); len(all) != records {
		t.Fatalf("%d records are there, %d were acknowledged", len(all), records)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 30*time.Second, "it goes on by itself", func() error {
		if code := produce(); code != 0 {
			return fmt.Errorf("code %d", code)
		}
		return nil
	})
	n.Kill()
	n.Restart(t)
	if all := ReadAll(t, []string{n.Addr}, "full"); len(all) != records {
		t.Fatalf("after a restart %d records are there, %d were acknowledged", len(all), records)
	}
}

// smallDisk mounts a disk of a size in memory and returns where.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		unavailable(t, fmt.Sprintf("mounting a small disk: %v", err))
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// moveData lets a node that does not run have its data elsewhere from now on.
func (n *Node) moveData(dir string) {
	n.Args[slices.Index(n.Args, "--data-dir")+1] = dir
	n.Dir = dir
}

// fill writes a file until there is no room.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; size /= 2 {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}
