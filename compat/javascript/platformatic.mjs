// @platformatic/kafka. The contract is in compat/README.md.
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Admin, Consumer, Producer } from '@platformatic/kafka'
import contract from './contract.js'

const { COUNT, NotApplicable, PARTITIONS, Reader } = contract
const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)

// Its stream also hands out what it fetched before a rebalance gave the partition away: a commit of that would put the new owner's back.
async function owns (consumer, partition) {
  while (!consumer.isActive()) await setTimeout(5)
  return consumer.assignments?.some(({ partitions }) => partitions.includes(partition))
}

class Platformatic {
  constructor (bootstrap, name) {
    this.name = name
    this.options = { clientId: 'compat', bootstrapBrokers: bootstrap.split(','), timeout: 30000 }
  }

  version () {
    return JSON.parse(readFileSync(new URL('node_modules/@platformatic/kafka/package.json', import.meta.url))).version
  }

  async with (client, action) {
    try {
      return await action(client)
    } finally {
      // Only a consumer can be told to close while its streams are open.
      await (client instanceof Consumer ? client.close(true) : client.close())
    }
  }

  admin (action) {
    return this.with(new Admin(this.options), action)
  }

  createTopics (topics, count, maxBytes) {
    const configs = [{ name: 'max.message.bytes', value: maxBytes }, { name: 'retention.ms', value: '-1' }]
    return this.admin(admin => admin.createTopics({ topics, partitions: count, replicas: contract.REPLICATION, configs }))
  }

  async create () {
    const topics = contract.CODECS.map(codec => `${this.name}.${codec}`)
    await this.createTopics(topics, PARTITIONS, '2097152')
    return `${topics.length} topics`
  }

  async produce (codec) {
    await this.with(new Producer({ ...this.options, idempotent: true }), async producer => {
      for (let start = 0; start < COUNT; start += 500) {
        const messages = Array.from({ length: Math.min(500, COUNT - start) }, (_, at) => this.message(`${this.name}.${codec}`, start + at))
        await producer.send({ messages, compression: codec, acks: -1 })
      }
    })
    return `${COUNT} records`
  }

  message (topic, i) {
    // Buffers as the map's names: two headers of one name are two entries.
    const headers = new Map(contract.headers(i).map(([name, value]) => [Buffer.from(name), value]))
    const key = contract.key(i) ?? undefined
    const value = contract.value(i) ?? undefined
    return { topic, partition: i % PARTITIONS, key, value, headers, timestamp: BigInt(contract.timestamp(i)) }
  }

  consumer (settings) {
    return new Consumer({ ...this.options, groupId: `${this.name}.reader.${process.pid}.${Math.random()}`, autocommit: false, maxWaitTime: 200, ...settings })
  }

  async compare (topic, start, expected) {
    await this.with(this.consumer(), async consumer => {
      const offsets = partitions.map(partition => ({ topic, partition, offset: BigInt(start) }))
      const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets })
      const reader = new Reader(expected, start)
      const reading = async () => {
        for await (const message of stream) {
          const headers = message.headerEntries.map(([name, value]) => [name.toString(), value])
          reader.take(message.partition, Number(message.offset), Number(message.timestamp), message.key, message.value, headers)
          if (!reader.unfinished()) break
        }
      }
      await contract.within(60, reading(), () => `only ${reader.seen} of ${expected} records`)
      const ends = await consumer.listOffsets({ topics: [topic], timestamp: -1n })
      ends.get(topic).forEach((end, partition) => {
        if (Number(end) !== reader.next[partition]) throw new Error(`partition ${partition} ends at ${end}`)
      })
    })
  }

  async offsetsAt (topic, timestamp) {
    return await this.with(this.consumer(), async consumer => {
      const found = await consumer.listOffsets({ topics: [topic], timestamp: BigInt(timestamp) })
      return new Map(found.get(topic).map((offset, partition) => [partition, Number(offset)]))
    })
  }

  async error (error) {
    const [id, action] = {
      'unknown-topic': ['UNKNOWN_TOPIC_OR_PARTITION', () => this.admin(admin => admin.deleteTopics({ topics: [`${this.name}.nowhere`] }))],
      'invalid-topic': ['INVALID_TOPIC_EXCEPTION', () => this.createTopics(['not a name!'], 1, '1000')],
      'too-large': ['MESSAGE_TOO_LARGE', () => this.tooLarge()],
      'out-of-range': ['', () => { throw new NotApplicable('its stream waits, and does not tell') }],
      'stale-generation': ['', () => { throw new NotApplicable('rejoins by itself') }]
    }[error]
    try {
      await action()
    } catch (raised) {
      if (raised instanceof NotApplicable) throw raised
      for (const pending = [raised]; pending.length > 0;) {
        const cause = pending.pop()
        if (cause?.apiId === id) return id
        pending.push(...(cause?.errors ?? []), ...(cause?.cause ? [cause.cause] : []))
      }
      throw raised
    }
    throw new Error('no error')
  }

  async tooLarge () {
    const topic = `${this.name}.small`
    await this.createTopics([topic], 1, '1000')
    const producer = new Producer({ ...this.options, retries: 0 })
    await this.with(producer, () => producer.send({ messages: [{ topic, value: Buffer.alloc(10000) }], acks: -1 }))
  }

  async flow (topic) {
    await this.with(new Producer({ ...this.options, idempotent: true }), async producer => {
      const count = await contract.pace(numbers => producer.send({
        messages: numbers.map(number => ({ topic, partition: number % 8, value: Buffer.from(String(number)) })), acks: -1
      }))
      console.log(`sent\t${count}`)
    })
  }

  async member (groupId, topic, count) {
    const settings = { groupId, sessionTimeout: 6000, rebalanceTimeout: 10000, heartbeatInterval: 500 }
    const members = Array.from({ length: Number(count) }, () => this.consumer(settings))
    const committing = new Map()
    let stopping = false
    const reading = async consumer => {
      const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
      for await (const message of stream) {
        // To leave the loop would end the stream with an error, which the closing of its consumer passes on.
        if (!await owns(consumer, message.partition) || stopping) continue
        contract.got([[message.partition, message.offset, message.value]])
        const commit = Promise.resolve(message.commit()).catch(error => {
          // A rebalance came between: another member gets this record again.
          console.error(error.message)
        })
        committing.set(consumer, commit)
        await commit
      }
    }
    for (const member of members) {
      reading(member).catch(error => {
        console.error(error)
        process.exit(1)
      })
    }
    await contract.endOfInput()
    stopping = true
    // What was printed is committed before the connection goes.
    await Promise.all(committing.values())
    await Promise.all(members.map(member => member.close(true)))
  }

  async committed (groupId, topic, count) {
    const asked = Array.from({ length: Number(count) }, (_, partition) => partition)
    await this.admin(async admin => {
      const groups = await admin.listConsumerGroupOffsets({ groups: [{ groupId, topics: [{ name: topic, partitionIndexes: asked }] }] })
      for (const { partitionIndex, committedOffset } of groups[0].topics[0].partitions) console.log(`committed\t${partitionIndex}\t${committedOffset}`)
    })
  }
}

contract.run(Platformatic, 'platformatic')
