// The agent in Node.js of main.py, which starts it: it answers over HTTP, and asks the agent in Python for what it needs.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { AutoGenxBindAgent } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'

const writer = new AutoGenxBindAgent({ name: 'writer' })
writer.handle('summarise', async ({ payload }) => {
  const source = await writer.call(payload.library, payload.topic, { method: 'look_up' })
  if (!source.ok) throw source.error
  const pages = []
  for await (const page of writer.stream(payload.library, payload.topic, { method: 'pages' })) pages.push(page)
  return `${String(source.value)} (${pages.join(', ')})`
})
writer.handle('spell', async function* ({ payload }) {
  yield* payload
})
writer.handle('ponder', ({ signal, progress }) => {
  progress({ message: 'pondering' })
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
})

const server = createServer(serveAgents([writer], { path: '/agents' })).listen(0, '127.0.0.1')
await once(server, 'listening')
console.log(JSON.stringify({ did: writer.getDID(), url: `http://127.0.0.1:${server.address().port}/agents` }))
process.stdin.resume().on('end', () => process.exit()) // when whoever started it has gone
