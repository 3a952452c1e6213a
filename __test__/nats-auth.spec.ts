// Who is let in to a bus over NATS: the auth callout, and what agents do behind it.
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { authKeys, connect, serveAuth, type AuthOptions, type NatsBus } from '@private.me/autogen/nats'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { node as program } from './helpers/child'
import { guardedBroker, type Broker } from './helpers/nats-server'
import { codeOf, errorOf, valueOf } from './helpers/result'

const issuer = valueOf(Identity.fromSeed(new Uint8Array(32).fill(50)))
let server: Broker
const open: (() => unknown)[] = []
beforeAll(async () => {
  server = await guardedBroker(issuer)
})
afterAll(() => server.kill())
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function serve(options: Partial<AuthOptions> = {}): Promise<void> {
  const service = valueOf(await serveAuth({ servers: server.url, issuer, ...options }))
  open.push(() => service.close())
}

async function on(identity?: Identity): Promise<NatsBus> {
  const bus = valueOf(await connect({ servers: server.url, ...(identity && { identity }) }))
  open.push(() => bus.close())
  return bus
}

async function codeFor(identity?: Identity): Promise<string> {
  return codeOf(await connect({ servers: server.url, ...(identity && { identity }) }))
}

async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: 30_000, interval: 20 }).toBe(true)
}

test('agents of those who are let in reach each other; others stay outside', async () => {
  const [one, other, stranger] = [Identity.generate(), Identity.generate(), Identity.generate()]
  await serve({ allow: [one.did, other.did] })
  const [here, there] = [await on(one), await on(other)]
  const asker = new AutoGenxBindAgent({ name: 'asker', agentOptions: { bus: here } })
  const writer = new AutoGenxBindAgent({ name: 'writer', agentOptions: { bus: there } })
  writer.handle(({ payload }) => `heard ${String(payload)}`)
  await until(() => here.agents().length === 2)
  expect(valueOf(await asker.call('writer', 1))).toBe('heard 1')
  const refused = errorOf(await connect({ servers: server.url, identity: stranger }))
  expect([refused.code, refused.message]).toEqual(['BROKER_UNAVAILABLE', 'the broker does not let this process in'])
  expect(await codeFor()).toBe('BROKER_UNAVAILABLE')
})

test('a server that has the key for it encrypts what it asks, and is answered so', async () => {
  const [encrypted, one, stranger] = [await guardedBroker(issuer, true), Identity.generate(), Identity.generate()]
  open.push(() => encrypted.kill())
  const service = valueOf(await serveAuth({ servers: encrypted.url, issuer, allow: [one.did] }))
  open.push(() => service.close())
  const bus = valueOf(await connect({ servers: encrypted.url, identity: one }))
  open.push(() => bus.close())
  expect(codeOf(await connect({ servers: encrypted.url, identity: stranger }))).toBe('BROKER_UNAVAILABLE')
})

test('a program says who may come in; what is no yes is a no', async () => {
  const asked: string[] = []
  const [yes, later, no, truthy, broken] = Array.from({ length: 5 }, () => Identity.generate())
  await serve({
    allow: (did) => {
      asked.push(did)
      if (did === later!.did) return Promise.resolve(true)
      if (did === broken!.did) throw new Error('broken')
      return did === truthy!.did ? (1 as never) : did === yes!.did
    },
  })
  expect(await codeFor(yes)).toBe('ok')
  expect(await codeFor(later)).toBe('ok')
  for (const identity of [no, truthy, broken]) expect(await codeFor(identity)).toBe('BROKER_UNAVAILABLE')
  expect(new Set(asked)).toEqual(new Set([yes, later, no, truthy, broken].map((each) => each!.did)))
})

test('rights end, and are given again', async () => {
  let isAllowed = true
  await serve({ allow: () => isAllowed, staySeconds: 1 })
  const bus = await on(Identity.generate())
  await until(() => bus.status === 'reconnecting')
  await until(() => bus.status === 'connected')
  isAllowed = false
  await until(() => bus.status === 'reconnecting')
  await new Promise((resolve) => setTimeout(resolve, 1000))
  expect(bus.status).toBe('reconnecting')
  isAllowed = true
  await until(() => bus.status === 'connected')
})

test('nobody is let in by another issuer, and by nobody once it is closed', async () => {
  expect(codeOf(await serveAuth({ servers: server.url, issuer: Identity.generate() }))).toBe('BROKER_UNAVAILABLE')
  const service = valueOf(await serveAuth({ servers: server.url, issuer }))
  expect(await codeFor(Identity.generate())).toBe('ok')
  await service.close()
  await service.close()
  expect(await codeFor(Identity.generate())).toBe('BROKER_UNAVAILABLE')
})

test('it keeps its process until it is closed', async () => {
  const served = `
    import { Identity } from '@private.me/autogen'
    import { serveAuth } from '@private.me/autogen/nats'
    const issuer = Identity.fromSeed(new Uint8Array(32).fill(50)).value
    const options = { servers: '${server.url}', issuer }
    const service = await serveAuth(options)
    setTimeout(async () => { console.log('still here'); await service.value.close() }, 500).unref()`
  expect((await program(served)).stdout).toBe('still here\n')
})

test('what is no option is said', async () => {
  const servers = server.url
  const keys = valueOf(authKeys(issuer))
  const spelled = [keys.issuer, keys.callout, keys.xkey].map((key) => key.slice(0, 1) + key.length)
  expect(spelled).toEqual(['A56', 'U56', 'X56'])
  expect(valueOf(authKeys(issuer))).toEqual(keys)
  for (const wrong of [{ staySeconds: 0 }, { staySeconds: 301 }, { account: '' }, { namespace: '.' }])
    expect(codeOf(await serveAuth({ servers, issuer, ...wrong })), JSON.stringify(wrong)).toBe('INVALID_CONFIG')
  for (const wrong of [{ issuer: {} }, { allow: 'x' }, { allow: [1] }, { account: 1 }, { staySeconds: '1' }, { to: 1 }])
    await expect(serveAuth({ servers, issuer, ...wrong } as never), JSON.stringify(wrong)).rejects.toThrow(TypeError)
  expect(() => authKeys({} as never)).toThrow(TypeError)
  const destroyed = Identity.generate()
  destroyed.destroy()
  expect(codeOf(await serveAuth({ servers, issuer: destroyed }))).toBe('SIGN_FAILED')
  expect(codeOf(authKeys(destroyed))).toBe('SIGN_FAILED')
})
