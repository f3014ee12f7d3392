// kafkajs, a client written in JavaScript alone, against a broker.
//   BOOTSTRAP=host:port NODE_PATH=.../node_modules node kafkajs_checks.js [regex]     AT_ONCE=4 checks at once, TRACE=1 prints stacks
'use strict';
const { AssignerProtocol, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs');
const lz4 = require('lz4js');
const { ZstdCodec } = require('zstd-codec');
const assert = require('assert');

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

// Frames of lz4js have blocks that build on each other, which Kafka refuses: so its blocks come in a frame of our own.
const LZ4_HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]); // independent blocks of up to 64 KiB, no checksums
function lz4Frame(data) {
  const parts = [LZ4_HEADER];
  for (let at = 0; at < data.length; at += 65536) {
    const plain = data.subarray(at, at + 65536);
    const packed = Buffer.alloc(lz4.compressBound(plain.length));
    const size = lz4.compressBlock(plain, packed, 0, plain.length, new Uint32Array(1 << 16));
    const good = size > 0 && size < plain.length;
    const head = Buffer.alloc(4);
    head.writeUInt32LE(good ? size : plain.length + 2 ** 31);
    parts.push(head, good ? packed.subarray(0, size) : plain);
  }
  return Buffer.concat([...parts, Buffer.alloc(4)]);
}
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4Frame(encoder.buffer),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
});
const zstd = new Promise(resolve => ZstdCodec.run(binding => resolve(new binding.Streaming())));
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
});

const LIMIT_MS = 120000;
const run = Date.now().toString(36);
let names = 0;
const unique = what => `${what}-${run}-${++names}`;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const range = count => [...Array(count).keys()];
const checks = {};

const kafka = new Kafka({
  clientId: 'checks',
  brokers: [process.env.BOOTSTRAP],
  logLevel: logLevel.NOTHING,
  retry: { retries: 8, initialRetryTime: 100 },
});
const admin = kafka.admin();

async function until(condition, seconds, what) {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what()}`);
    await sleep(50);
  }
}

async function newTopic(what, numPartitions = 1, configs = {}) {
  const topic = unique(what);
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
  // Apache Kafka answers before all of it knows the topic.
  const late = process.env.PEER === 'kafka';
  await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }], waitForLeaders: !late });
  if (late) await sleep(2000);
  return topic;
}

async function withAdmin(options, body) {
  const own = kafka.admin(options);
  await own.connect();
  try {
    return await body(own);
  } finally {
    await own.disconnect();
  }
}

async function withProducer(options, body) {
  const producer = kafka.producer(options);
  await producer.connect();
  try {
    return await body(producer);
  } finally {
    await producer.disconnect();
  }
}

const valueOf = i => `value ${i} ${'x'.repeat(i % 200)}`;
const produce = (topic, count, { first = 0, compression = 0, ...options } = {}) =>
  withProducer(options, producer =>
    producer.send({ topic, compression, messages: range(count).map(i => ({ key: `key ${first + i}`, value: valueOf(first + i) })) }));

// A consumer of a group that collects what it gets. owned: the partitions that it has.
async function member(topics, options = {}, runOptions = {}) {
  const consumer = kafka.consumer({ sessionTimeout: 10000, heartbeatInterval: 300, rebalanceTimeout: 10000, maxWaitTimeInMs: 300, ...options });
  const self = { consumer, records: [], owned: [], joins: 0 };
  consumer.on(consumer.events.GROUP_JOIN, event => {
    self.joins++;
    self.owned = Object.entries(event.payload.memberAssignment).flatMap(([topic, list]) => list.map(p => `${topic}/${p}`));
  });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ partition, message }) => { self.records.push({ partition, ...message }); }, ...runOptions });
  self.stop = async () => { await consumer.disconnect(); self.owned = []; };
  return self;
}

async function read(topic, count, options = {}) {
  const reader = await member([topic], { groupId: unique('group'), ...options });
  try {
    await until(() => reader.records.length >= count, 60, () => `${reader.records.length} of ${count} records`);
    await sleep(300);
    assert.strictEqual(reader.records.length, count);
    return reader.records;
  } finally {
    await reader.stop();
  }
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    for (let e = error; e; e = e.cause || e.error || [...(e.errors || []), ...(e.groups || [])][0]) if (e.type) return e.type;
    return error.message;
  }
  return 'no error';
}

for (const [codec, compression] of Object.entries({ none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 })) {
  checks[`codec_${codec}`] = async () => {
    const topic = await newTopic('codec', 3);
    await produce(topic, 1000, { compression });
    const got = new Map((await read(topic, 1000)).map(r => [r.key.toString(), r.value.toString()]));
    assert.strictEqual(got.size, 1000);
    for (const i of range(1000)) assert.strictEqual(got.get(`key ${i}`), valueOf(i));
  };
}

checks.idempotent_order = async () => {
  const topic = await newTopic('order');
  await withProducer({ idempotent: true, maxInFlightRequests: 1 }, async producer => {
    for (const batch of range(20)) await producer.send({ topic, acks: -1, messages: range(50).map(i => ({ value: String(batch * 50 + i) })) });
  });
  assert.deepStrictEqual((await read(topic, 1000)).map(r => r.value.toString()), range(1000).map(String));
};

checks.acks_none_one_all = async () => {
  for (const acks of [0, 1, -1]) {
    const topic = await newTopic('acks');
    await withProducer({}, producer => producer.send({ topic, acks, messages: range(100).map(i => ({ value: String(i) })) }));
    assert.strictEqual((await read(topic, 100)).length, 100);
  }
};

checks.headers_tombstones_timestamps = async () => {
  const topic = await newTopic('parts-of-a-record');
  const messages = [
    { key: 'k', value: null },
    { key: null, value: 'v', headers: { a: ['1', '2'], b: 'x' }, timestamp: '1600000000123' },
    { key: '', value: '' },
  ];
  await withProducer({}, producer => producer.send({ topic, messages }));
  const [tombstone, headers, empty] = await read(topic, 3);
  assert.deepStrictEqual([tombstone.key.toString(), tombstone.value], ['k', null]);
  assert.deepStrictEqual([headers.key, headers.headers.a.map(String), headers.headers.b.toString()], [null, ['1', '2'], 'x']);
  assert.strictEqual(headers.timestamp, '1600000000123');
  assert.deepStrictEqual([empty.key.toString(), empty.value.toString()], ['', '']);
};

checks.send_to_many_topics = async () => {
  const topics = [await newTopic('many', 2), await newTopic('many', 2)];
  await withProducer({}, producer => producer.sendBatch({
    compression: CompressionTypes.GZIP,
    topicMessages: topics.map(topic => ({ topic, messages: range(20).map(i => ({ value: `${i}`, partition: i % 2 })) })),
  }));
  for (const topic of topics) assert.strictEqual((await read(topic, 20)).length, 20);
};

checks.offsets_by_time = async () => {
  const topic = await newTopic('times');
  const start = Date.now() - 100000;
  await withProducer({}, async producer => {
    for (const i of range(10)) await producer.send({ topic, messages: [{ value: 'v', timestamp: String(start + i * 1000) }] });
  });
  assert.strictEqual((await admin.fetchTopicOffsetsByTimestamp(topic, start + 4500))[0].offset, '5');
  const [{ high, low }] = await admin.fetchTopicOffsets(topic);
  assert.deepStrictEqual([low, high], ['0', '10']);
};

checks.commit_seek_pause = async () => {
  const topic = await newTopic('seek'), groupId = unique('group');
  await produce(topic, 100);
  const first = await member([topic], { groupId }, { autoCommit: false });
  await until(() => first.records.length >= 100, 60, () => `${first.records.length} of 100`);
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: '40', metadata: 'why: because' }]);
  first.records.length = 0;
  first.consumer.seek({ topic, partition: 0, offset: '95' });
  await until(() => first.records.length >= 5, 60, () => `${first.records.length} of 5`);
  assert.strictEqual(first.records[0].offset, '95');
  first.consumer.pause([{ topic }]);
  await produce(topic, 5, { first: 100 });
  await sleep(1000);
  assert.strictEqual(first.records.length, 5);
  first.consumer.resume([{ topic }]);
  await until(() => first.records.length >= 10, 60, () => `${first.records.length} of 10`);
  await first.stop();
  const [{ partitions: [committed] }] = await admin.fetchOffsets({ groupId, topics: [topic] });
  assert.deepStrictEqual([committed.offset, committed.metadata], ['40', 'why: because']);
  assert.strictEqual((await read(topic, 65, { groupId }))[0].offset, '40');
};

checks.automatic_commits = async () => {
  const topic = await newTopic('auto'), groupId = unique('group');
  await produce(topic, 50);
  assert.strictEqual((await read(topic, 50, { groupId })).length, 50);
  await produce(topic, 5, { first: 50 });
  assert.strictEqual((await read(topic, 5, { groupId }))[0].offset, '50');
};

checks.rebalance_of_three = async () => {
  const topic = await newTopic('rebalance', 6), groupId = unique('group');
  const members = [await member([topic], { groupId })];
  const shares = () => members.map(m => m.owned.length);
  await until(() => `${shares()}` === '6', 60, shares);
  await produce(topic, 300);
  members.push(await member([topic], { groupId }), await member([topic], { groupId }));
  await until(() => `${shares()}` === '2,2,2', 60, shares);
  assert.strictEqual(new Set(members.flatMap(m => m.owned)).size, 6);
  await produce(topic, 300, { first: 300 });
  await members[1].stop();
  await members[2].stop();
  await until(() => `${shares()}` === '6,0,0', 60, shares);
  const seen = () => new Set(members.flatMap(m => m.records.map(r => r.value.toString()))).size;
  await until(() => seen() === 600, 60, seen);
  await members[0].stop();
};

checks.regex_subscription = async () => {
  const prefix = unique('regex');
  await admin.createTopics({ topics: range(3).map(i => ({ topic: `${prefix}.${i}` })) });
  const one = await member([new RegExp(`^${prefix}[.].*`)], { groupId: unique('group') });
  const topics = () => new Set(one.owned.map(p => p.split('/')[0])).size;
  await until(() => topics() === 3, 60, topics);
  await one.stop();
};

// A client remembers every topic that it was asked about, and asks for all of them each time: once one is deleted, whatever else uses
// that client at the moment fails. So all of this is done by a client of its own.
checks.topics_and_configs = () => withAdmin({}, async admin => {
  const topic = await newTopic('admin', 2, { 'retention.ms': '12345' });
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  const value = async () => (await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }] })).resources[0].configEntries[0].configValue;
  assert.strictEqual(await value(), '12345');
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '54321' }] }] });
  await until(async () => await value() === '54321', 10, () => 'changed');
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  const parts = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length;
  await until(async () => await parts() === 5, 10, () => 'five partitions');
  await withProducer({}, producer => producer.send({ topic, messages: range(50).map(i => ({ value: `${i}`, partition: 3 })) }));
  // Looks for leaders in what its client happens to know: so a client of its own, that has seen the topic as it is now.
  await withAdmin({}, async own => {
    await own.fetchTopicOffsets(topic);
    await own.deleteTopicRecords({ topic, partitions: [{ partition: 3, offset: '10' }] });
  });
  assert.strictEqual((await admin.fetchTopicOffsets(topic)).find(o => o.partition === 3).low, '10');
  assert.strictEqual((await read(topic, 40))[0].offset, '10');
  await admin.deleteTopics({ topics: [topic] });
  await until(async () => !(await admin.listTopics()).includes(topic), 10, () => 'deleted');
  const cluster = await admin.describeCluster();
  assert.ok(cluster.clusterId && cluster.brokers.length === 1 && cluster.controller !== null);
});

checks.groups = async () => {
  const topic = await newTopic('groups'), groupId = unique('group');
  await produce(topic, 10);
  const one = await member([topic], { groupId });
  await until(() => one.records.length === 10, 60, () => `${one.records.length} of 10`);
  const described = async () => (await admin.describeGroups([groupId])).groups[0];
  const stable = await described();
  assert.deepStrictEqual([stable.state, stable.protocolType, stable.members.length], ['Stable', 'consumer', 1]);
  assert.deepStrictEqual(AssignerProtocol.MemberAssignment.decode(stable.members[0].memberAssignment).assignment, { [topic]: [0] });
  assert.ok((await admin.listGroups()).groups.some(g => g.groupId === groupId));
  assert.strictEqual(await errorOf(admin.deleteGroups([groupId])), 'NON_EMPTY_GROUP');
  await one.stop();
  assert.strictEqual((await described()).state, 'Empty');
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '3' }] });
  assert.strictEqual((await read(topic, 7, { groupId }))[0].offset, '3');
  await admin.resetOffsets({ groupId, topic, earliest: true });
  assert.strictEqual((await read(topic, 10, { groupId }))[0].offset, '0');
  await admin.deleteGroups([groupId]);
  assert.strictEqual((await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset, '-1');
};

checks.errors = async () => {
  const topic = await newTopic('errors', 1, { 'max.message.bytes': '20000' });
  const send = message => withProducer({ retry: { retries: 1 } }, producer => producer.send({ topic, messages: [message] }));
  assert.strictEqual(await errorOf(send({ value: 'x'.repeat(30000) })), 'MESSAGE_TOO_LARGE');
  const create = spec => admin.createTopics({ topics: [spec] });
  assert.strictEqual(await create({ topic }), false, 'it exists');
  assert.strictEqual(await errorOf(create({ topic: 'a/b' })), 'INVALID_TOPIC_EXCEPTION');
  assert.strictEqual(await errorOf(create({ topic: unique('bad'), configEntries: [{ name: 'retention.ms', value: 'soon' }] })), 'INVALID_CONFIG');
  assert.strictEqual(await errorOf(admin.createPartitions({ topicPartitions: [{ topic, count: 1 }] })), 'INVALID_PARTITIONS');
  const deletion = withAdmin({ retry: { retries: 0 } }, own => own.deleteTopics({ topics: [unique('missing')], timeout: 1000 }));
  assert.strictEqual(await errorOf(deletion), 'UNKNOWN_TOPIC_OR_PARTITION');
};

async function runOne([name, check]) {
  const start = Date.now();
  const say = (verdict, detail) => console.log(`${verdict.padEnd(7)} ${((Date.now() - start) / 1000).toFixed(1).padStart(6)} s  ${name}  ${detail}`.trimEnd());
  let timer;
  const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`still runs after ${LIMIT_MS / 1000} s`)), LIMIT_MS); });
  try {
    await Promise.race([check(), limit]);
    say('PASS', '');
    return true;
  } catch (error) {
    if (process.env.TRACE) console.error(error);
    say('FAIL', `${error.name}: ${error.message}`.replace(/\s+/g, ' ').slice(0, 400));
    return false;
  } finally {
    clearTimeout(timer);
  }
}

async function main() {
  const pattern = new RegExp(process.argv[2] || '.');
  const chosen = Object.entries(checks).filter(([name]) => pattern.test(name));
  const count = chosen.length;
  if (!count) throw new Error('no check has such a name');
  await admin.connect();
  let failed = 0;
  await Promise.all(range(Number(process.env.AT_ONCE || 4)).map(async () => {
    while (chosen.length) if (!(await runOne(chosen.shift()))) failed++;
  }));
  console.log(`${count - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

main();
