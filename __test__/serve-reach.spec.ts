// How addresses are reached: https by an authority of one's own, a proxy where one is named, and cards that name addresses.
import { AutoGenxBindAgent, Identity, MessageBus, verifyCard, type HttpReach } from '@private.me/autogen'
import { serveAgents } from '@private.me/autogen/http'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { connect, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { certificate } from './helpers/certificate'
import { errorOf, valueOf } from './helpers/result'

const folder = mkdtempSync(join(tmpdir(), 'xbind-reach-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const ca = certificate(folder, 'authority').cert
const server = certificate(folder, 'localhost')
const elsewhere = mkdtempSync(join(tmpdir(), 'xbind-reach-'))
afterAll(() => rmSync(elsewhere, { recursive: true, force: true }))
const other = certificate(elsewhere, 'authority').cert

const open: (() => void)[] = []
afterEach(() => open.splice(0).forEach((close) => close()))

async function listening(made: Server & { closeAllConnections?: () => void }): Promise<number> {
  made.listen(0, '127.0.0.1')
  await once(made, 'listening')
  open.push(() => {
    made.closeAllConnections?.()
    made.close()
  })
  return (made.address() as AddressInfo).port
}

function agent(http?: HttpReach, options = {}): AutoGenxBindAgent {
  const bus = new MessageBus(http === undefined ? {} : { http })
  const made = new AutoGenxBindAgent({ agentOptions: { bus, timeoutMs: 20_000, ...options } })
  open.push(() => made.close())
  return made
}

async function mounted(secure = true) {
  const callee = agent()
  callee.handle(({ payload }) => payload)
  callee.handle('count', async function* ({ payload }) {
    for (let n = 0; n < (payload as number); n++) yield n
  })
  const answer = serveAgents([callee], { path: '/agents' })
  const port = await listening(secure ? createHttps(server, answer) : createHttp(answer))
  return { did: callee.getDID(), url: `http${secure ? 's' : ''}://localhost:${port}/agents` }
}

/** A proxy that makes tunnels, and what it was asked for. */
async function proxy(
  refuse = false,
): Promise<{ port: number; asked: string[]; authorization: (string | undefined)[] }> {
  const [asked, authorization] = [[] as string[], [] as (string | undefined)[]]
  const made = createHttp((_, response) => response.writeHead(405).end())
  made.on('connect', (request, client, head) => {
    asked.push(request.url ?? '')
    authorization.push(request.headers['proxy-authorization'])
    if (refuse) {
      client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
      return
    }
    const port = Number(request.url?.split(':').at(-1))
    const there = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      there.write(head)
      there.pipe(client)
      client.pipe(there)
    })
    for (const [one, other] of [
      [client, there],
      [there, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
    open.push(() => there.destroy())
  })
  return { port: await listening(made), asked, authorization }
}

describe('https', () => {
  test('end to end, by an authority that the caller believes', async () => {
    const place = await mounted()
    const caller = agent({ ca })
    expect(valueOf(await caller.call(place, 'hello'))).toBe('hello')
    expect(valueOf(await caller.call(place.url, 'by url'))).toBe('by url')
    const numbers: number[] = []
    for await (const n of caller.stream<number>(place, 500, { method: 'count' })) numbers.push(n)
    expect(numbers).toHaveLength(500)
    expect(errorOf(await agent().call(place, 1))).toMatchObject({ code: 'AGENT_NOT_FOUND', handled: 'no' })
    const byAddress = { ...place, url: place.url.replace('localhost', '127.0.0.1') }
    expect(errorOf(await caller.call(byAddress, 1))).toMatchObject({ code: 'AGENT_NOT_FOUND', handled: 'no' })
    const unknown = errorOf(await agent({ ca: other }).call(place, 1))
    expect([unknown.code, unknown.message]).toEqual(['AGENT_NOT_FOUND', expect.stringContaining('the certificate')])
    expect(valueOf(await agent({ ca: [other, ca] }).call(place, 1))).toBe(1)
  })
})

describe('a proxy', () => {
  test('is asked for a tunnel by https and http, and sees nothing else', async () => {
    const through = await proxy()
    const [secure, plain] = [await mounted(), await mounted(false)]
    const caller = agent({ ca, proxy: `http://me:secret@127.0.0.1:${through.port}` })
    for (const place of [secure, plain]) {
      const numbers: number[] = []
      for await (const n of caller.stream<number>(place, 100, { method: 'count' })) numbers.push(n)
      expect(numbers).toHaveLength(100)
      expect(valueOf(await caller.call(place.url, 1))).toBe(1)
    }
    expect(new Set(through.asked)).toEqual(new Set([secure, plain].map(({ url }) => new URL(url).host)))
    const said = `Basic ${Buffer.from('me:secret').toString('base64')}`
    expect(new Set(through.authorization)).toEqual(new Set([said]))
  })

  test('that refuses, or is not there, means that nothing has left', async () => {
    const place = await mounted(false)
    const through = await proxy(true)
    for (const port of [through.port, 1]) {
      const answer = await agent({ proxy: `http://127.0.0.1:${port}` }).call(place, 1)
      expect(errorOf(answer)).toMatchObject({ code: 'AGENT_NOT_FOUND', handled: 'no' })
    }
    expect(through.asked.length).toBeGreaterThan(0)
  })

  test('is left out for what it is not for, and of the environment only where that is asked', async () => {
    const place = await mounted(false)
    const through = await proxy()
    const url = `http://127.0.0.1:${through.port}`
    const before = { ...process.env }
    try {
      Object.assign(process.env, { HTTPS_PROXY: url, https_proxy: url, HTTP_PROXY: url, ALL_PROXY: url, NO_PROXY: '' })
      expect(valueOf(await agent().call(place, 1))).toBe(1)
      expect(valueOf(await agent({ proxy: { url, except: ['localhost'] } }).call(place, 2))).toBe(2)
      expect(through.asked).toEqual([])
      expect(valueOf(await agent({ proxy: 'environment' }).call(place, 3))).toBe(3)
      expect(through.asked.length).toBeGreaterThan(0)
      const unused = await proxy()
      const there = `http://127.0.0.1:${unused.port}`
      Object.assign(process.env, { HTTPS_PROXY: there, https_proxy: there, NO_PROXY: '.example, localhost' })
      expect(valueOf(await agent({ proxy: 'environment' }).call(place, 4))).toBe(4)
      expect(unused.asked).toEqual([])
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
      Object.assign(process.env, before)
    }
  })

  test('options that are none are refused', () => {
    for (const http of [null, 7, '', false, [], { proxy: null }, { proxy: 7 }, { proxy: {} }, { prox: 'http://a' }]) {
      expect(() => new MessageBus({ http } as never), JSON.stringify(http)).toThrow(TypeError)
    }
    for (const http of [{ ca: null }, { ca: 7 }, { ca: [7] }, { proxy: { url: 'http://a', excep: [] } }, { ca: {} }]) {
      expect(() => new MessageBus({ http } as never), JSON.stringify(http)).toThrow(TypeError)
    }
    for (const http of [
      { proxy: '' },
      { proxy: 'socks5://a' },
      { proxy: 'a:3128' },
      { proxy: 'Environment' },
      { proxy: { url: 'http://a', except: ['10.0.0.0/8'] } },
      { ca: '' },
      { ca: 'none' },
      { ca: [ca, 'none'] },
    ]) {
      expect(() => new MessageBus({ http }), JSON.stringify(http)).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG' }) as Error,
      )
    }
    const said = (http: HttpReach): string => {
      try {
        return `${new MessageBus({ http }).agents().length}`
      } catch (error) {
        return `${(error as Error).message} ${(error as { hint?: string }).hint}`
      }
    }
    expect(said({ proxy: 'socks5://a' })).toContain('by http or https only')
    expect(said({ proxy: { url: 'http://a', except: ['b.example', '10.0.0.0/8'] } })).toContain(
      'left out for "10.0.0.0/8"',
    )
    expect(said({ ca: 'none' })).toContain('BEGIN CERTIFICATE')
    let reads = 0
    const once = { get proxy() { return (reads += 1) === 1 ? 'http://127.0.0.1:1' : 7 } } // prettier-ignore
    expect(new MessageBus({ http: once as never })).toBeInstanceOf(MessageBus)
    expect(reads).toBe(1)
  })
})

describe('addresses of one’s own', () => {
  test('stand in the card, signed', async () => {
    const addresses = ['https://agents.example/writer', 'nats://nats.example/']
    const callee = agent(undefined, { addresses })
    addresses.push('https://later.example/')
    const card = valueOf(await callee.describe())
    expect(card.addresses).toEqual(['https://agents.example/writer', 'nats://nats.example/'])
    expect(valueOf(verifyCard(card.jws)).addresses).toEqual(card.addresses)
    expect(valueOf(await agent().describe()).addresses).toEqual([])
    const server = createHttp(serveAgents([callee]))
    const seen = valueOf(await agent().describe(`http://127.0.0.1:${await listening(server)}/`))
    expect(seen.addresses).toEqual(card.addresses)
    expect(seen.session).toMatch(/^[\w-]{22}$/)
    expect(JSON.stringify(valueOf(verifyCard(seen.jws)))).not.toContain('session')
  })

  test('that no card can name are refused, and nobody joins', () => {
    const bus = new MessageBus()
    const make = (addresses: unknown) => () =>
      new AutoGenxBindAgent({ identityProvider: Identity.generate(), agentOptions: { bus, addresses } as never })
    for (const addresses of [null, 'https://a/', 7, [7], {}]) expect(make(addresses)).toThrow(TypeError)
    for (const addresses of [
      ['a'],
      ['https://a b/'],
      ['https://u@a/'],
      ['https://a/', 'https://a/'],
      [''],
      Array.from({ length: 17 }, (_, n) => `https://a/${n}`),
    ])
      // prettier-ignore
      expect(make(addresses), String(addresses)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }) as Error)
    expect(bus.agents()).toEqual([])
    expect(make([])()).toBeInstanceOf(AutoGenxBindAgent)
  })
})
