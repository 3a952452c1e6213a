// Mail for an agent that is not always there: node examples/nats/mail.mjs starts a nats-server and a writer that reads a letter
// and is killed, writes to it while it is away, and starts it again, twice.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { AutoGenxBindAgent } from '@private.me/autogen'
import { connect } from '@private.me/autogen/nats'
import { started } from './server.mjs'

const valueOf = (result) => (result.ok ? result.value : assert.fail(result.error))
const soon = () => new Promise((resolve) => setTimeout(resolve, 50))

if (process.send) {
  process.once('disconnect', () => process.exit()) // until then it is kept: waiting for mail alone keeps no process
  const [, , servers, key] = process.argv
  const bus = valueOf(await connect({ servers }))
  const writer = valueOf(
    await AutoGenxBindAgent.fromIdentity(Buffer.from(key, 'base64'), { name: 'writer', agentOptions: { bus } }),
  )
  valueOf(await bus.mailbox(writer, { retainSeconds: 3600 }))
  for await (const { from, payload } of writer.messages()) process.send({ from, payload })
} else {
  const { servers, stop } = await started()
  const bus = valueOf(await connect({ servers }))
  const editor = new AutoGenxBindAgent({ name: 'editor', agentOptions: { bus } })
  const key = Buffer.from(valueOf(await new AutoGenxBindAgent().exportIdentity())).toString('base64')
  const isThere = () => bus.agents().some(({ name }) => name === 'writer')

  /** Starts the writer, and gives it so much time as it needs to read these. */
  const reads = async (...expected) => {
    const writer = fork(new URL(import.meta.url).pathname, [servers, key])
    const read = []
    writer.on('message', (letter) => read.push(letter))
    while (!isThere()) await soon()
    if (expected.length === 0) await send('here', 'delivered')
    while (read.length < Math.max(expected.length, 1)) await soon()
    writer.kill('SIGKILL')
    while (isThere()) await soon()
    return read
  }
  const send = async (payload, status) => assert.equal(valueOf(await editor.send('writer', payload)).status, status)

  const [first] = await reads()
  assert.deepEqual(first, { from: editor.getDID(), payload: 'here' })
  console.log('the writer is there   delivered, and signed for')

  for (const payload of ['one', 'two', 'three']) await send(payload, 'kept')
  assert.equal((await editor.call('writer', 'four')).error.code, 'AGENT_NOT_FOUND')
  console.log('it was killed         kept, three times; nobody answers calls')

  const letters = await reads('one', 'two', 'three')
  assert.deepEqual(
    letters.map(({ payload }) => payload),
    ['one', 'two', 'three'],
  )
  assert.ok(letters.every(({ from }) => from === editor.getDID()))
  console.log('it is back            reads all three, in their order')

  await send('five', 'kept')
  assert.deepEqual(
    (await reads('five')).map(({ payload }) => payload),
    ['five'],
  )
  console.log('once more             what was read does not come again')

  await bus.drain()
  await stop()
  console.log('All as expected.')
}
