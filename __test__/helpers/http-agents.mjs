// A process with agents over HTTP: its port and its URL come on standard output, and each call that a handler begins with. With
// the port of a store (helpers/store.mjs) it shares its replay window.
import { createServer } from 'node:http'
import { Worker } from 'node:worker_threads'
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { storeAt } from './store.mjs'

const [, , port = '0', seed = '7', workers = '0', store = ''] = process.argv
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const bus = Number(workers) > 0 ? MessageBus.shared('pool') : new MessageBus()
const identity = Identity.fromSeed(new Uint8Array(32).fill(Number(seed))).value
const agent = new AutoGenxBindAgent({ name: 'callee', identityProvider: identity, agentOptions: { bus } })
agent.handle(({ payload, from }) => {
  say({ handled: payload })
  return { echo: payload, from }
})
agent.handle('hang', ({ payload, signal }) => {
  say({ handled: payload })
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
agent.handle('memory', async () => {
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20)) // what was collected gives its native memory back in a turn of its own
  }
  return process.memoryUsage().rss
})

const dids = []
for (let at = 0; at < Number(workers); at++) {
  const code = `
    const { AutoGenxBindAgent, MessageBus } = require('@private.me/autogen')
    const { parentPort, threadId } = require('node:worker_threads')
    const agent = new AutoGenxBindAgent({ agentOptions: { bus: MessageBus.shared('pool') } })
    agent.handle(({ payload }) => ({ thread: threadId, payload }))
    parentPort.on('message', () => {})
    parentPort.postMessage(agent.getDID())`
  const worker = new Worker(code, { eval: true })
  dids.push(await new Promise((resolve) => worker.once('message', resolve)))
}
const options = { path: '/agents', ...(store !== '' && { window: storeAt(Number(store)) }) }
const server = createServer(serveAgents(Number(workers) > 0 ? bus : [agent], options))
server.listen(Number(port), '127.0.0.1', () => {
  say({ url: `http://127.0.0.1:${server.address().port}/agents`, did: agent.getDID(), dids })
})
