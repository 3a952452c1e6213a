// Two processes whose agents call each other over HTTP, and one that dies. Run it: node examples/http-agents/index.mjs
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { AutoGenxBindAgent } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'

const valueOf = (result) => (result.ok ? result.value : assert.fail(result.error))
const serve = async (agent) => {
  const server = createServer(serveAgents([agent], { path: '/agents' })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, place: { did: agent.getDID(), url: `http://127.0.0.1:${server.address().port}/agents` } }
}

if (process.send) {
  const writer = new AutoGenxBindAgent({ name: 'writer' })
  writer.handle('summarise', async ({ payload }) => {
    const source = valueOf(await writer.call(payload.library, payload.topic, { method: 'look-up' }))
    return `${payload.topic}: ${source}`
  })
  writer.handle('spell', async function* ({ payload }) {
    yield* payload
  })
  writer.handle('ponder', () => new Promise(() => process.send('pondering')))
  process.send((await serve(writer)).place)
} else {
  const child = fork(new URL(import.meta.url).pathname)
  const [writer] = await once(child, 'message')
  const librarian = new AutoGenxBindAgent({ name: 'librarian' })
  librarian.handle('look-up', ({ payload }) => `all that is known of ${String(payload)}`)
  const { server, place: library } = await serve(librarian)

  const summary = valueOf(await librarian.call(writer, { topic: 'keys', library }, { method: 'summarise' }))
  assert.equal(summary, 'keys: all that is known of keys')
  console.log('there and back    ', summary)

  const letters = []
  for await (const letter of librarian.stream(writer, 'DID', { method: 'spell' })) letters.push(letter)
  assert.deepEqual(letters, ['D', 'I', 'D'])
  console.log('in parts          ', letters.join(' '))

  const pondering = librarian.call(writer, null, { method: 'ponder' })
  await once(child, 'message')
  child.kill('SIGKILL')
  const { error } = await pondering
  assert.deepEqual([error.code, error.handled], ['AGENT_CLOSED', 'unknown'])
  console.log('killed at work    ', error.code, '- did it run?', error.handled)

  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit') // until then its port takes connections
  const { error: gone } = await librarian.call(writer, null, { method: 'ponder' })
  assert.deepEqual([gone.code, gone.handled], ['AGENT_NOT_FOUND', 'no'])
  console.log('called once more  ', gone.code, '- did it run?', gone.handled)
  server.closeAllConnections()
  server.close()
  librarian.close()
  console.log('All as expected.')
}
