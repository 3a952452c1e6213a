// Agents that meet, call each other, and prove who they are. Run it: node examples/quickstart/index.mjs
import assert from 'node:assert/strict'
import { AutoGenxBindAgent } from '@private.me/autogen'

/** The value of a Result that must be ok. */
function valueOf(result) {
  if (!result.ok) throw result.error
  return result.value
}

const show = (what, value) =>
  console.log(`${what.padEnd(22)}${typeof value === 'string' ? value : JSON.stringify(value)}`)

// Identities are generated here: no key to hand out, no server to start.
const researcher = new AutoGenxBindAgent({ name: 'researcher' })
const writer = new AutoGenxBindAgent({ name: 'writer' })
show('researcher is', researcher.getDID())
show('writer is', writer.getDID())

console.log('\nA handler answers; call.from is the DID that the signature proved')
const task = { task: 'write-summary', topic: 'AI trends' }
writer.handle(({ from, payload }) => ({ summary: `${payload.topic} in one line`, askedBy: from }))
const byDID = valueOf(await researcher.call(writer.getDID(), task))
show('  called by DID', byDID.summary)
assert.deepEqual(byDID, { summary: 'AI trends in one line', askedBy: researcher.getDID() })
const byName = valueOf(await researcher.call('writer', task))
show('  called by name', byName.summary)
assert.deepEqual(byName, byDID)

console.log('\nAn agent without a handler signs for a call, which waits in its inbox')
const archive = new AutoGenxBindAgent({ name: 'archive' })
const receipt = valueOf(await researcher.call(archive.getDID(), task))
show('  receipt', receipt.status)
assert.deepEqual({ ...receipt, messageId: '' }, { status: 'delivered', messageId: '', to: archive.getDID() })
const [waiting] = valueOf(await archive.receive())
show('  archive received', waiting.payload)
assert.deepEqual(waiting.payload, task)
assert.deepEqual([waiting.kind, waiting.id, waiting.from], ['call', receipt.messageId, researcher.getDID()])

console.log('\nA message goes one way')
const sent = valueOf(await writer.send('researcher', 'the summary is ready'))
show('  sent', sent.status)
const [message] = valueOf(await researcher.receive())
show('  researcher received', message.payload)
assert.deepEqual([message.kind, message.payload, message.from], ['message', 'the summary is ready', writer.getDID()])

console.log('\nAn identity outlives its process')
const backup = valueOf(await researcher.exportIdentity({ passphrase: 'keep me safe' }))
show('  exported', `${backup.length} bytes of encrypted PKCS#8`)
const did = researcher.getDID()
researcher.close()
const restored = valueOf(await AutoGenxBindAgent.fromIdentity(backup, { passphrase: 'keep me safe' }))
show('  imported', restored.getDID())
assert.equal(restored.getDID(), did)
assert.equal(valueOf(await restored.call('writer', task)).askedBy, did)
show('  same agent', 'the writer sees the same DID')

console.log('\nWhoever is not on the list is refused')
writer.handle(() => 'for the researcher only', { allow: [did] })
assert.equal(valueOf(await restored.call('writer', task)), 'for the researcher only')
const stranger = new AutoGenxBindAgent()
const refused = await stranger.call('writer', task)
assert.equal(refused.ok, false)
show('  refused', refused.error.code)
show('  because', refused.error.message)
show('  hint', refused.error.hint)
assert.equal(refused.error.code, 'NOT_ALLOWED')
assert.ok(refused.error.hint)

console.log('\nAll as expected.')
