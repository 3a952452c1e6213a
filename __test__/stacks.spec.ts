// The stack of an error says who asked for what failed.
import { AutoGenxBindAgent, Identity, MessageBus, type Result } from '@private.me/autogen'
import { TokenVerifier } from '@private.me/autogen/tokens'
import { expect, test } from 'vitest'
import { never } from './helpers/bus.ts'
import { errorOf, valueOf } from './helpers/result.ts'

const bus = new MessageBus()
const make = (config = {}): AutoGenxBindAgent => new AutoGenxBindAgent({ agentOptions: { bus }, ...config })
const caller = make()
make({ name: 'failing', onHandlerError: () => undefined, handler: () => Promise.reject(new Error('x')) })
make({ name: 'silent', handler: () => never })
const file = valueOf(Identity.generate().toPKCS8({ passphrase: 'right' }))
const elsewhere = make({
  identityProvider: {
    getDID: () => Identity.generate().did,
    sign: () => never,
    exportPKCS8: () => Promise.reject(new Error('x')),
  },
})
const closed = make()
closed.close()
const aborting = (): AbortSignal => {
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  return controller.signal
}

const failures: [string, () => Promise<Result<unknown>>][] = [
  ['a handler that failed', () => caller.call('failing', 1)],
  ['nobody there', () => caller.call('nobody', 1)],
  ['nobody to send to', () => caller.send('nobody', 1)],
  ['a timeout', () => caller.call('silent', 1, { timeoutMs: 1 })],
  ['a caller that gives up', () => caller.call('silent', 1, { signal: aborting() })],
  ['what cannot be sent', () => caller.call('failing', 5n)],
  ['an option out of bounds', () => caller.call('failing', 1, { timeoutMs: 0 })],
  ['waiting that is given up', () => caller.receive({ waitMs: 60_000, signal: aborting() })],
  ['a closed agent', () => closed.call('failing', 1)],
  ['the inbox of a closed agent', () => closed.receive({ waitMs: 5 })],
  ['a wrong passphrase', () => AutoGenxBindAgent.fromIdentity(file, { passphrase: 'wrong' })],
  ['no key file', () => AutoGenxBindAgent.fromIdentity('x')],
  ['a wrong passphrase of an identity', () => Identity.fromPKCS8Async(file, { passphrase: 'wrong' })],
  ['an empty passphrase', () => caller.exportIdentity({ passphrase: '' })],
  ['a provider that does not export', () => elsewhere.exportIdentity()],
  ['a grant', () => caller.grant({ subject: 'x', audience: 'x', scopes: ['a:b'] })],
  ['a delegation', () => caller.delegate('x', { subject: 'x' })],
  ['a token', () => new TokenVerifier({ audience: 'x', trust: [caller.getDID()] }).verify('x')],
]

test.each(failures)('%s', async (_, fail) => {
  const asks = async function whoAsks(): Promise<Result<unknown>> {
    const result = await fail()
    return result
  }
  const { stack, message } = errorOf(await asks())
  expect(stack).toContain(`XBindError: ${message}`)
  expect(stack).toMatch(/at (async )?\S*whoAsks .*stacks\.spec\.ts:\d+/)
})

test('of one of many that are waited for together', async () => {
  const [failed] = await (async function waitsForAll() {
    return await Promise.all([caller.call('failing', 1), caller.call('nobody', 1)])
  })()
  expect(errorOf(failed).stack).toMatch(/at async Promise\.all .*\n.*at (async )?waitsForAll /)
})

test('of a closed agent whose inbox somebody waited for', async () => {
  const agent = make()
  setImmediate(() => agent.close())
  const received = await (async function waits() {
    return await agent.receive({ waitMs: 60_000 })
  })()
  expect(errorOf(received).stack).toMatch(/at (async )?waits /)
})
