import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.protocol.Errors;

/** Administrative commands: one command a line, one response a line. */
final class Admins {
  private Admins() {}

  static void serve(String address) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    try (Admin admin = Admin.create(Interop.properties(address))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        try {
          Interop.print(Map.of("is", execute(admin, address, line.split(" "))));
        } catch (ExecutionException refused) {
          Interop.print(Map.of("error", Errors.forException(refused.getCause()).code()));
        } catch (org.apache.kafka.common.KafkaException refused) {
          Interop.print(Map.of("error", Errors.forException(refused).code()));
        }
      }
    }
  }

  private static Object execute(Admin admin, String address, String[] words) throws Exception {
    return switch (words[0]) {
      case "create" -> {
        NewTopic topic = new NewTopic(words[1], Integer.parseInt(words[2]), (short) -1);
        admin.createTopics(List.of(topic.configs(Map.of("retention.ms", "1234567")))).all().get();
        yield true;
      }
      case "delete" -> {
        admin.deleteTopics(List.of(words[1])).all().get();
        yield true;
      }
      case "topics" -> admin.listTopics().names().get();
      case "partitions" -> describe(admin, words[1]).partitions().size();
      case "retention" -> {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, words[1]);
        var configs = admin.describeConfigs(List.of(topic)).all().get();
        yield configs.get(topic).get("retention.ms").value();
      }
      case "cluster" -> {
        DescribeClusterResult cluster = admin.describeCluster();
        yield Map.of(
            "id", cluster.clusterId().get(),
            "brokers", cluster.nodes().get().stream().map(n -> n.host() + ":" + n.port()).toList());
      }
      case "groups" -> admin.listGroups().all().get().stream().map(GroupListing::groupId).toList();
      case "group" -> {
        ConsumerGroupDescription group =
            admin.describeConsumerGroups(List.of(words[1])).all().get().get(words[1]);
        yield Map.of("state", group.groupState().toString(), "members", group.members().size());
      }
      case "delete-group" -> {
        admin.deleteConsumerGroups(List.of(words[1])).all().get();
        yield true;
      }
      case "committed" -> {
        TreeMap<Integer, Long> offsets = new TreeMap<>();
        admin.listConsumerGroupOffsets(words[1]).partitionsToOffsetAndMetadata().get()
            .forEach((partition, at) -> offsets.put(partition.partition(), at.offset()));
        yield offsets;
      }
      case "commit" -> {
        TopicPartition partition = new TopicPartition(words[2], Integer.parseInt(words[3]));
        OffsetAndMetadata offset = new OffsetAndMetadata(Long.parseLong(words[4]));
        admin.alterConsumerGroupOffsets(words[1], Map.of(partition, offset)).all().get();
        yield true;
      }
      case "offsets" -> {
        OffsetSpec spec = at(Long.parseLong(words[2]));
        var specs = IntStream.range(0, describe(admin, words[1]).partitions().size()).boxed()
            .collect(Collectors.toMap(n -> new TopicPartition(words[1], n), n -> spec));
        TreeMap<Integer, Long> offsets = new TreeMap<>();
        admin.listOffsets(specs).all().get()
            .forEach((partition, found) -> offsets.put(partition.partition(), found.offset()));
        yield offsets;
      }
      case "transaction" -> {
        Properties properties = Interop.properties(address);
        properties.put("transactional.id", words[1]);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
          producer.initTransactions();
        }
        yield true;
      }
      default -> throw new IllegalArgumentException(words[0]);
    };
  }

  private static OffsetSpec at(long timestamp) {
    return switch ((int) Math.min(timestamp, 0)) {
      case -1 -> OffsetSpec.latest();
      case -2 -> OffsetSpec.earliest();
      default -> OffsetSpec.forTimestamp(timestamp);
    };
  }

  private static TopicDescription describe(Admin admin, String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
  }
}
