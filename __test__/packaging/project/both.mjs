// An application that imports the package and one of its dependencies that requires it share the same agents.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import * as imported from '@private.me/autogen'

const required = createRequire(import.meta.url)('@private.me/autogen')
assert.deepEqual(Object.keys(imported).toSorted(), Object.keys(required).toSorted())
for (const name of Object.keys(imported)) assert.equal(imported[name], required[name], name)

const asker = new imported.AutoGenxBindAgent({ name: 'asker' })
const answerer = new required.AutoGenxBindAgent({ name: 'answerer' })
asker.handle(() => 'asked')
answerer.handle(() => 'answered')
assert.deepEqual(await asker.call('answerer', null), { ok: true, value: 'answered' })
assert.deepEqual(await answerer.call('asker', null), { ok: true, value: 'asked' })
console.log('the agents talked')
