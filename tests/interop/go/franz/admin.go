package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// admin executes administrative commands: one command a line.
type admin struct {
	address string
	client  *kadm.Client
}

func newAdmin(address string) *admin {
	return &admin{address, kadm.NewClient(connect(address))}
}

func (a *admin) execute(line string) (any, error) {
	ctx := context.Background()
	words := strings.Split(line, " ")
	switch words[0] {
	case "create":
		retention := "1234567"
		configs := map[string]*string{"retention.ms": &retention}
		_, err := a.client.CreateTopic(ctx, int32(number(words[2])), -1, configs, words[1])
		return true, err
	case "delete":
		responses, err := a.client.DeleteTopics(ctx, words[1])
		return true, first(err, responses[words[1]].Err)
	case "topics":
		topics, err := a.client.ListTopics(ctx)
		return topics.Names(), err
	case "partitions":
		topics, err := a.client.ListTopics(ctx, words[1])
		return len(topics[words[1]].Partitions), first(err, topics[words[1]].Err)
	case "retention":
		return a.config(ctx, words[1], "retention.ms")
	case "cluster":
		cluster, err := a.client.BrokerMetadata(ctx)
		brokers := []string{}
		for _, broker := range cluster.Brokers {
			brokers = append(brokers, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
		}
		return object{"id": cluster.Cluster, "brokers": brokers}, err
	case "groups":
		groups, err := a.client.ListGroups(ctx)
		return groups.Groups(), err
	case "group":
		groups, err := a.client.DescribeGroups(ctx, words[1])
		group := groups[words[1]]
		return object{"state": group.State, "members": len(group.Members)}, first(err, group.Err)
	case "delete-group":
		responses, err := a.client.DeleteGroups(ctx, words[1])
		return true, first(err, responses[words[1]].Err)
	case "committed":
		offsets := map[int32]int64{}
		responses, err := a.client.FetchOffsets(ctx, words[1])
		responses.Each(func(offset kadm.OffsetResponse) { offsets[offset.Partition] = offset.At })
		return offsets, err
	case "commit":
		offsets := kadm.Offsets{}
		offsets.AddOffset(words[2], int32(number(words[3])), int64(number(words[4])), -1)
		return true, a.client.CommitAllOffsets(ctx, words[1], offsets)
	case "offsets":
		return a.offsets(ctx, words[1], int64(number(words[2])))
	case "transaction":
		client := connect(a.address, kgo.TransactionalID(words[1]))
		defer client.Close()
		_, _, err := client.ProducerID(ctx)
		return true, err
	}
	panic(line)
}

func (a *admin) config(ctx context.Context, topic, name string) (string, error) {
	responses, err := a.client.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	configs, err := responses.On(topic, nil)
	for _, config := range configs.Configs {
		if config.Key == name {
			return config.MaybeValue(), err
		}
	}
	return "", err
}

func (a *admin) offsets(ctx context.Context, topic string, timestamp int64) (any, error) {
	list := func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return a.client.ListOffsetsAfterMilli(ctx, timestamp, topics...)
	}
	switch timestamp {
	case -1:
		list = a.client.ListEndOffsets
	case -2:
		list = a.client.ListStartOffsets
	}
	offsets := map[int32]int64{}
	responses, err := list(ctx, topic)
	responses.Each(func(listed kadm.ListedOffset) { offsets[listed.Partition] = listed.Offset })
	return offsets, first(err, responses.Error())
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
