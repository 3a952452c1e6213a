// A model of the AI SDK that uses a remote agent as a tool. Run it: node examples/clients/ai-sdk/index.mjs
import assert from 'node:assert/strict'
import { generateText, isStepCount, tool } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { createFetch } from '@private.me/autogen/http'
import { issueToken } from '@private.me/autogen/tokens'
import { z } from 'zod'
import { changing, refused, serve, show, valueOf } from '../server.mjs'

const [writer, impostor, key] = [Identity.generate(), Identity.generate(), Identity.generate()]

// The planner's key stays where it is kept, and signs there: this stands for a KMS.
const vault = { getDID: () => key.did, sign: async (data) => key.dangerouslySign(data) }
const planner = new AutoGenxBindAgent({ identityProvider: vault })
const token = (scopes = ['write']) =>
  valueOf(issueToken(writer, { subject: planner.getDID(), audience: 'writer', scopes }))

/** The remote agent: it answers whom it knows, and signs what it answers. */
const asked = []
const agent = async ({ from }, request) => {
  const { topic } = await request.json()
  asked.push({ from, topic })
  return Response.json({ summary: `${topic} in one line` })
}
const rights = { trust: [writer.did], audience: 'writer', scopes: ['write'] }
const server = await serve({ ...rights, signer: writer }, agent)
const copy = await serve({ ...rights, signer: impostor }, agent)

/** The agent as a tool: what the model is told comes from that DID, as the answer to this very request. */
function summarise(send, url = server.url) {
  return tool({
    description: 'Summarises a topic in one line.',
    inputSchema: z.object({ topic: z.string() }),
    async execute(input, { abortSignal }) {
      const response = await send(url, { method: 'POST', body: JSON.stringify(input), signal: abortSignal })
      if (!response.ok) throw new Error((await response.json()).error.message)
      return (await response.json()).summary
    },
  })
}

/** A model that calls the tool once, and then repeats what it was told. */
function model() {
  const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } }
  const made = (unified, content) => ({
    content: [content],
    finishReason: { unified, raw: unified },
    usage,
    warnings: [],
  })
  const input = JSON.stringify({ topic: 'identity' })
  return new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      const { role, content } = prompt.at(-1)
      if (role !== 'tool')
        return made('tool-calls', { type: 'tool-call', toolCallId: '1', toolName: 'summarise', input })
      return made('stop', { type: 'text', text: `The writer says: ${content[0].output.value}` })
    },
  })
}

/** What the model says in the end; what its tool threw, it throws. */
async function say(send, url) {
  const tools = { summarise: summarise(send, url) }
  const { text, steps } = await generateText({
    model: model(),
    tools,
    prompt: 'What about identity?',
    stopWhen: isStepCount(2),
  })
  const failed = steps.flatMap(({ content }) => content).find(({ type }) => type === 'tool-error')
  if (failed) throw failed.error
  return text
}

console.log("The model's tool is an agent elsewhere, which knows for whom it works")
const said = await say(createFetch(planner, { token: () => token(), responder: writer.did }))
show('  said', said)
assert.equal(said, 'The writer says: identity in one line')
assert.deepEqual(asked, [{ from: planner.getDID(), topic: 'identity' }])

console.log('Nobody else gets in, and nobody else answers')
await refused('unsigned', 'INVALID_SIGNATURE', say(fetch))
await refused('signed, without a token', 'SCOPE_DENIED', say(createFetch(planner)))
await refused('a token for less', 'SCOPE_DENIED', say(createFetch(planner, { token: token(['read']) })))
await refused("somebody else's token", 'INVALID_TOKEN', say(createFetch(impostor, { token: token() })))
const swapped = changing((text) => text.replace('identity', 'something else'))
await refused('a changed body', 'INVALID_SIGNATURE', say(createFetch(planner, { token: token(), fetch: swapped })))
const answered = createFetch(planner, { token: token(), responder: writer.did })
await refused('an answer by another DID', 'signed by somebody else', say(answered, copy.url))

planner.close()
server.close()
copy.close()
console.log('\nAll as expected.')
