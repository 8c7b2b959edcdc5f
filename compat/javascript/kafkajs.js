// kafkajs, with node's zstd and the snappy and lz4 of wasm-utils as its codecs. The contract is in compat/README.md.
'use strict'
const zlib = require('node:zlib')
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const snappyCodec = require('kafkajs-snappy')
const { lz4Compress, lz4Decompress } = require('@platformatic/wasm-utils')
const contract = require('./contract.js')
const { COUNT, NotApplicable, PARTITIONS, Reader } = contract

CompressionCodecs[CompressionTypes.Snappy] = snappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => Buffer.from(lz4Compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(lz4Decompress(buffer))
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => zlib.zstdCompressSync(encoder.buffer),
  decompress: async buffer => zlib.zstdDecompressSync(buffer)
})
const TYPES = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }

class KafkaJs {
  constructor (bootstrap, name) {
    this.name = name
    this.kafka = new Kafka({ brokers: bootstrap.split(','), clientId: 'compat', logLevel: logLevel.NOTHING })
  }

  version () {
    return require('kafkajs/package.json').version
  }

  async admin (action) {
    const admin = this.kafka.admin()
    await admin.connect()
    try {
      return await action(admin)
    } finally {
      await admin.disconnect()
    }
  }

  async create () {
    const configEntries = [{ name: 'max.message.bytes', value: '2097152' }, { name: 'retention.ms', value: '-1' }]
    const topics = contract.CODECS.map(codec => ({ topic: `${this.name}.${codec}`, numPartitions: PARTITIONS, replicationFactor: contract.REPLICATION, configEntries }))
    await this.admin(admin => admin.createTopics({ topics, timeout: 30000, waitForLeaders: true }))
    return `${topics.length} topics`
  }

  async produce (codec) {
    const producer = this.kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const next = Array(PARTITIONS).fill(0)
    for (let start = 0; start < COUNT; start += 500) {
      const messages = Array.from({ length: Math.min(500, COUNT - start) }, (_, at) => this.message(start + at))
      const answers = await producer.send({ topic: `${this.name}.${codec}`, acks: -1, compression: CompressionTypes[TYPES[codec]], messages })
      for (const { partition, baseOffset } of answers) {
        if (Number(baseOffset) !== next[partition]) throw new Error(`partition ${partition} got offset ${baseOffset}`)
        next[partition] += messages.filter(message => message.partition === partition).length
      }
    }
    await producer.disconnect()
    return `${COUNT} records`
  }

  message (i) {
    const headers = {}
    for (const [name, value] of contract.headers(i)) headers[name] = name in headers ? [headers[name], value] : value
    return { key: contract.key(i), value: contract.value(i), partition: i % PARTITIONS, timestamp: String(contract.timestamp(i)), headers }
  }

  // kafkajs reads only as a member of a group.
  async compare (topic, start, expected) {
    const groupId = `${topic}.reader.${start}.${process.pid}`
    const consumer = this.kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const reader = new Reader(expected, start)
    try {
      const done = new Promise((resolve, reject) => {
        const eachBatch = async ({ batch }) => {
          try {
            for (const message of batch.messages) this.take(reader, batch.partition, message, start)
            if (!reader.unfinished()) resolve()
          } catch (error) {
            reject(error)
          }
        }
        consumer.run({ autoCommit: false, eachBatch }).catch(reject)
        if (start > 0) for (let partition = 0; partition < PARTITIONS; partition++) consumer.seek({ topic, partition, offset: String(start) })
      })
      await contract.within(60, done, () => `only ${reader.seen} of ${expected} records`)
      for (const { partition, high } of await this.admin(admin => admin.fetchTopicOffsets(topic))) {
        if (Number(high) !== reader.next[partition]) throw new Error(`partition ${partition} ends at ${high}`)
      }
    } finally {
      await consumer.disconnect()
    }
  }

  take (reader, partition, message, start) {
    if (Number(message.offset) < start) throw new Error(`offset ${message.offset} before ${start}`)
    const headers = Object.entries(message.headers || {}).flatMap(([name, values]) => [values].flat().map(value => [name, value]))
    reader.take(partition, Number(message.offset), Number(message.timestamp), message.key, message.value, headers)
  }

  async offsetsAt (topic, timestamp) {
    const found = await this.admin(admin => admin.fetchTopicOffsetsByTimestamp(topic, timestamp))
    return new Map(found.map(({ partition, offset }) => [partition, Number(offset)]))
  }

  async error (error) {
    const [type, action] = {
      'unknown-topic': ['UNKNOWN_TOPIC_OR_PARTITION', () => this.admin(admin => admin.deleteTopics({ topics: [`${this.name}.nowhere`] }))],
      'invalid-topic': ['INVALID_TOPIC_EXCEPTION', () => this.admin(admin => admin.createTopics({ topics: [{ topic: 'not a name!' }] }))],
      'too-large': ['MESSAGE_TOO_LARGE', () => this.tooLarge()],
      'out-of-range': ['', () => { throw new NotApplicable('goes to the nearest offset by itself') }],
      'stale-generation': ['', () => { throw new NotApplicable('rejoins by itself') }]
    }[error]
    try {
      await action()
    } catch (raised) {
      const causes = [raised, raised.cause, ...(raised.errors || [])]
      if (causes.some(cause => cause?.type === type)) return type
      throw raised
    }
    throw new Error('no error')
  }

  async tooLarge () {
    const topic = `${this.name}.small`
    const configEntries = [{ name: 'max.message.bytes', value: '1000' }]
    await this.admin(admin => admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: true }))
    const producer = this.kafka.producer({ retry: { retries: 0 } })
    await producer.connect()
    try {
      await producer.send({ topic, messages: [{ value: Buffer.alloc(10000) }] })
    } finally {
      await producer.disconnect()
    }
  }

  async flow (topic) {
    const producer = this.kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    // Of a send to several leaders it never sends again what a dead one had when those who lead then have answered: one partition a send.
    const count = await contract.pace(numbers => producer.send({
      topic, acks: -1, messages: numbers.map(number => ({ partition: (numbers[0] / numbers.length) % 8, value: String(number) }))
    }))
    await producer.disconnect()
    console.log(`sent\t${count}`)
  }

  async member (groupId, topic, count) {
    const consumers = []
    for (let at = 0; at < Number(count); at++) {
      const consumer = this.kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200, rebalanceTimeout: 10000 })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      consumers.push(consumer)
      const eachBatch = async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary }) => {
        contract.got(batch.messages.map(message => [batch.partition, message.offset, message.value.toString()]))
        resolveOffset(batch.lastOffset())
        await heartbeat()
      }
      await consumer.run({ autoCommit: true, autoCommitInterval: 200, eachBatch })
    }
    await contract.endOfInput()
    await Promise.all(consumers.map(consumer => consumer.disconnect()))
  }

  async committed (groupId, topic) {
    const answers = await this.admin(admin => admin.fetchOffsets({ groupId, topics: [topic] }))
    for (const { partition, offset } of answers[0].partitions) console.log(`committed\t${partition}\t${offset}`)
  }
}

contract.run(KafkaJs, 'kafkajs')
