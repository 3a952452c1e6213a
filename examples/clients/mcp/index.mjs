// An MCP server whose tools know who calls, and a client that signs. Run it: node examples/clients/mcp/index.mjs
import assert from 'node:assert/strict'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { Identity } from '@private.me/autogen'
import { createFetch } from '@private.me/autogen/http'
import { issueToken } from '@private.me/autogen/tokens'
import { z } from 'zod'
import { changing, refused, serve, show, valueOf } from '../server.mjs'

const [operator, assistant, stranger] = [Identity.generate(), Identity.generate(), Identity.generate()]
const grant = (scopes) => valueOf(issueToken(operator, { subject: assistant.did, audience: 'invoices', scopes }))

/** A server for one request, as the library wants it. */
function invoices() {
  const server = new McpServer({ name: 'invoices', version: '1.0.0' })
  const tool = (name, needed, run) =>
    server.registerTool(name, { inputSchema: z.object({ number: z.number() }) }, ({ number }, { http }) => {
      // Made of what the verifier has proven, not of anything that the client says.
      const { clientId, scopes } = http.authInfo
      const isAllowed = scopes.includes(needed)
      const text = isAllowed ? run(number, clientId) : `SCOPE_DENIED: ${needed}`
      return { content: [{ type: 'text', text }], isError: !isAllowed }
    })
  tool('read', 'invoice.read', (number, did) => `invoice ${number}, read by ${did}`)
  tool('pay', 'invoice.pay', (number, did) => `invoice ${number}, paid by ${did}`)
  return server
}

const handler = createMcpHandler(invoices)
const options = { trust: [operator.did], audience: 'invoices' }
const server = await serve(options, ({ from, scopes, chain }, request) =>
  handler.fetch(request, { authInfo: { token: '', clientId: from, scopes: [...scopes], extra: { chain } } }),
)

const connected = []
async function connect(send) {
  const client = new Client({ name: 'assistant', version: '1.0.0' })
  connected.push(client)
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', server.url), { fetch: send }))
  return client
}
const textOf = ({ content }) => content[0].text

console.log('The client signs, and the tools see its DID and scopes')
const token = grant(['invoice.read'])
const client = await connect(createFetch(assistant, { token }))
const tools = (await client.listTools()).tools.map(({ name }) => name)
show('  tools', tools.join(' '))
assert.deepEqual(tools, ['read', 'pay'])
const read = textOf(await client.callTool({ name: 'read', arguments: { number: 7 } }))
show('  read', `${read.slice(0, 40)}…`)
assert.equal(read, `invoice 7, read by ${assistant.did}`)

console.log('Rights are those of the token, and can be asked for each request')
const denied = await client.callTool({ name: 'pay', arguments: { number: 7 } })
show('  pay', textOf(denied))
assert.deepEqual([denied.isError, textOf(denied)], [true, 'SCOPE_DENIED: invoice.pay'])
let scopes = ['invoice.read']
const changingRights = await connect(createFetch(assistant, { token: () => grant(scopes) }))
scopes = ['invoice.pay']
const paid = textOf(await changingRights.callTool({ name: 'pay', arguments: { number: 7 } }))
assert.equal(paid, `invoice 7, paid by ${assistant.did}`)
show('  pay, with another token', 'paid')

console.log('Nobody else gets in')
await refused('unsigned', 'INVALID_SIGNATURE', connect(fetch))
await refused('signed, without a token', 'SCOPE_DENIED', connect(createFetch(assistant)))
await refused("somebody else's token", 'INVALID_TOKEN', connect(createFetch(stranger, { token })))
const swapped = changing((text) => text.replace('"number":7', '"number":8'))
const tampered = await connect(createFetch(assistant, { token, fetch: swapped }))
await refused('a changed body', 'INVALID_SIGNATURE', tampered.callTool({ name: 'read', arguments: { number: 7 } }))

await Promise.all(connected.map((client) => client.close()))
await handler.close()
server.close()
console.log('\nAll as expected.')
