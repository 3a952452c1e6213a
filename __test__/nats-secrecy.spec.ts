// Encrypted bodies between processes: what somebody reads who listens at the server.
import { connect as dial } from 'node:net'
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { connect, type NatsBus } from '@private.me/autogen/nats'
import { verifyReceipt } from '@private.me/autogen/record'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { broker, type Broker } from './helpers/nats-server'
import { codeOf, errorOf, valueOf } from './helpers/result'

let server: Broker
const open: (() => void)[] = []
beforeAll(async () => {
  server = await broker()
})
afterAll(() => server.kill())
afterEach(() => open.splice(0).forEach((close) => close()))

let spaces = 0
let namespace = ''

async function on(encrypt: boolean): Promise<NatsBus> {
  const bus = valueOf(await connect({ servers: server.url, namespace, encrypt }))
  open.push(() => bus.close())
  return bus
}

/** All that the server carries. */
async function tap(): Promise<() => string> {
  const socket = dial(server.port, '127.0.0.1')
  open.push(() => socket.destroy())
  let all = ''
  socket.on('data', (bytes) => {
    all += bytes.toString('latin1')
    if (all.endsWith('PING\r\n')) socket.write('PONG\r\n')
  })
  socket.write('CONNECT {"verbose":false}\r\nSUB > 1\r\nPING\r\n')
  await expect.poll(() => all, { timeout: 10_000 }).toContain('PONG')
  return () => all
}

const agent = (bus: NatsBus, name: string, identity?: Identity): AutoGenxBindAgent =>
  new AutoGenxBindAgent({
    name,
    agentOptions: { bus, timeoutMs: 20_000 },
    onHandlerError: () => undefined,
    ...(identity && { identityProvider: identity }),
  })

test.each([
  ['with keys here', false],
  ['with keys that are elsewhere', true],
])('nobody reads bodies, parts, progress, failures and tokens on the way: %s', async (_, elsewhere) => {
  namespace = `secret-${(spaces += 1)}`
  const [here, there] = [await on(true), await on(true)]
  const asker = agent(here, 'asker', elsewhere ? Identity.generate() : undefined)
  const writer = agent(there, 'writer', elsewhere ? Identity.generate() : undefined)
  writer.handle(({ payload }) => payload)
  writer.handle('parts', async function* () {
    for (let n = 0; n < 50; n += 1) yield `a-secret-part-${n}`
  })
  writer.handle('slow', ({ progress }) => {
    progress({ progress: 1, message: 'a-secret-word' })
    throw new Error('a-secret-failure')
  })
  await expect.poll(() => here.agents().length, { timeout: 20_000 }).toBe(2)
  const heard = await tap()
  expect(valueOf(await asker.call('writer', 'a-secret-question'))).toBe('a-secret-question')
  expect(valueOf(await asker.call('writer', new Uint8Array(1000).fill(65)))).toEqual(new Uint8Array(1000).fill(65))
  const parts: unknown[] = []
  for await (const part of asker.stream('writer', 1, { method: 'parts' })) parts.push(part)
  expect(parts).toEqual(Array.from({ length: 50 }, (_, n) => `a-secret-part-${n}`))
  const told: unknown[] = []
  const failed = await asker.call('writer', 1, { method: 'slow', onProgress: ({ message }) => told.push(message) })
  expect([codeOf(failed), told]).toEqual(['HANDLER_FAILED', ['a-secret-word']])
  await asker.call('writer', 'more', { token: 'a-secret-token' })
  const all = heard()
  expect(all).toContain('xb1.')
  for (const secret of ['a-secret', 'A'.repeat(20)]) expect(all).not.toContain(secret)
})

test('the same is read where nobody asked for encryption', async () => {
  namespace = `secret-${(spaces += 1)}`
  const [here, there] = [await on(false), await on(false)]
  const asker = agent(here, 'asker')
  agent(there, 'writer').handle(({ payload }) => payload)
  await expect.poll(() => here.agents().length, { timeout: 20_000 }).toBe(2)
  const heard = await tap()
  expect(valueOf(await asker.call('writer', 'no-secret'))).toBe('no-secret')
  await expect.poll(heard, { timeout: 10_000 }).toContain('no-secret')
})

test('to whom shows no key nothing is sent; a call that may run twice and a receipt are encrypted, too', async () => {
  namespace = `secret-${(spaces += 1)}`
  const [here, there, plain] = [await on(true), await on(true), await on(false)]
  const [asker, writer, open] = [agent(here, 'asker'), agent(there, 'writer'), agent(plain, 'open')]
  writer.handle(({ payload }) => payload)
  open.handle(({ payload }) => payload)
  await expect.poll(() => here.agents().length, { timeout: 20_000 }).toBe(3)
  await expect.poll(() => plain.agents().length, { timeout: 20_000 }).toBe(3)
  const heard = await tap()
  const refused = errorOf(await asker.call('open', 'a-secret'))
  expect([refused.code, refused.handled]).toEqual(['ENCRYPTION_REQUIRED', 'no'])
  expect(codeOf(await asker.send('open', 'a-secret'))).toBe('ENCRYPTION_REQUIRED')
  expect(valueOf(await open.call('writer', 'a-secret'))).toBe('a-secret')
  expect(valueOf(await asker.call('writer', 'a-secret', { idempotent: true }))).toBe('a-secret')
  const receipted = await asker.call<string>('writer', 'a-secret', { receipt: true })
  if (!receipted.ok) throw receipted.error
  expect(receipted.value).toBe('a-secret')
  valueOf(verifyReceipt(receipted.receipt, { caller: asker.getDID(), agent: writer.getDID() }))
  expect(heard()).not.toContain('a-secret')
  await expect(connect({ servers: server.url, encrypt: 1 } as never)).rejects.toThrow(TypeError)
})
