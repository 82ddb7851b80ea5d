// kafkajs behind the commands that tests/interop/program.py describes.
const readline = require("node:readline");
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require("kafkajs");

// Silences a hint for users of version 1.
process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1";
CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");

// Its own names for codecs; it has no lz4 and no zstd without packages that are compiled.
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
};

const print = (response) => console.log(JSON.stringify(response));

function connect(address) {
  return new Kafka({ brokers: [address], clientId: "interop", logLevel: logLevel.WARN });
}

async function produce(kafka, [topic, count, ...codecs]) {
  for (const [partition, codec] of codecs.entries()) {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const messages = Array.from({ length: Number(count) }, (_, n) => ({
      partition,
      key: `key ${n}`,
      value: `value ${n}`,
      headers: { kind: "interop" },
    }));
    const [sent] = await producer.send({ topic, messages, compression: CODECS[codec] });
    for (let n = 0; n < messages.length; n++) {
      print({ partition: sent.partition, offset: Number(sent.baseOffset) + n });
    }
    await producer.disconnect();
  }
}

// It knows one assignor and no static members.
async function consume(kafka, [topic, groupId]) {
  // After a lost connection it joins as a new member; the group waits until the old one expires.
  const timing = { heartbeatInterval: 200, maxWaitTimeInMs: 500, sessionTimeout: 10_000 };
  const consumer = kafka.consumer({ groupId, ...timing });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    print({ assigned: payload.memberAssignment[topic] ?? [] });
  });
  const eachBatch = async ({ batch, heartbeat, isRunning, isStale }) => {
    if (!isRunning() || isStale()) return;
    for (const { offset, key, value, headers } of batch.messages) {
      print({
        partition: batch.partition,
        offset: Number(offset),
        key: key.toString(),
        value: value.toString(),
        kind: headers.kind.toString(),
      });
    }
    const next = String(Number(batch.lastOffset()) + 1);
    await consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }]);
    await heartbeat();
  };
  const start = async () => {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch });
  };
  // If the broker stops while kafkajs looks for the coordinator, its user has to start it again.
  const startAgain = () => start().catch(() => setTimeout(startAgain, 300));
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) setTimeout(startAgain, 300);
  });
  await start();
  process.stdin.resume().on("end", () => consumer.disconnect());
}

const offsetsOf = (partitions) =>
  Object.fromEntries(partitions.map(({ partition, offset }) => [partition, Number(offset)]));

// Administrative commands: one command a line.
const commands = {
  create: async ({ admin }, topic, partitions) => {
    const configEntries = [{ name: "retention.ms", value: "1234567" }];
    const description = { topic, numPartitions: Number(partitions), replicationFactor: -1, configEntries };
    return admin.createTopics({ topics: [description] });
  },
  delete: async ({ admin }, topic) => {
    await admin.deleteTopics({ topics: [topic] });
    return true;
  },
  topics: ({ admin }) => admin.listTopics(),
  partitions: async ({ admin }, topic) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0].partitions.length;
  },
  retention: async ({ admin }, name) => {
    const resource = { type: ConfigResourceTypes.TOPIC, name, configNames: ["retention.ms"] };
    const { resources } = await admin.describeConfigs({ resources: [resource] });
    return resources[0].configEntries[0].configValue;
  },
  cluster: async ({ admin }) => {
    const { brokers, clusterId } = await admin.describeCluster();
    return { id: clusterId, brokers: brokers.map(({ host, port }) => `${host}:${port}`) };
  },
  groups: async ({ admin }) => (await admin.listGroups()).groups.map((group) => group.groupId),
  group: async ({ admin }, groupId) => {
    const { groups } = await admin.describeGroups([groupId]);
    return { state: groups[0].state, members: groups[0].members.length };
  },
  "delete-group": async ({ admin }, groupId) => {
    await admin.deleteGroups([groupId]);
    return true;
  },
  committed: async ({ admin }, groupId) => {
    const topics = await admin.fetchOffsets({ groupId });
    return Object.assign({}, ...topics.map(({ partitions }) => offsetsOf(partitions)));
  },
  commit: async ({ admin }, groupId, topic, partition, offset) => {
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: Number(partition), offset }] });
    return true;
  },
  offsets: async ({ admin }, topic, timestamp) => {
    if (timestamp === "-1") return offsetsOf(await admin.fetchTopicOffsets(topic));
    if (timestamp === "-2") {
      const partitions = await admin.fetchTopicOffsets(topic);
      return offsetsOf(partitions.map(({ partition, low }) => ({ partition, offset: low })));
    }
    return offsetsOf(await admin.fetchTopicOffsetsByTimestamp(topic, Number(timestamp)));
  },
  transaction: async ({ kafka }, transactionalId) => {
    const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    try {
      await producer.transaction();
    } finally {
      await producer.disconnect();
    }
    return true;
  },
};

// Some errors are wrapped in a list of errors, or in the error that ended retries.
function codeOf(error) {
  const inner = error.errors?.[0] ?? error.groups?.[0] ?? error.cause;
  return error.code ?? error.errorCode ?? (inner && codeOf(inner)) ?? error.message;
}

async function serve(kafka) {
  const admin = kafka.admin();
  await admin.connect();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, ...rest] = line.split(" ");
    try {
      print({ is: await commands[command]({ kafka, admin }, ...rest) });
    } catch (error) {
      print({ error: codeOf(error) });
    }
  }
  await admin.disconnect();
}

const [command, address, ...rest] = process.argv.slice(2);
const run = { produce, consume, admin: serve }[command];
run(connect(address), rest).catch((error) => {
  console.error("[ERROR]", error);
  process.exit(1);
});
