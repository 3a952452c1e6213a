/* oxlint-disable unicorn/require-post-message-target-origin -- threads have no origins */
// A worker thread with one agent on a shared bus; it calls whom it is told to call.
import { parentPort, workerData } from 'node:worker_threads'
import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'

const { bus: busName, name, handler, ownBus } = workerData
const agentOptions = ownBus ? {} : { bus: MessageBus.shared(busName) }
const agent = new AutoGenxBindAgent({ name, agentOptions })

const handlers = {
  echo: ({ payload }) => payload,
  from: ({ from }) => from,
  stuck: () => new Promise(() => {}),
  exit: () => process.exit(3),
  // Tells the thread that started this one when the call begins, and when its signal aborts.
  watch: ({ signal }) =>
    new Promise(() => {
      signal.addEventListener('abort', () => parentPort.postMessage({ event: 'aborted' }))
      parentPort.postMessage({ event: 'started' })
    }),
  block: () => {
    parentPort.postMessage({ event: 'started' })
    Atomics.wait(new Int32Array(workerData.lock), 0, 0)
    return 'unblocked'
  },
}
if (handler) agent.handle(handlers[handler])

parentPort.on('message', async ({ id, to, payload, count = 1 }) => {
  const results = await Promise.all(Array.from({ length: count }, () => agent.call(to, payload)))
  const plain = results.map((result) =>
    result.ok ? { ok: true, value: result.value } : { ok: false, code: result.error.code },
  )
  parentPort.postMessage({ id, results: plain })
})
if (workerData.receive) {
  for await (const { payload } of agent.messages()) parentPort.postMessage({ event: 'received', payload })
}
parentPort.postMessage({ event: 'ready', did: agent.getDID() })
