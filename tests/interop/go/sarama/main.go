// sarama behind the commands that tests/interop/program.py describes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var strategies = map[string]sarama.BalanceStrategy{
	"range":      sarama.NewBalanceStrategyRange(),
	"roundrobin": sarama.NewBalanceStrategyRoundRobin(),
	"sticky":     sarama.NewBalanceStrategySticky(),
}

type object map[string]any

func main() {
	command, address, rest := os.Args[1], os.Args[2], os.Args[3:]
	sarama.Logger = log.New(os.Stderr, "", log.LstdFlags)
	switch command {
	case "produce":
		produce(address, rest[0], number(rest[1]), rest[2:])
	case "consume":
		consume(address, rest[0], rest[1], rest[2], rest[3:])
	case "admin":
		serve(address)
	}
}

func configure() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	return config
}

func produce(address, topic string, count int, codecs []string) {
	config := configure()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	for partition, codec := range codecs {
		check(config.Producer.Compression.UnmarshalText([]byte(codec)))
		producer := must(sarama.NewSyncProducer([]string{address}, config))
		messages := []*sarama.ProducerMessage{}
		for n := 0; n < count; n++ {
			messages = append(messages, &sarama.ProducerMessage{
				Topic:     topic,
				Partition: int32(partition),
				Key:       sarama.StringEncoder(fmt.Sprint("key ", n)),
				Value:     sarama.StringEncoder(fmt.Sprint("value ", n)),
				Headers:   []sarama.RecordHeader{{Key: []byte("kind"), Value: []byte("interop")}},
			})
		}
		check(producer.SendMessages(messages))
		check(producer.Close())
		for _, message := range messages {
			print(object{"partition": message.Partition, "offset": message.Offset})
		}
	}
}

func consume(address, topic, group, strategy string, instance []string) {
	config := configure()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 45 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies =
		[]sarama.BalanceStrategy{strategies[strategy]}
	for _, id := range instance {
		config.Consumer.Group.InstanceId = id
	}
	member := must(sarama.NewConsumerGroup([]string{address}, group, config))
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.ReadAll(os.Stdin)
		stop()
	}()
	for ctx.Err() == nil {
		if err := member.Consume(ctx, []string{topic}, reader{topic}); err != nil {
			complain(err)
		}
	}
	check(member.Close())
}

// reader prints the assignment of each generation, and the records that it reads.
type reader struct{ topic string }

func (r reader) Setup(session sarama.ConsumerGroupSession) error {
	assigned := append([]int32{}, session.Claims()[r.topic]...)
	print(object{"assigned": assigned})
	return nil
}

func (reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (reader) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			print(object{
				"partition": message.Partition,
				"offset":    message.Offset,
				"key":       string(message.Key),
				"value":     string(message.Value),
				"kind":      string(message.Headers[0].Value),
			})
			session.MarkMessage(message, "")
			if len(claim.Messages()) == 0 {
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func serve(address string) {
	lines := bufio.NewScanner(os.Stdin)
	for admin := newAdmin(address); lines.Scan(); {
		is, err := admin.execute(strings.Split(lines.Text(), " "))
		var refused sarama.KError
		if errors.As(err, &refused) {
			print(object{"error": int16(refused)})
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
