package main

import (
	"github.com/IBM/sarama"
)

// admin executes administrative commands: one command a line.
type admin struct {
	address string
	client  sarama.Client
	cluster sarama.ClusterAdmin
}

func newAdmin(address string) *admin {
	client := must(sarama.NewClient([]string{address}, configure()))
	return &admin{address, client, must(sarama.NewClusterAdminFromClient(client))}
}

func (a *admin) execute(words []string) (any, error) {
	switch words[0] {
	case "create":
		retention := "1234567"
		detail := &sarama.TopicDetail{
			NumPartitions:     int32(number(words[2])),
			ReplicationFactor: -1,
			ConfigEntries:     map[string]*string{"retention.ms": &retention},
		}
		return true, a.cluster.CreateTopic(words[1], detail, false)
	case "delete":
		return true, a.cluster.DeleteTopic(words[1])
	case "topics":
		topics, err := a.cluster.ListTopics()
		return keys(topics), err
	case "partitions":
		topics, err := a.cluster.DescribeTopics([]string{words[1]})
		if err == nil && topics[0].Err != sarama.ErrNoError {
			err = topics[0].Err
		}
		return len(topics[0].Partitions), err
	case "retention":
		return a.config(words[1], "retention.ms")
	case "cluster":
		return a.describe()
	case "groups":
		groups, err := a.cluster.ListConsumerGroups()
		return keys(groups), err
	case "group":
		groups, err := a.cluster.DescribeConsumerGroups([]string{words[1]})
		if err == nil && groups[0].Err != sarama.ErrNoError {
			err = groups[0].Err
		}
		return object{"state": groups[0].State, "members": len(groups[0].Members)}, err
	case "delete-group":
		return true, a.cluster.DeleteConsumerGroup(words[1])
	case "committed":
		return a.committed(words[1])
	case "commit":
		return true, a.commit(words[1], words[2], int32(number(words[3])), int64(number(words[4])))
	case "offsets":
		return a.offsets(words[1], int64(number(words[2])))
	case "transaction":
		return true, a.transaction(words[1])
	}
	panic(words[0])
}

func (a *admin) config(topic, name string) (string, error) {
	entries, err := a.cluster.DescribeConfig(sarama.ConfigResource{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name},
	})
	if err != nil {
		return "", err
	}
	return entries[0].Value, nil
}

func (a *admin) describe() (any, error) {
	brokers, _, err := a.cluster.DescribeCluster()
	addresses := []string{}
	for _, broker := range brokers {
		addresses = append(addresses, broker.Addr())
	}
	metadata, metadataErr := must(a.client.Controller()).GetMetadata(sarama.NewMetadataRequest(
		sarama.MaxVersion, []string{}))
	if metadataErr != nil {
		return nil, metadataErr
	}
	return object{"id": *metadata.ClusterID, "brokers": addresses}, err
}

func (a *admin) committed(group string) (any, error) {
	response, err := a.cluster.ListConsumerGroupOffsets(group, nil)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, partitions := range response.Blocks {
		for partition, block := range partitions {
			offsets[partition] = block.Offset
		}
	}
	return offsets, nil
}

func (a *admin) commit(group, topic string, partition int32, offset int64) error {
	manager, err := sarama.NewOffsetManagerFromClient(group, a.client)
	if err != nil {
		return err
	}
	defer manager.Close()
	managed, err := manager.ManagePartition(topic, partition)
	if err != nil {
		return err
	}
	defer managed.Close()
	managed.ResetOffset(offset, "")
	managed.MarkOffset(offset, "")
	manager.Commit()
	return nil
}

func (a *admin) offsets(topic string, timestamp int64) (any, error) {
	partitions, err := a.client.Partitions(topic)
	offsets := map[int32]int64{}
	for _, partition := range partitions {
		if offsets[partition], err = a.client.GetOffset(topic, partition, timestamp); err != nil {
			return nil, err
		}
	}
	return offsets, err
}

func (a *admin) transaction(id string) error {
	config := configure()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = id
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer([]string{a.address}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.BeginTxn()
}

func keys[V any](items map[string]V) []string {
	names := []string{}
	for name := range items {
		names = append(names, name)
	}
	return names
}
