// What the JavaScript programs share: record i of compat/README.md, the loop over checks, the end of input.
'use strict'
const crypto = require('node:crypto')

const COUNT = Number(process.env.COMPAT_RECORDS || 10000)
const PARTITIONS = 3
const REPLICATION = Number(process.env.COMPAT_REPLICATION || 1)
const BIG = 1040000
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

class NotApplicable extends Error {}

const sha = text => crypto.createHash('sha256').update(text).digest()
const timestamp = i => 1700000000000 + 1000 * i

function key (i) {
  if (i % 5 === 0 && i % 11 !== 0) return null
  return i % 17 === 0 ? Buffer.alloc(0) : Buffer.from(`key-${i % 97}`)
}

function value (i) {
  if (i % 11 === 0) return null
  if (i % 13 === 0) return Buffer.alloc(0)
  const size = i % 2500 === 1249 ? BIG : (7919 * i) % 301
  const value = Buffer.alloc(size)
  for (let at = 0, k = 0; at < size; at += 32, k++) sha(`${i}:${k * (i % 2)}`).copy(value, at)
  return value
}

function headers (i) {
  const headers = []
  for (let j = 0; j < i % 4; j++) headers.push([`h${Math.floor(j / 2)}`, Buffer.from(`v${i}-${j}`)])
  return headers
}

const expectedOffset = (partition, target) => Math.floor((target - partition + PARTITIONS - 1) / PARTITIONS)

const same = (a, b) => (a === null || b === null ? a === b : a.equals(b))

// Counts and compares what is read: every record must be the next one of its partition.
class Reader {
  constructor (expected, start = 0) {
    this.expected = expected
    this.next = Array(PARTITIONS).fill(start)
    this.seen = 0
  }

  unfinished () {
    return this.seen < this.expected
  }

  // gotHeaders: pairs of name and Buffer.
  take (partition, offset, at, gotKey, gotValue, gotHeaders) {
    if (offset !== this.next[partition]) throw new Error(`partition ${partition}: expected offset ${this.next[partition]}, got ${offset}`)
    const i = offset * PARTITIONS + partition
    const where = `${partition}@${offset}`
    if (!same(key(i), gotKey ?? null)) throw new Error(`key of ${where}: ${gotKey}`)
    if (!same(value(i), gotValue ?? null)) throw new Error(`value of ${where}: ${gotValue?.length} bytes`)
    if (at !== timestamp(i)) throw new Error(`timestamp of ${where}: ${at}`)
    const text = pairs => JSON.stringify(pairs.map(([name, bytes]) => [name, bytes.toString('latin1')]))
    if (text(headers(i)) !== text(gotHeaders)) throw new Error(`headers of ${where}: ${text(gotHeaders)}`)
    this.next[partition]++
    this.seen++
  }
}

// Rejects after that long, so that nothing waits for ever.
function within (seconds, promise, what) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()} after ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const endOfInput = () => new Promise(resolve => process.stdin.on('end', resolve).resume())

// Calls send with the numbers from 0 on, ten at a time, about 500 a second, until the end of input.
async function pace (send) {
  let stopping = false
  endOfInput().then(() => { stopping = true })
  let count = 0
  while (!stopping) {
    const numbers = Array.from({ length: 10 }, (_, at) => count + at)
    await send(numbers)
    count += 10
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return count
}

function got (rows) {
  process.stdout.write(rows.map(([partition, offset, value]) => `got\t${partition}\t${offset}\t${value}\n`).join(''))
}

async function one (client, check) {
  const [what, rest] = check.split(/\.(.*)/)
  if (what === 'read') {
    const [codec, other] = rest.split('@')
    await client.compare(`${other || client.name}.${codec}`, 0, COUNT)
    return `${COUNT} records`
  }
  if (what === 'offset') {
    const start = Math.floor(COUNT / 10)
    await client.compare(`${client.name}.none`, start, COUNT - start * PARTITIONS)
    return `from offset ${start}`
  }
  if (what === 'time') {
    const target = Math.floor(COUNT / 2)
    const found = await client.offsetsAt(`${client.name}.none`, timestamp(target))
    for (let p = 0; p < PARTITIONS; p++) {
      if (found.get(p) !== expectedOffset(p, target)) throw new Error(`partition ${p}: ${found.get(p)}`)
    }
    return `offsets of record ${target}`
  }
  if (what === 'produce') return await client.produce(rest)
  if (what === 'error') return await client.error(rest)
  return await client[what]()
}

async function run (Client, defaultName) {
  const [bootstrap, first, ...rest] = process.argv.slice(2)
  const client = new Client(bootstrap, process.env.COMPAT_NAME || defaultName)
  if (['flow', 'member', 'committed'].includes(first)) {
    await client[first](...rest)
    process.exit(0)
  }
  let failures = 0
  for (const check of [first, ...rest]) {
    let result = 'ok'
    let detail
    try {
      detail = await within(120, one(client, check), () => 'nothing')
    } catch (error) {
      result = error instanceof NotApplicable ? 'n/a' : 'fail'
      if (result === 'fail') failures++
      detail = `${error.name}: ${error.message}`
      if (result === 'n/a') detail = error.message
    }
    console.log([check, result, String(detail).replace(/\s+/g, ' ')].join('\t'))
  }
  process.exit(failures === 0 ? 0 : 1)
}

module.exports = {
  CODECS, COUNT, NotApplicable, PARTITIONS, REPLICATION, Reader, endOfInput, got, headers, key, pace, run, timestamp, value, within
}
