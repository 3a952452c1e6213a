// Operators: what they stop ends in every process, and nothing is served where they are not heard.
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { issueToken } from '@private.me/autogen/tokens'
import { connect, serveStops, type NatsBus, type StopsOptions, type StopsService } from '@private.me/autogen/nats'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { member } from './helpers/nats-members'
import { broker, type Broker } from './helpers/nats-server'
import { codeOf, errorOf, valueOf } from './helpers/result'

const operator = Identity.generate()
let server: Broker
let namespace = ''
let spaces = 0
const open: (() => unknown)[] = []
beforeAll(async () => {
  server = await broker()
})
afterAll(() => server.kill())
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function speak(options: Partial<StopsOptions> = {}): Promise<StopsService> {
  const service = valueOf(await serveStops({ servers: server.url, namespace, operator, ...options }))
  open.push(() => service.close())
  return service
}

async function here(): Promise<NatsBus> {
  const bus = valueOf(await connect({ servers: server.url, namespace, operators: [operator.did] }))
  open.push(() => bus.close())
  return bus
}

const agent = (bus: NatsBus, name: string): AutoGenxBindAgent =>
  new AutoGenxBindAgent({ name, agentOptions: { bus, timeoutMs: 20_000 } })

async function poll(code: () => Promise<string>, wanted: string): Promise<void> {
  await expect.poll(code, { timeout: 30_000, interval: 20 }).toBe(wanted)
}

test('what an operator stops ends in every process, and goes on when it says so', async () => {
  namespace = `space-${(spaces += 1)}`
  const stops = await speak()
  const bus = await here()
  const asker = agent(bus, 'asker')
  const writer = await member(server.url, namespace, 'writer', '', operator.did)
  open.push(() => writer.child.kill('SIGKILL'))
  await poll(async () => codeOf(await asker.call('writer', 1)), 'ok')
  const hanging = asker.call('writer', 'under way', { method: 'hang' })
  await expect.poll(() => writer.lines.length, { timeout: 30_000 }).toBeGreaterThan(1)
  const statement = valueOf(await stops.stop(writer.did, 'leaked'))
  expect(statement.split('.')).toHaveLength(3)
  expect(errorOf(await hanging)).toMatchObject({ code: 'REVOKED' })
  await poll(async () => codeOf(await asker.call('writer', 1)), 'REVOKED')
  await expect.poll(() => writer.lines.some(({ aborted }) => aborted === 'under way'), { timeout: 30_000 }).toBe(true) // there it was ended, too
  valueOf(await stops.resume(writer.did))
  await poll(async () => codeOf(await asker.call('writer', 1)), 'ok')
})

test('a token that is stopped counts no more', async () => {
  namespace = `space-${(spaces += 1)}`
  const stops = await speak()
  const bus = await here()
  const [asker, writer] = [agent(bus, 'asker'), agent(bus, 'writer')]
  const issuer = Identity.generate()
  writer.handle(() => 'done', { trust: [issuer.did], scopes: ['write'] })
  const token = valueOf(
    issueToken(issuer, { subject: asker.getDID(), audience: writer.getDID(), scopes: ['write'], ttlSeconds: 300 }),
  )
  await poll(async () => codeOf(await asker.call('writer', 1, { token })), 'ok')
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
  valueOf(await stops.stop({ token: jti }))
  await poll(async () => codeOf(await asker.call('writer', 1, { token })), 'REVOKED')
  expect(codeOf(await asker.call('writer', 1, { token }))).toBe('REVOKED')
})

test('without an operator that is heard nothing is served', async () => {
  namespace = `space-${(spaces += 1)}`
  const bus = await here()
  const [asker, writer] = [agent(bus, 'asker'), agent(bus, 'writer')]
  writer.handle(() => 'done')
  const unheard = errorOf(await asker.call('writer', 1))
  expect([unheard.code, unheard.handled, unheard.retryable]).toEqual(['REVOCATION_UNKNOWN', 'no', true])
  const stops = await speak({ lifeSeconds: 3 })
  await poll(async () => codeOf(await asker.call('writer', 1)), 'ok')
  const statement = valueOf(await stops.stop(Identity.generate().did))
  await stops.close()
  await poll(async () => codeOf(await asker.call('writer', 1)), 'REVOCATION_UNKNOWN')
  expect(codeOf(await stops.stop(writer.getDID()))).toBe('BROKER_UNAVAILABLE')
  await speak({ lifeSeconds: 3, known: [statement] })
  await poll(async () => codeOf(await asker.call('writer', 1)), 'ok')
})

test('what is no option is said', async () => {
  namespace = `space-${(spaces += 1)}`
  const servers = server.url
  for (const wrong of [{ lifeSeconds: 2 }, { lifeSeconds: 61 }, { namespace: '.' }])
    expect(codeOf(await serveStops({ servers, operator, ...wrong })), JSON.stringify(wrong)).toBe('INVALID_CONFIG')
  expect(codeOf(await serveStops({ servers, operator, known: ['junk'] }))).toBe('INVALID_TOKEN')
  for (const wrong of [{ operator: {} }, { known: 'x' }, { lifeSeconds: '1' }, { to: 1 }])
    await expect(serveStops({ servers, operator, ...wrong } as never)).rejects.toThrow(TypeError)
  const stops = await speak()
  expect(codeOf(await stops.stop('did:key:junk'))).toBe('INVALID_DID')
  expect(codeOf(await stops.stop(operator.did, 'No Word'))).toBe('INVALID_CONFIG')
  await expect(stops.stop({ did: 'x' } as never)).rejects.toThrow(TypeError)
  expect(codeOf(await connect({ servers, operators: ['junk'] }))).toBe('INVALID_DID')
  await expect(connect({ servers, operators: 'junk' } as never)).rejects.toThrow(TypeError)
})
