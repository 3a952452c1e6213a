const assert = require('node:assert/strict')
const { AutoGenxBindAgent, XBindError } = require('@private.me/autogen')

async function main() {
  const researcher = new AutoGenxBindAgent({ name: 'researcher' })
  const writer = new AutoGenxBindAgent({ name: 'writer' })
  researcher.handle(({ from }) => ({ hello: from }))
  writer.handle(({ from }) => ({ hello: from }))

  assert.deepEqual(await researcher.call('writer', 1), { ok: true, value: { hello: researcher.getDID() } })
  assert.deepEqual(await writer.call('researcher', 2), { ok: true, value: { hello: writer.getDID() } })
  const nobody = await writer.call('nobody', 3)
  assert.equal(nobody.error.code, 'AGENT_NOT_FOUND')
  assert(nobody.error instanceof XBindError)
  console.log('the agents talked')
}

main()
