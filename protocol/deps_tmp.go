package protocol

import (
	_ "github.com/VictoriaMetrics/metrics"
	_ "github.com/asynkron/protoactor-go/actor"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/pierrec/lz4/v4"
	_ "github.com/twmb/franz-go/pkg/kadm"
	_ "github.com/twmb/franz-go/pkg/kerr"
	_ "github.com/twmb/franz-go/pkg/kgo"
	_ "github.com/twmb/franz-go/pkg/kmsg"
	_ "github.com/urfave/cli/v2"
	_ "go.etcd.io/raft/v3"
	_ "golang.org/x/sys/unix"
	_ "google.golang.org/protobuf/proto"
)
