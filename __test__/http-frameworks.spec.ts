// Signed requests over real sockets in every framework: what is let through is whole, new and for this server.
import { Identity } from '@private.me/autogen'
import { createFetch, signRequestHeaders, verifyResponse, type RequestSigning } from '@private.me/autogen/http'
import { issueToken, RevocationList } from '@private.me/autogen/tokens'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { frameworks, start, type Service } from './helpers/frameworks.ts'
import { raw, send, sendRaw, type Answer } from './helpers/http.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const [issuer, agent, server] = [Identity.generate(), Identity.generate(), Identity.generate()]
const json = { 'content-type': 'application/json' }
const text = '{"item":"a lamp"}'

interface Signed {
  method: string
  path: string
  headers: Record<string, string>
  body?: string | Uint8Array
}

interface Told {
  code?: string
  title?: string
  status?: number
  detail?: string
  agent?: { did: string; scopes: string[]; chain: string[] }
  frozen?: boolean
  body?: unknown
}

const told = ({ text }: Answer): Told => JSON.parse(text) as Told
const now = (): number => Math.floor(Date.now() / 1000)

describe.each(frameworks)('%s', (framework) => {
  let here: Service
  let before = 0
  beforeAll(async () => {
    here = await start(framework)
  })
  beforeEach(() => (before = here.runs()))
  afterAll(() => here.close())

  function signed(
    path = '/orders?draft=1',
    init: Partial<Signed> = {},
    options: RequestSigning = {},
    at = here,
  ): Signed {
    const { method = 'POST', headers = json, body = text } = init
    const whole = { method, path, headers, ...(method !== 'GET' && method !== 'HEAD' && { body }) }
    const bytes = whole.body === undefined ? undefined : Buffer.from(whole.body)
    const request = { method, url: `${at.url}${path}`, headers, ...(bytes && { body: bytes }) }
    return { ...whole, headers: { ...headers, ...valueOf(signRequestHeaders(agent, request, options)) } }
  }
  const get = (path: string, options: RequestSigning = {}, at = here): Signed =>
    signed(path, { method: 'GET', headers: {} }, options, at)
  const tried = async (request: Signed): Promise<string> => {
    const answer = await send(here.port, request)
    return answer.status === 200 ? 'ok' : `${answer.status} ${told(answer).code}`
  }

  test('who has signed is told to the route, frozen, with the body that was signed', async () => {
    const answer = await send(here.port, signed())
    expect(answer.status).toBe(200)
    expect(told(answer)).toEqual({
      agent: { did: agent.did, scopes: [], chain: [] },
      frozen: true,
      body: { item: 'a lamp' },
    })
    expect(told(await send(here.port, get('/orders'))).body).toBeUndefined()
  })

  test('behind a prefix, and with a trailing slash where it was signed with one', async () => {
    expect(await tried(signed('/api/orders'))).toBe('ok')
    expect(await tried({ ...signed('/api/orders'), path: '/orders' })).toBe('401 INVALID_SIGNATURE')
    expect(await tried({ ...signed('/orders'), path: '/api/orders' })).toBe('401 INVALID_SIGNATURE')
    expect(await tried({ ...signed('/orders'), path: '/orders/' })).toBe('401 INVALID_SIGNATURE')
  })

  test('a signature moved to another method, path, query, body, media type or host', async () => {
    const moved: Partial<Signed>[] = [
      { method: 'PUT' },
      { path: '/orders?draft=0' },
      { path: '/orders' },
      { path: '/ORDERS?draft=1' },
      { path: '//orders?draft=1' },
      { body: '{"item":"a yacht"}' },
      { body: '' },
    ]
    for (const change of moved) expect(await tried({ ...signed(), ...change })).toBe('401 INVALID_SIGNATURE')
    const other = signed()
    expect(await tried({ ...other, headers: { ...other.headers, 'content-type': 'text/plain' } })).toBe(
      '401 INVALID_SIGNATURE',
    )
    const elsewhere = signed()
    expect(await tried({ ...elsewhere, headers: { ...elsewhere.headers, host: 'evil.example' } })).toBe(
      '401 WRONG_AUDIENCE',
    )
    const forwarded = get('/orders')
    const headers = { ...forwarded.headers, host: 'evil.example', 'x-forwarded-host': here.authority }
    expect(await tried({ ...forwarded, headers })).toBe('401 WRONG_AUDIENCE')
    expect(here.runs()).toBe(before)
  })

  test('unsigned, without a component, expired, from the future', async () => {
    const bare = { method: 'GET', path: '/orders', headers: {} }
    const answer = await send(here.port, bare)
    expect(answer.status).toBe(401)
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(answer.headers['www-authenticate']).toBe('Signature profile="xbind"')
    expect(answer.headers['accept-signature']).toContain('tag="xbind"')
    expect(told(answer)).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'INVALID_SIGNATURE',
      detail: 'the message bears no signature of this profile',
    })
    for (const name of ['"@method" ', '"@query" ', '"content-digest" ']) {
      const less = signed()
      const input = less.headers['signature-input']?.replace(name, '') ?? ''
      expect(await tried({ ...less, headers: { ...less.headers, 'signature-input': input } })).toBe(
        '401 INVALID_SIGNATURE',
      )
    }
    expect(await tried(get('/orders', { now: now() - 500 }))).toBe('401 MESSAGE_EXPIRED')
    expect(await tried(get('/orders', { now: now() + 60 }))).toBe('401 MESSAGE_NOT_YET_VALID')
    expect(here.runs()).toBe(before)
  })

  test('64 copies at once: one wins', async () => {
    const request = signed()
    const answers = await Promise.all(Array.from({ length: 64 }, () => tried(request)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
    expect(new Set(answers)).toEqual(new Set(['ok', '409 REPLAYED']))
    expect(here.runs()).toBe(before + 1)
  })

  test('as bytes: two hosts, other targets, folded and doubled fields, two signatures', async () => {
    const { headers } = signed('/orders', { method: 'GET', headers: {} })
    const lines = (more: [string, string][] = []): [string, string][] => [
      ['Host', here.authority],
      ...Object.entries(headers),
      ...more,
    ]
    const status = async (target: string, fields: [string, string][], method = 'GET'): Promise<number> =>
      Number((await sendRaw(here.port, raw(method, target, fields))).split(' ')[1])
    expect(await status('/orders', lines([['Host', 'evil.example']]))).toBe(400)
    expect(await status(`http://${here.authority}/orders`, lines())).toBe(400)
    expect(await status('http://evil.example/orders', lines())).toBe(400)
    expect(await status('/x/%2e%2e/orders', lines())).toBe(400)
    expect(await status('/x/../orders', lines())).toBe(400)
    expect(await status('/orders?', lines())).toBe(400)
    expect(await status('/orders', lines([['Signature', headers.signature ?? '']]))).toBe(400)
    expect(await status('/orders', lines([['Signature-Input', headers['signature-input'] ?? '']]))).toBe(400)
    expect(
      await status(
        '/orders',
        lines([
          ['Content-Type', 'a/b'],
          ['Content-Type', 'c/d'],
        ]),
      ),
    ).toBe(400)
    expect(await status('/orders', lines([['X-Folded', 'a\r\n b']]))).toBe(400)
    expect(here.runs()).toBe(before)
    expect(await status('/orders', lines())).toBe(200)
  })

  test('HEAD is signed as HEAD; OPTIONS is let through signed only', async () => {
    const head = signed('/orders', { method: 'HEAD', headers: {} })
    expect((await send(here.port, head)).status).toBe(200)
    expect((await send(here.port, { ...get('/orders'), method: 'HEAD' })).status).toBe(401)
    expect((await send(here.port, { method: 'OPTIONS', path: '/orders', headers: {} })).status).toBe(401)
  })

  test('a body beyond the limit, compressed, or in pieces', async () => {
    const small = await start(framework, { maxBodyBytes: 100 })
    const large = signed('/orders', { body: JSON.stringify('a'.repeat(200)) }, {}, small)
    expect((await send(small.port, large)).status).toBe(413)
    small.close()

    const zipped = signed('/orders', { body: gzipSync(text), headers: { ...json, 'content-encoding': 'gzip' } })
    const swapped = { ...zipped, body: gzipSync('{"item":"a yacht"}') }
    expect(await tried(swapped)).toBe('401 INVALID_SIGNATURE')

    const many = JSON.stringify({ item: 'a'.repeat(90_000) }) // beyond what a stream holds at once
    expect(told(await send(here.port, signed('/orders', { body: many }))).body).toEqual(JSON.parse(many))

    const { headers } = signed('/orders')
    const socket = connect(here.port, '127.0.0.1')
    const fields = Object.entries({
      host: here.authority,
      ...headers,
      'transfer-encoding': 'chunked',
      connection: 'close',
    })
    const answer = new Promise<string>((resolve) => {
      let all = ''
      socket.on('data', (chunk: Buffer) => (all += chunk.toString())).on('close', () => resolve(all))
    })
    socket.write(`POST /orders HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    for (const byte of text) {
      socket.write(`1\r\n${byte}\r\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.write('0\r\n\r\n')
    expect(await answer).toMatch(/^HTTP\/1.1 200 [^]*a lamp/)
  })

  test('a body that does not come is not waited for beyond its signature', async () => {
    let clock = now()
    const slow = await start(framework, { now: () => clock, clockSkewSeconds: 0 })
    const { headers } = signed('/orders', {}, { ttlSeconds: 1, now: clock }, slow)
    clock += 1
    const fields = Object.entries({ host: slow.authority, ...headers, 'content-length': `${text.length}` })
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const answer = await sendRaw(slow.port, `POST /orders HTTP/1.1\r\n${lines}\r\n{`)
    expect(answer).toMatch(/^HTTP\/1.1 401 [^]*MESSAGE_EXPIRED/)
    slow.close()
  })

  test('requests of one connection, sent at once', async () => {
    const bytes = Array.from({ length: 5 }, (_, i) => {
      const { headers, path } = signed(`/orders?n=${i}`)
      const fields = Object.entries({ host: here.authority, ...headers, 'content-length': `${text.length}` })
      if (i === 4) fields.push(['connection', 'close'])
      const body = i === 2 ? text.replace('lamp', 'ship') : text
      return `POST ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
    })
    const answers = await sendRaw(here.port, bytes.join(''))
    const statuses = [...answers.matchAll(/HTTP\/1.1 (\d+) /g)].map(([, status]) => status)
    if (framework === 'node:http') expect(statuses).toEqual(['200', '200', '401'])
    else expect(statuses).toEqual(['200', '200', '401', '200', '200'])
  })

  test('what a handler throws is its own', async () => {
    expect((await send(here.port, get('/broken'))).status).toBe(500)
  })

  test('tokens: scopes of the verifier and of the route, revocations', async () => {
    const revocations = new RevocationList()
    const guarded = await start(framework, { trust: [issuer.did], audience: 'shop', scopes: ['order'], revocations })
    const token = (...scopes: string[]): string =>
      valueOf(issueToken(issuer, { subject: agent.did, audience: 'shop', scopes }))
    const asked = async (path: string, options: RequestSigning): Promise<Answer> =>
      send(guarded.port, signed(path, {}, options, guarded))
    const order = await asked('/orders', { token: token('order') })
    expect(told(order).agent).toEqual({ did: agent.did, scopes: ['order'], chain: [issuer.did, agent.did] })
    const without = await asked('/orders', {})
    expect([without.status, told(without).code]).toEqual([403, 'SCOPE_DENIED'])
    const denied = await asked('/admin', { token: token('order') })
    expect([denied.status, told(denied).code]).toEqual([403, 'SCOPE_DENIED'])
    expect((await asked('/admin', { token: token('order', 'admin') })).status).toBe(200)
    valueOf(revocations.revokeDID(agent.did))
    const revoked = await asked('/orders', { token: token('order') })
    expect([revoked.status, told(revoked).code]).toEqual([403, 'REVOKED'])
    guarded.close()
  })

  test('answers are signed for their request, refusals too', async () => {
    const signing = await start(framework, {}, { sign: server })
    const fetching = createFetch(agent, { responder: server.did })
    const answer = await fetching(`${signing.url}/orders`, { method: 'POST', headers: json, body: text })
    expect([answer.status, ((await answer.json()) as Told).body]).toEqual([200, { item: 'a lamp' }])
    expect((await fetching(`${signing.url}/orders`, { method: 'HEAD' })).status).toBe(200)
    expect((await fetching(`${signing.url}/broken`)).status).toBe(500)

    const [first, second] = [get('/orders?n=1', {}, signing), get('/orders?n=2', {}, signing)]
    const { status, headers, text: body } = await send(signing.port, first)
    const plain = ({
      method,
      path,
      headers,
    }: Signed): { method: string; url: string; headers: Record<string, string> } => ({
      method,
      url: `${signing.url}${path}`,
      headers,
    })
    const response = { status, headers, body: Buffer.from(body) }
    expect(codeOf(await verifyResponse(response, plain(first), { from: server.did }))).toBe('ok')
    expect(codeOf(await verifyResponse(response, plain(second), { from: server.did }))).toBe('INVALID_SIGNATURE')
    const refused = await send(signing.port, first)
    const refusal = { status: refused.status, headers: refused.headers, body: Buffer.from(refused.text) }
    expect(refused.status).toBe(409)
    expect(codeOf(await verifyResponse(refusal, plain(first), { from: server.did }))).toBe('ok')
    signing.close()
  })
})
