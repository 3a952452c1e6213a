// A bug in Rust ends one call with INTERNAL, and the process lives. Programs of their own, because it might not.
import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { thisPlatform } from '../scripts/platforms.mjs'
import { run, type Ended } from './helpers/child.ts'
import { copyWithHooks, type Copy } from './helpers/hooks.ts'

let copy: Copy
beforeAll(async () => {
  copy = await copyWithHooks()
}, 900_000)
afterAll(() => copy?.remove())

function program(text: string): Promise<Ended> {
  const start = `
    const { AutoGenxBindAgent } = require(${JSON.stringify(copy.entry)})
    const { panicNext, unconvertibleNext } = require(${JSON.stringify(copy.addon)})
    const [caller, callee] = ['caller', 'callee'].map((name) => new AutoGenxBindAgent({ name }))
    callee.handle(({ payload }) => { if (payload === 'panic in the reply') panicNext(); if (payload === 'lost answer') unconvertibleNext(); return payload })
    const code = (result) => (result.ok ? result.value : result.error.code)
  `
  return run(process.execPath, ['--input-type=commonjs', '-e', `${start}void (async () => {${text}})()`])
}

test('the shipped addon has no such hook', () => {
  const platform = thisPlatform()
  const shipped = createRequire(import.meta.url)(`../npm/${platform}/xbind.${platform}.node`) as Record<string, unknown>
  expect(Object.keys(shipped)).toContain('openPort')
  expect([shipped.panicNext, shipped.unconvertibleNext]).toEqual([undefined, undefined])
})

test('a panic ends the call that met it, and the next one goes through', async () => {
  const { code, stdout } = await program(`
    panicNext()
    const failed = await caller.call('callee', 1)
    console.log(failed.error.code, failed.error.name, typeof failed.error.hint, await caller.call('callee', 2).then(code))
  `)
  expect([code, stdout]).toEqual([0, 'INTERNAL XBindError string 2\n'])
})

test('so does one on the way back, and one of a send', async () => {
  const { code, stdout } = await program(`
    console.log(code(await caller.call('callee', 'panic in the reply')), code(await caller.call('callee', 1)))
    panicNext()
    console.log(code(await caller.send('callee', 1)), code(await caller.send('callee', 1)).status)
    console.log((await callee.receive()).value.length)
  `)
  expect([code, stdout]).toEqual([0, 'INTERNAL 1\nINTERNAL delivered\n1\n'])
})

test('in a burst every call ends, and the agents of the burst go on', async () => {
  const { code, stdout } = await program(`
    const burst = () => Promise.all(Array.from({ length: 1000 }, (_, n) => caller.call('callee', n).then(code)))
    panicNext()
    const [first, second] = [await burst(), await burst()]
    const strays = first.filter((value, n) => value !== n && value !== 'INTERNAL')
    console.log(first.includes('INTERNAL'), strays.length, second.every((value, n) => value === n))
  `)
  expect([code, stdout]).toEqual([0, 'true 0 true\n'])
})

test('so does one on a worker thread of the pool', async () => {
  const { code, stdout } = await program(`
    const agents = Array.from({ length: 60 }, () => new AutoGenxBindAgent())
    for (const agent of agents) agent.handle(({ payload }) => payload)
    const burst = () => Promise.all(agents.flatMap((agent, i) =>
      Array.from({ length: 20 }, (_, n) => agent.call(agents[(i + 1 + (n % 50)) % 60].getDID(), n).then((result) => (result.ok ? result.value === n : result.error.code)))))
    panicNext()
    const [first, second] = [await burst(), await burst()]
    console.log([...new Set(first)].sort().join(), [...new Set(second)].join())
  `)
  expect([code, stdout]).toEqual([0, 'INTERNAL,true true\n'])
})

test('with an identity provider, too', async () => {
  const { code, stdout } = await program(
    `
    const { Identity } = require(${JSON.stringify('ENTRY')})
    const identity = Identity.generate()
    const identityProvider = { getDID: () => identity.did, sign: async (bytes) => identity.dangerouslySign(bytes) }
    const remote = new AutoGenxBindAgent({ identityProvider })
    panicNext()
    console.log(code(await remote.call('callee', 1)), code(await remote.call('callee', 2)))
  `.replace('"ENTRY"', JSON.stringify(copy.entry)),
  )
  expect([code, stdout]).toEqual([0, 'INTERNAL 2\n'])
})

test('what cannot be converted ends its own call, and all that came with it goes through', async () => {
  const { code, stdout } = await program(`
    unconvertibleNext()
    const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => caller.call('callee', n).then(code)))
    console.log(answers.filter((value) => typeof value === 'string').join(), answers.filter((value, n) => value === n).length)
    console.log(code(await caller.call('callee', 'lost answer')), code(await caller.call('callee', 'the next')))
  `)
  expect([code, stdout]).toEqual([0, 'PAYLOAD_TOO_LARGE 299\nPAYLOAD_TOO_LARGE the next\n'])
})
