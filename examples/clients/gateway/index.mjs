// Four agents who use models for somebody, with the clients of OpenAI and Anthropic, through a gateway that knows who asks, for
// whom, and what is left to spend; then what is on record of it. Run it: node examples/clients/gateway/index.mjs
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import Anthropic, { PaymentRequiredError, PermissionDeniedError as Forbidden } from '@anthropic-ai/sdk'
import OpenAI, { APIError, AuthenticationError, NotFoundError, PermissionDeniedError } from 'openai'
import { Identity } from '@private.me/autogen'
import { createFetch } from '@private.me/autogen/http'
import { verifyAudit } from '@private.me/autogen/record'
import { delegateToken } from '@private.me/autogen/tokens'
import { changing, show, valueOf } from '../server.mjs'
import { authority, endless, gateway, issuer, models } from './around.mjs'

const KEY = 'the-key-of-the-servers'
const users = await issuer()
const issued = await authority(users.url, { models: ['llm:read', 'model:*', 'tool:*'] })
const [server, other] = [await models(KEY), await endless()]

const key = { env: 'MODELS_KEY' }
const size = { context: 100_000, max_output: 1000 }
const [cheap, dear] = [
  { input: '1.00', output: '2.00' },
  { input: '3.00', output: '15.00' },
]
const config = {
  audience: 'models',
  trust: [{ did: issued.did, url: issued.url }],
  upstreams: {
    openai: { url: server.url, key },
    anthropic: { url: server.url, key, header: 'x-api-key' },
    other: { url: other.url },
  },
  models: {
    small: { upstreams: ['openai'], ...size, price: cheap },
    large: { upstreams: ['openai'], ...size, price: dear },
    claude: { upstreams: ['anthropic'], name: 'claude-sonnet-4-5', ...size, price: dear },
    embed: { upstreams: ['other'], ...size, price: cheap },
    endless: { upstreams: ['other'], ...size, price: cheap },
  },
  budgets: [{ name: 'person', per: 'root', period: 'total', money: '1.00' }],
}
const served = await gateway(config, { MODELS_KEY: KEY })

console.log('Carol has signed in, and alice acts for her; four agents get a part of that each')
const { alice } = issued
const granted = await issued.exchange(users.tokenOf('carol', 'models'), 'llm:read model:* tool:search', 'models')

const asked = []
/** Notes what is sent, by which agent, and under which id it is on record. */
const noting = (agent) => async (input, init) => {
  const response = await fetch(input, init)
  asked.push({ agent, status: response.status, record: response.headers.get('xbind-record') })
  return response
}
function agent(name, scopes, more) {
  const identity = Identity.generate()
  const scope = ['llm:read', ...scopes]
  const token = valueOf(delegateToken(alice, granted, { subject: identity.did, scopes: scope, ...more }))
  const send = createFetch(identity, { token, fetch: noting(name) })
  // The clients want a key: where the request is signed, nobody looks at it.
  const openai = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'none', fetch: send })
  const anthropic = new Anthropic({ baseURL: served.url, apiKey: 'none', fetch: send })
  show(`  ${name}`, scopes.join(' '))
  return { name, identity, token, openai, anthropic }
}
const researcher = agent('researcher', ['model:small', 'tool:search'])
const writer = agent('writer', ['model:large', 'model:claude', 'model:endless'])
const critic = agent('critic', ['model:claude', 'model:small'], { quota: { 'llm.tokens': 1350 } })
const embedder = agent('embedder', ['model:embed'])
const agents = [researcher, writer, critic, embedder]

const listed = (await researcher.openai.models.list()).data.map(({ id }) => id)
const others = (await writer.anthropic.models.list()).data.map(({ id }) => id)
show('  the researcher sees', listed.join(' '))
assert.deepEqual([listed, others], [['small'], ['claude', 'endless', 'large']])
asked.length = 0

console.log('The researcher asks a model that may search')
const search = { type: 'function', function: { name: 'search', parameters: { type: 'object' } } }
const chat = { model: 'small', tools: [search], messages: [{ role: 'user', content: 'What is did:key?' }] }
const { choices, usage } = await researcher.openai.chat.completions.create(chat)
const [call] = choices[0].message.tool_calls
show('  the model calls', `${call.function.name} ${call.function.arguments}`)
assert.deepEqual([call.id, usage.total_tokens], ['call_1', 48])
const found = { role: 'tool', tool_call_id: call.id, content: 'did:key:z6Mk… spells a key' }
const messages = [...chat.messages, choices[0].message, found]
const ongoing = { ...chat, messages, stream: true }
const whole = async (stream) => {
  let [text, told] = ['', []]
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    if (chunk.usage) told.push(chunk.usage.total_tokens)
  }
  return { text, told }
}
const answer = 'A did:key spells a public key.'
const { completions } = researcher.openai.chat
assert.deepEqual(await whole(await completions.create(ongoing)), { text: answer, told: [] })
const counted = await completions.create({ ...ongoing, stream_options: { include_usage: true } })
assert.deepEqual(await whole(counted), { text: answer, told: [72] }) // seen by whoever asks for it
show('  answered in parts', answer)

console.log('The writer writes with two models, and another client')
const WRITTEN = 'It needs no registry, and cannot be changed.'
const responses = { model: 'large', input: 'Write of it' }
assert.equal((await writer.openai.responses.create(responses)).output_text, WRITTEN)
let parts = ''
for await (const event of await writer.openai.responses.create({ ...responses, stream: true })) {
  if (event.type === 'response.output_text.delta') parts += event.delta
}
assert.equal(parts, WRITTEN)
show('  responses', parts)
const message = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'Write of it' }] }
const { content } = await writer.anthropic.messages.create(message)
assert.equal(content[0].text, WRITTEN)
const final = await writer.anthropic.messages.stream(message).finalMessage()
assert.deepEqual([final.content[0].text, final.usage.output_tokens], [WRITTEN, 10])
show('  messages', content[0].text)

console.log('The embedder embeds it')
const embedded = await embedder.openai.embeddings.create({ model: 'embed', input: WRITTEN })
show('  embedding', embedded.data[0].embedding.join(' '))
assert.deepEqual(embedded.data[0].embedding, [0.25, -0.5])

console.log('The critic has a client that cannot sign: its token alone. It reads what the server writes, byte for byte')
const question = { model: 'small', max_tokens: 100, messages: [{ role: 'user', content: 'Is it good?' }] }
const body = JSON.stringify({ ...question, stream: true, stream_options: { include_usage: true } })
async function raw(send, url, token) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const response = await send(`${url}/v1/chat/completions`, { method: 'POST', headers, body })
  return response.text()
}
const bytes = await raw(noting('critic'), served.url, critic.token)
show('  events', bytes.match(/^data: /gm).length)
assert.equal(bytes, await raw(fetch, server.url, KEY))

console.log('Who stops listening stops the model')
const stream = await writer.openai.chat.completions.create({
  model: 'endless',
  messages: question.messages,
  stream: true,
})
await stream[Symbol.asyncIterator]().next()
stream.controller.abort()
await other.left
show('  the server', 'is left alone')

console.log('Nobody does more than was granted, and each client knows the error')
const client = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: critic.token, fetch: noting('critic') })
async function denied(who, type, code, call) {
  const error = await call.then(
    () => assert.fail(`${who}: it was let in`),
    (error) => error,
  )
  const told = error.code ?? error.error.error.code
  assert.deepEqual([error.constructor, told], [type, code], `${who}: ${error}`)
  show(`  ${who}`, code)
}
const create = ({ openai }, more) => openai.chat.completions.create({ ...question, ...more })
await denied('another model', PermissionDeniedError, 'SCOPE_DENIED', create(researcher, { model: 'large' }))
const elsewhere = writer.anthropic.messages.create({ ...message, model: 'small' })
await denied('another, of Anthropic', Forbidden, 'SCOPE_DENIED', elsewhere)
await denied('a tool', PermissionDeniedError, 'SCOPE_DENIED', create({ openai: client }, { tools: [search] }))
await denied('no such model', NotFoundError, 'unknown-model', create(researcher, { model: 'none' }))
const tooMuch = create({ openai: client }, { max_tokens: 300 })
await denied('more than is left', APIError, 'budget-exhausted', tooMuch)
const again = critic.anthropic.messages.create({ ...message, max_tokens: 300 })
await denied('and once more', PaymentRequiredError, 'budget-exhausted', again)
const requests = asked.splice(0) // those that are proven to be somebody's
assert.deepEqual([requests.length, requests.at(-2).status], [16, 402])

const clientOf = (send) => new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'none', fetch: send, maxRetries: 0 })
const stranger = clientOf(createFetch(Identity.generate(), { token: writer.token }))
await denied('without a token', AuthenticationError, 'INVALID_TOKEN', create({ openai: clientOf(fetch) }))
await denied("somebody else's token", AuthenticationError, 'INVALID_TOKEN', create({ openai: stranger }))
const swapped = changing((text) => text.replace('good', 'bad'))
const tampered = clientOf(createFetch(researcher.identity, { token: researcher.token, fetch: swapped }))
await denied('a changed body', AuthenticationError, 'INVALID_SIGNATURE', create({ openai: tampered }))
const gone = new Set(server.getRequests().flatMap(({ headers }) => Object.keys(headers)))
assert.ok(['signature', 'signature-input', 'xbind-token'].every((name) => !gone.has(name)))

console.log('Each request is on record: who, for whom, with which model, and what it took')
await served.stop()
valueOf(await verifyAudit(served.log, { did: served.did }))
const lines = readFileSync(served.log, 'utf8').trimEnd().split('\n')
const records = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'llm.request')
assert.deepEqual(new Set(records.map(({ messageId }) => messageId)), new Set(requests.map(({ record }) => record)))
assert.equal(records.length, requests.length)
const carol = `carol (${users.url})`
const by = { agent: {}, root: {}, model: {} }
const trail = requests.map(({ agent, record, status }) => {
  const { from, chain, method, code = 'answered', note } = records.find(({ messageId }) => messageId === record)
  const { model, charged, cost, status: noted } = JSON.parse(note)
  assert.deepEqual([from, noted], [agents.find(({ name }) => name === agent).identity.did, status])
  assert.deepEqual(chain, [issued.did, carol, alice.did])
  for (const [kind, name] of Object.entries({ agent: from, root: carol, model })) {
    const { tokens, micros } = (by[kind][name] ??= { tokens: 0, micros: 0 })
    by[kind][name] = { tokens: tokens + charged, micros: micros + Math.round(cost * 1e6) }
  }
  show(`  ${agent}`, `${method} ${model} ${charged} ${cost} ${code}`)
  return `${agent} ${model} ${charged} ${code}`
})
assert.deepEqual(trail, [
  'researcher small 48 answered',
  'researcher small 72 answered',
  'researcher small 72 answered',
  'writer large 60 answered',
  'writer large 60 answered',
  'writer claude 60 answered',
  'writer claude 60 answered',
  'embedder embed 9 answered',
  'critic small 35 answered',
  `writer endless ${trail[9].split(' ')[2]} CLIENT_GONE`, // no usage was told: all that was reserved is charged
  'researcher large 0 SCOPE_DENIED',
  'writer small 0 SCOPE_DENIED',
  'critic small 0 SCOPE_DENIED',
  'researcher  0 UNKNOWN_MODEL',
  'critic small 0 BUDGET_EXHAUSTED',
  'critic claude 0 BUDGET_EXHAUSTED',
])
const first = JSON.parse(records.find(({ messageId }) => messageId === requests[0].record).note)
assert.deepEqual([first.input, first.output, first.cost], [40, 8, '0.000056'])
assert.ok(Number(trail[9].split(' ')[2]) > 1000)

console.log('What the operator is told of what was used says the same')
for (const [kind, told] of Object.entries(by)) {
  const { rows, sum } = await served.usage(kind)
  const used = rows.map(({ name = '', tokens, cost }) => [name, { tokens: +tokens, micros: Math.round(cost * 1e6) }])
  assert.deepEqual(Object.fromEntries(used), told)
  show(`  by ${kind}`, `${rows.length} rows, ${sum.requests} requests, ${sum.tokens} tokens, ${sum.cost} USD`)
}

other.stop()
users.stop()
await server.stop()
await issued.stop()
console.log('\nAll as expected.')
