// Command chronik-bench is a load generator that is cheaper than any broker: it sends prebuilt record batches over plain
// sockets, several requests in flight per connection, and measures what comes back. The broker is the bottleneck, not
// the client, so that brokers can be compared.
//
//	chronik-bench produce --bootstrap localhost:9092 --topic bench --batch 16384 --connections 16 --in-flight 5 --duration 10s
//
// It prints one JSON object: batches/s, MB/s, latency percentiles in milliseconds, and, with --pid, the CPU seconds per GB
// and the peak memory of the broker's process.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
)

func main() {
	app := &cli.App{Name: "chronik-bench", Usage: "load for Kafka brokers, from prebuilt batches",
		Commands: []*cli.Command{{
			Name: "produce", Usage: "produce prebuilt batches with acks=all",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "bootstrap", Value: "localhost:9092", Usage: "one broker's `HOST:PORT`"},
				&cli.StringFlag{Name: "topic", Value: "bench", Usage: "an existing topic"},
				&cli.IntFlag{Name: "batch", Value: 16384, Usage: "`BYTES` per batch"},
				&cli.IntFlag{Name: "record", Value: 1024, Usage: "`BYTES` per record"},
				&cli.IntFlag{Name: "connections", Value: 16},
				&cli.IntFlag{Name: "in-flight", Value: 5, Usage: "requests in flight per connection"},
				&cli.IntFlag{Name: "acks", Value: -1},
				&cli.IntFlag{Name: "rate", Usage: "batches per second in total, open loop; 0 = as fast as it goes"},
				&cli.DurationFlag{Name: "warm-up", Value: time.Second},
				&cli.DurationFlag{Name: "duration", Value: 5 * time.Second},
				&cli.IntFlag{Name: "pid", Usage: "the broker's process, for its CPU time and memory"},
			},
			Action: func(c *cli.Context) error {
				r, err := run(load{
					bootstrap: c.String("bootstrap"), topic: c.String("topic"), batch: c.Int("batch"), record: c.Int("record"),
					connections: c.Int("connections"), inFlight: c.Int("in-flight"), acks: int16(c.Int("acks")), rate: c.Int("rate"),
					warmUp: c.Duration("warm-up"), duration: c.Duration("duration"), pid: c.Int("pid"),
				})
				if err != nil {
					return err
				}
				return json.NewEncoder(os.Stdout).Encode(r)
			},
		}}}
	if err := app.Run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "chronik-bench:", err)
		os.Exit(1)
	}
}
