import assert from 'node:assert/strict'
import { AutoGenxBindAgent } from '@private.me/autogen'

const researcher = new AutoGenxBindAgent({ name: 'researcher' })
const writer = new AutoGenxBindAgent({ name: 'writer' })
researcher.handle(({ from, payload }) => ({ asked: payload.question, by: from }))
writer.handle(({ from, payload }) => ({ drafted: payload.topic, for: from }))

const draft = await researcher.call('writer', { topic: 'identity' })
const answer = await writer.call(researcher.getDID(), { question: 'who are you?' })
assert.deepEqual(draft, { ok: true, value: { drafted: 'identity', for: researcher.getDID() } })
assert.deepEqual(answer, { ok: true, value: { asked: 'who are you?', by: writer.getDID() } })
console.log('the agents talked')
