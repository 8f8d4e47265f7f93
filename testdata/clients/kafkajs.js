// KafkaJS against a broker. usage: node kafkajs.js BOOTSTRAP PREFIX
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
const LZ4 = require('kafkajs-lz4')
CompressionCodecs[CompressionTypes.LZ4] = new LZ4().codec

const [bootstrap, prefix] = process.argv.slice(2)
const topic = prefix + '-topic'
const N = 40
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrap], logLevel: logLevel.ERROR })

async function main () {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: true })
  const sent = new Set()
  for (const [name, compression] of Object.entries({ none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4 })) {
    for (const idempotent of [false, true]) {
      const producer = kafka.producer({ idempotent })
      await producer.connect()
      const messages = []
      for (let i = 0; i < N; i++) {
        const value = `${name}-${idempotent}-${i}`.repeat(20)
        messages.push({ key: String(i), value, headers: { h: 'x' } })
        sent.add(value)
      }
      await producer.send({ topic, acks: -1, compression, messages })
      await producer.disconnect()
    }
    console.log('OK produce', name)
  }
  for (const members of [1, 2, 3]) {
    const groupId = `${prefix}-group-${members}`
    const got = new Set()
    let finish
    const done = new Promise(resolve => { finish = resolve })
    const consumers = []
    for (let m = 0; m < members; m++) {
      const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500 })
      consumers.push(consumer)
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({
        autoCommitThreshold: 10,
        eachMessage: async ({ message }) => {
          got.add(message.value.toString())
          if (got.size === sent.size) finish()
        }
      })
    }
    const timer = setTimeout(() => { console.error('only', got.size, 'of', sent.size); process.exit(1) }, 90000)
    await done
    clearTimeout(timer)
    await Promise.all(consumers.map(c => c.stop()))
    await Promise.all(consumers.map(c => c.disconnect()))
    console.log('OK group of', members)
  }
  const offsets = await admin.fetchTopicOffsets(topic)
  const end = offsets.reduce((n, p) => n + Number(p.high), 0)
  if (end !== sent.size) throw new Error(`end offsets add up to ${end}, not ${sent.size}`)
  const groups = (await admin.listGroups()).groups.map(g => g.groupId)
  if (!groups.includes(`${prefix}-group-1`)) throw new Error('group missing in ' + groups)
  await admin.describeGroups([`${prefix}-group-1`])
  await admin.deleteGroups([`${prefix}-group-1`])
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  console.log('OK admin')
}

main().then(() => process.exit(0), e => { console.error(e); process.exit(1) })
