// franz-go behind the commands that tests/interop/program.py describes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var balancers = map[string]kgo.GroupBalancer{
	"range":              kgo.RangeBalancer(),
	"roundrobin":         kgo.RoundRobinBalancer(),
	"cooperative-sticky": kgo.CooperativeStickyBalancer(),
}

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

type object map[string]any

func main() {
	command, address, rest := os.Args[1], os.Args[2], os.Args[3:]
	switch command {
	case "produce":
		produce(address, rest[0], number(rest[1]), rest[2:])
	case "consume":
		consume(address, rest[0], rest[1], rest[2], rest[3:])
	case "admin":
		serve(address)
	}
}

func connect(address string, more ...kgo.Opt) *kgo.Client {
	logger := kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)
	return must(kgo.NewClient(append(more, kgo.SeedBrokers(address), kgo.WithLogger(logger))...))
}

func produce(address, topic string, count int, codecNames []string) {
	for partition, codec := range codecNames {
		client := connect(address,
			kgo.ProducerBatchCompression(codecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for n := 0; n < count; n++ {
			client.Produce(context.Background(), &kgo.Record{
				Topic:     topic,
				Partition: int32(partition),
				Key:       []byte(fmt.Sprint("key ", n)),
				Value:     []byte(fmt.Sprint("value ", n)),
				Headers:   []kgo.RecordHeader{{Key: "kind", Value: []byte("interop")}},
			}, func(record *kgo.Record, err error) {
				check(err)
				print(object{"partition": record.Partition, "offset": record.Offset})
			})
		}
		check(client.Flush(context.Background()))
		client.Close()
	}
}

func consume(address, topic, group, assignor string, instance []string) {
	printer := &assignmentPrinter{partitions: map[int32]bool{}}
	options := []kgo.Opt{
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(group),
		kgo.Balancers(balancers[assignor]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.OnPartitionsAssigned(printer.change(topic, true)),
		kgo.OnPartitionsRevoked(printer.change(topic, false)),
		kgo.OnPartitionsLost(printer.change(topic, false)),
	}
	for _, id := range instance {
		options = append(options, kgo.InstanceID(id))
	}
	client := connect(address, options...)
	defer client.Close()
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.ReadAll(os.Stdin)
		stop()
	}()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) { complain(err) })
		fetches.EachRecord(func(record *kgo.Record) {
			print(object{
				"partition": record.Partition,
				"offset":    record.Offset,
				"key":       string(record.Key),
				"value":     string(record.Value),
				"kind":      string(record.Headers[0].Value),
			})
		})
		if err := client.CommitUncommittedOffsets(context.Background()); err != nil {
			complain(err)
		}
	}
}

// assignmentPrinter prints all assigned partitions whenever they change.
type assignmentPrinter struct {
	sync.Mutex
	partitions map[int32]bool
}

func (p *assignmentPrinter) change(topic string, isAdded bool) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
		p.Lock()
		defer p.Unlock()
		for _, partition := range changed[topic] {
			if isAdded {
				p.partitions[partition] = true
			} else {
				delete(p.partitions, partition)
			}
		}
		assigned := []int{}
		for partition := range p.partitions {
			assigned = append(assigned, int(partition))
		}
		sort.Ints(assigned)
		print(object{"assigned": assigned})
	}
}

func serve(address string) {
	lines := bufio.NewScanner(os.Stdin)
	for admin := newAdmin(address); lines.Scan(); {
		is, err := admin.execute(lines.Text())
		var refused *kerr.Error
		if errors.As(err, &refused) {
			print(object{"error": refused.Code})
		} else {
			check(err)
			print(object{"is": is})
		}
	}
}

var output sync.Mutex

func print(response object) {
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(must(json.Marshal(response))))
}

func number(text string) int { return must(strconv.Atoi(text)) }

func must[T any](value T, err error) T {
	check(err)
	return value
}

func complain(err error) { fmt.Fprintln(os.Stderr, "[ERROR]", err) }

func check(err error) {
	if err != nil {
		complain(err)
		os.Exit(1)
	}
}
