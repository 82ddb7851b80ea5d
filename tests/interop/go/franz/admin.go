package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// admin is what an administrator asks: one command a line.
type admin struct {
	address string
	client  *kadm.Client
}

func newAdmin(address string) *admin {
	return &admin{address, kadm.NewClient(connect(address))}
}

func (a *admin) answer(line string) (any, error) {
	ctx := context.Background()
	asked := strings.Split(line, " ")
	switch asked[0] {
	case "create":
		retention := "1234567"
		configs := map[string]*string{"retention.ms": &retention}
		_, err := a.client.CreateTopic(ctx, int32(number(asked[2])), -1, configs, asked[1])
		return true, err
	case "delete":
		answers, err := a.client.DeleteTopics(ctx, asked[1])
		return true, first(err, answers[asked[1]].Err)
	case "topics":
		topics, err := a.client.ListTopics(ctx)
		return topics.Names(), err
	case "partitions":
		topics, err := a.client.ListTopics(ctx, asked[1])
		return len(topics[asked[1]].Partitions), first(err, topics[asked[1]].Err)
	case "retention":
		return a.config(ctx, asked[1], "retention.ms")
	case "cluster":
		cluster, err := a.client.BrokerMetadata(ctx)
		brokers := []string{}
		for _, one := range cluster.Brokers {
			brokers = append(brokers, fmt.Sprintf("%s:%d", one.Host, one.Port))
		}
		return object{"id": cluster.Cluster, "brokers": brokers}, err
	case "groups":
		groups, err := a.client.ListGroups(ctx)
		return groups.Groups(), err
	case "group":
		groups, err := a.client.DescribeGroups(ctx, asked[1])
		group := groups[asked[1]]
		return object{"state": group.State, "members": len(group.Members)}, first(err, group.Err)
	case "delete-group":
		answers, err := a.client.DeleteGroups(ctx, asked[1])
		return true, first(err, answers[asked[1]].Err)
	case "committed":
		offsets := map[int32]int64{}
		answers, err := a.client.FetchOffsets(ctx, asked[1])
		answers.Each(func(one kadm.OffsetResponse) { offsets[one.Partition] = one.At })
		return offsets, err
	case "commit":
		offsets := kadm.Offsets{}
		offsets.AddOffset(asked[2], int32(number(asked[3])), int64(number(asked[4])), -1)
		return true, a.client.CommitAllOffsets(ctx, asked[1], offsets)
	case "offsets":
		return a.offsets(ctx, asked[1], int64(number(asked[2])))
	case "transaction":
		client := connect(a.address, kgo.TransactionalID(asked[1]))
		defer client.Close()
		_, _, err := client.ProducerID(ctx)
		return true, err
	}
	panic(line)
}

func (a *admin) config(ctx context.Context, topic, name string) (string, error) {
	answers, err := a.client.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	configs, err := answers.On(topic, nil)
	for _, one := range configs.Configs {
		if one.Key == name {
			return one.MaybeValue(), err
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
	answers, err := list(ctx, topic)
	answers.Each(func(one kadm.ListedOffset) { offsets[one.Partition] = one.Offset })
	return offsets, first(err, answers.Error())
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
