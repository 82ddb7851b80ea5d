import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Apache Kafka's own client behind the commands that tests/interop/program.py describes. */
public final class Interop {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, String> ASSIGNORS =
      Map.of(
          "range", "org.apache.kafka.clients.consumer.RangeAssignor",
          "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
          "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

  public static void main(String[] arguments) throws Exception {
    List<String> rest = List.of(arguments).subList(2, arguments.length);
    switch (arguments[0]) {
      case "produce" -> produce(arguments[1], rest);
      case "consume" -> consume(arguments[1], rest);
      case "admin" -> Admins.serve(arguments[1]);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  static synchronized void print(Object response) throws Exception {
    System.out.println(JSON.writeValueAsString(response));
  }

  static Properties properties(String address) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", address);
    properties.put("key.serializer", StringSerializer.class);
    properties.put("value.serializer", StringSerializer.class);
    properties.put("key.deserializer", StringDeserializer.class);
    properties.put("value.deserializer", StringDeserializer.class);
    return properties;
  }

  private static void produce(String address, List<String> rest) throws Exception {
    String topic = rest.get(0);
    int count = Integer.parseInt(rest.get(1));
    for (int partition = 0; partition < rest.size() - 2; partition++) {
      Properties properties = properties(address);
      properties.put("compression.type", rest.get(partition + 2));
      try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int n = 0; n < count; n++) {
          ProducerRecord<String, String> record =
              new ProducerRecord<>(topic, partition, "key " + n, "value " + n);
          record.headers().add("kind", "interop".getBytes());
          sent.add(producer.send(record));
        }
        for (Future<RecordMetadata> record : sent) {
          print(Map.of("partition", record.get().partition(), "offset", record.get().offset()));
        }
      }
    }
  }

  private static void consume(String address, List<String> rest) throws Exception {
    Properties properties = properties(address);
    properties.put("group.id", rest.get(1));
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", false);
    if (rest.get(2).equals("consumer")) {
      properties.put("group.protocol", "consumer");
    } else {
      properties.put("partition.assignment.strategy", ASSIGNORS.get(rest.get(2)));
      properties.put("heartbeat.interval.ms", 200);
    }
    if (rest.size() > 3) {
      properties.put("group.instance.id", rest.get(3));
    }
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
      consumer.subscribe(List.of(rest.get(0)), new AssignmentPrinter(consumer));
      Thread listener = new Thread(Interop::waitForEndOfInput);
      listener.start();
      boolean isCommitted = true;
      while (listener.isAlive()) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(50));
        for (ConsumerRecord<String, String> record : records) {
          print(
              Map.of(
                  "partition", record.partition(),
                  "offset", record.offset(),
                  "key", record.key(),
                  "value", record.value(),
                  "kind", new String(record.headers().lastHeader("kind").value())));
        }
        isCommitted = (isCommitted && records.isEmpty()) || commit(consumer);
      }
    }
  }

  /** False while the group rebalances: retry, or leave the records to the next owner. */
  private static boolean commit(KafkaConsumer<String, String> consumer) {
    try {
      consumer.commitSync();
      return true;
    } catch (CommitFailedException | RebalanceInProgressException error) {
      return false;
    }
  }

  private static void waitForEndOfInput() {
    try {
      System.in.readAllBytes();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Prints all assigned partitions whenever they change. */
  private record AssignmentPrinter(KafkaConsumer<String, String> consumer)
      implements ConsumerRebalanceListener {
    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> added) {
      printAssignment();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> revoked) {}

    private void printAssignment() {
      TreeSet<Integer> assigned = new TreeSet<>();
      consumer.assignment().forEach(partition -> assigned.add(partition.partition()));
      try {
        print(Map.of("assigned", assigned));
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }
  }
}
