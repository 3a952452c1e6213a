// The agent in Node.js of over_nats.py, which starts it: it answers over NATS, and asks the agent in Python for what it needs.
import { AutoGenxBindAgent } from '@private.me/autogen'
import { connect } from '@private.me/autogen/nats'

const connected = await connect({ servers: process.argv[2] })
if (!connected.ok) throw connected.error
const bus = connected.value
const writer = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus } })
writer.handle('summarise', async ({ payload }) => {
  const source = await writer.call('librarian', payload, { method: 'look_up' })
  if (!source.ok) throw source.error
  const pages = []
  for await (const page of writer.stream('librarian', payload, { method: 'pages' })) pages.push(page)
  return `${String(source.value)} (${pages.join(', ')})`
})
writer.handle('spell', async function* ({ payload }) {
  yield* payload
})
process.stdin.resume().on('end', () => void bus.drain()) // when whoever started it has gone
