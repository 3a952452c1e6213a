// A process with agents on a bus over NATS: who they are comes on standard output, and each call that a handler begins with.
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { connect } from '@private.me/autogen/nats'

const [, , servers, name = 'writer', seed = '', namespace = 'main', operators = '', inbox = '4'] = process.argv
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const connected = await connect({
  servers: servers.split(','),
  namespace,
  ...(operators !== '' && { operators: operators.split(',') }),
})
if (!connected.ok) throw connected.error
const bus = connected.value
const identityProvider = seed === '' ? undefined : Identity.fromSeed(new Uint8Array(32).fill(Number(seed))).value
const agentOptions = { bus, inbox: { maxMessages: Number(inbox) }, concurrency: 4 }
const agent = new AutoGenxBindAgent({ name, agentOptions, ...(identityProvider && { identityProvider }) })
agent.handle(({ payload, from }) => {
  say({ handled: payload })
  return { echo: payload instanceof Uint8Array ? payload.byteLength : payload, from, pid: process.pid }
})
agent.handle('hang', ({ payload, signal, progress }) => {
  say({ handled: payload })
  progress({ progress: 1, total: 2, message: 'hanging' })
  signal.addEventListener('abort', () => say({ aborted: payload }))
  return new Promise(() => undefined)
})
agent.handle('count', async function* ({ payload }) {
  try {
    for (let n = 0; n < payload.parts; n++) yield payload.bytes ? 'x'.repeat(payload.bytes) : n
  } finally {
    say({ ended: payload.parts })
  }
})
agent.handle('back', async ({ payload }) => {
  const answer = await agent.call(payload, 'from the other side')
  return answer.ok ? answer.value : answer.error.code
})
agent.handle('slow', async ({ payload }) => {
  say({ handled: payload })
  await new Promise((resolve) => setTimeout(resolve, payload.ms))
  return payload.ms
})
process.stdin.on('data', async (command) => {
  if (String(command).startsWith('close')) {
    agent.close()
    process.stdin.destroy() // nothing else keeps this process
  }
  if (String(command).startsWith('drain')) {
    await bus.drain()
    say({ drained: bus.status })
  }
})
process.stdin.unref()
say({ did: agent.getDID(), pid: process.pid })
