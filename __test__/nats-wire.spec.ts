// The way to the server: TLS, and one that is slow or stands still.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent } from '@private.me/autogen'
import { connect, type ConnectOptions, type NatsBus } from '@private.me/autogen/nats'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { certificate } from './helpers/certificate'
import { broker, type Broker } from './helpers/nats-server'
import { codeOf, valueOf } from './helpers/result'
import { wayTo, type Way } from './helpers/tcp-way'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function on(options: ConnectOptions): Promise<NatsBus> {
  let connected = await connect(options)
  // A busy machine may take longer for a handshake than the server waits.
  while (codeOf(connected) === 'BROKER_UNAVAILABLE') connected = await connect(options)
  const bus = valueOf(connected)
  open.push(() => bus.close())
  return bus
}

const agent = (bus: NatsBus, name: string): AutoGenxBindAgent =>
  new AutoGenxBindAgent({ name, agentOptions: { bus, timeoutMs: 20_000 } })

async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: 40_000, interval: 20 }).toBe(true)
}

describe('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-tls-'))
  const other = mkdtempSync(join(tmpdir(), 'xbind-nats-tls-'))
  const file = (name: string): string => join(folder, name)
  const ca = certificate(folder, 'authority').cert
  const stranger = certificate(other, 'authority').cert
  const own = certificate(folder, 'client')
  certificate(folder, 'localhost')
  afterAll(() => [folder, other].forEach((each) => rmSync(each, { recursive: true })))

  async function serving(...more: string[]): Promise<string> {
    const pair = ['--tls', '--tlscert', file('localhost.pem'), '--tlskey', file('localhost.key')]
    const server = await broker(-1, ...pair, ...more)
    open.push(() => server.kill())
    return `tls://localhost:${server.port}`
  }

  test('a server is believed by the authority that is named, under its own name', async () => {
    const servers = await serving()
    const [here, there] = [await on({ servers, tls: { ca } }), await on({ servers, tls: { ca } })]
    agent(there, 'writer').handle(({ payload }) => payload)
    await until(() => here.agents().length === 1)
    expect(valueOf(await agent(here, 'asker').call('writer', 1))).toBe(1)
    for (const wrong of [
      { servers },
      { servers, tls: {} },
      { servers, tls: { ca: stranger } },
      { servers: servers.replace('localhost', '127.0.0.1'), tls: { ca } },
    ])
      expect(codeOf(await connect(wrong)), JSON.stringify(wrong).slice(0, 60)).toBe('BROKER_UNAVAILABLE')
  })

  test('a server that wants a certificate is shown one', async () => {
    const servers = await serving('--tlsverify', '--tlscacert', file('authority.pem'))
    await on({ servers, tls: { ca, ...own } })
    expect(codeOf(await connect({ servers, tls: { ca } }))).toBe('BROKER_UNAVAILABLE')
  })

  test('where it is asked for, nothing is said without it', async () => {
    const plain = await broker()
    open.push(() => plain.kill())
    expect(codeOf(await connect({ servers: plain.url, tls: { ca } }))).toBe('BROKER_UNAVAILABLE')
  })
})

describe('a slow server', () => {
  let server: Broker
  beforeAll(async () => {
    server = await broker()
  })
  afterAll(() => server.kill())

  /** A way to it on which everything takes its time, and that can be made to stand still. */
  async function slow(delayMs: number): Promise<Way & { url: string }> {
    const way = await wayTo(server.port, () => delayMs)
    open.push(() => way.close())
    return { ...way, url: `nats://127.0.0.1:${way.port}` }
  }

  test('every call is answered, or ends in its own time; none is run twice', async () => {
    const way = await slow(100)
    const [here, there] = [await on({ servers: way.url }), await on({ servers: way.url })]
    const asker = agent(here, 'asker')
    const handled: unknown[] = []
    agent(there, 'writer').handle(({ payload }) => {
      handled.push(payload)
      return payload
    })
    await until(() => here.agents().length === 2)
    const calls = Array.from({ length: 50 }, (_, n) => asker.call('writer', n))
    expect((await Promise.all(calls)).map(valueOf)).toEqual(calls.map((_, n) => n))

    way.hold()
    expect(codeOf(await asker.call('writer', 'held', { timeoutMs: 500 }))).toBe('TIMEOUT')
    const waiting = asker.call('writer', 'patient')
    await new Promise((resolve) => setTimeout(resolve, 1000))
    way.release()
    expect(valueOf(await waiting)).toBe('patient')
    expect(valueOf(await asker.call('writer', 'after'))).toBe('after')
    expect(new Set(handled).size).toBe(handled.length)
    expect(here.status).toBe('connected')
  })
})
