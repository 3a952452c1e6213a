// The openai client, and a server of its shape that asks for a signature instead of a key. Run it: node examples/clients/openai/index.mjs
import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { Identity } from '@private.me/autogen'
import { createFetch } from '@private.me/autogen/http'
import { issueToken } from '@private.me/autogen/tokens'
import { changing, refused, serve, show, valueOf } from '../server.mjs'

const [operator, assistant, stranger] = [Identity.generate(), Identity.generate(), Identity.generate()]
const token = valueOf(issueToken(operator, { subject: assistant.did, audience: 'models', scopes: ['model.small'] }))

/** A gateway before a model: it knows who asks, and for which models he may. */
const askedBy = []
let busy = 0
async function complete({ from, scopes }, request) {
  const { model, stream, messages } = await request.json()
  askedBy.push(from)
  if (busy-- > 0) return Response.json({ error: { message: 'busy' } }, { status: 503 })
  if (!scopes.includes(`model.${model}`)) return Response.json({ error: { message: 'SCOPE_DENIED' } }, { status: 403 })
  const words = `You said: ${messages.at(-1).content}`.split(/(?<= )/)
  const chunk = (choice) => ({ id: '1', created: 1, model, choices: [{ index: 0, finish_reason: null, ...choice }] })
  if (!stream) return Response.json(chunk({ message: { role: 'assistant', content: words.join('') } }))
  const events = words.map((content) => JSON.stringify(chunk({ delta: { content } })))
  const text = [...events, '[DONE]'].map((event) => `data: ${event}\n\n`)
  return new Response(ReadableStream.from(text.map((line) => Buffer.from(line))), {
    headers: { 'content-type': 'text/event-stream' },
  })
}

const server = await serve({ trust: [operator.did], audience: 'models' }, complete)

// The client wants an API key; nobody looks at it, so it is no secret.
const clientOf = (send, options) =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', fetch: send, maxRetries: 0, ...options })
const question = { model: 'small', messages: [{ role: 'user', content: 'hello from an agent' }] }
const ask = (client, more) => client.chat.completions.create({ ...question, ...more })

console.log('The client signs, and the gateway knows whose tokens are spent')
const client = clientOf(createFetch(assistant, { token }))
const { content } = (await ask(client)).choices[0].message
show('  answered', content)
assert.equal(content, 'You said: hello from an agent')
assert.deepEqual(askedBy, [assistant.did])

console.log('An answer comes in parts, as it is made')
const parts = []
for await (const { choices } of await ask(client, { stream: true })) parts.push(choices[0].delta.content)
show('  parts', parts.length)
assert.deepEqual(parts, ['You ', 'said: ', 'hello ', 'from ', 'an ', 'agent'])

console.log('The client tries again when the server is busy: each attempt is a signature of its own')
askedBy.length = 0
busy = 2
await ask(clientOf(createFetch(assistant, { token }), { maxRetries: 2 }))
show('  attempts', askedBy.length)
assert.equal(askedBy.length, 3)

console.log('Nobody else gets in')
await refused('unsigned', 'INVALID_SIGNATURE', ask(clientOf(fetch)))
await refused('signed, without a token', 'SCOPE_DENIED', ask(clientOf(createFetch(assistant))))
await refused("somebody else's token", 'INVALID_TOKEN', ask(clientOf(createFetch(stranger, { token }))))
await refused('another model', 'SCOPE_DENIED', ask(client, { model: 'large' }))
const swapped = changing((text) => text.replace('"small"', '"large"'))
const tampered = clientOf(createFetch(assistant, { token, fetch: swapped }))
await refused('a changed body', 'INVALID_SIGNATURE', ask(tampered))

server.close()
console.log('\nAll as expected.')
