// What a thief of requests can do, over real sockets: each try is refused, with its code.
import { connect } from 'node:net'
import { Identity } from '@private.me/autogen'
import {
  createFetch,
  RequestVerifier,
  signRequestHeaders,
  signResponseHeaders,
  verifyResponse,
  type HttpRequest,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { listen, raw, send, sendRaw, type Listening } from './helpers/http.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const [identity, server, body] = [Identity.generate(), Identity.generate(), '{"amount":12}']

let here: Listening
let verifier: RequestVerifier
let accepted = 0

beforeAll(async () => {
  here = await listen(async (request, response) => {
    const verified = await verifier.verify(request)
    if (verified.ok) accepted += 1
    const text = verified.ok ? `ok ${Buffer.from(verified.value.body).toString()}` : codeOf(verified)
    const plain = {
      status: verified.ok ? 200 : 401,
      headers: { 'content-type': 'text/plain' },
      body: Buffer.from(text),
    }
    const signed = verified.ok ? valueOf(signResponseHeaders(server, plain, request)) : {}
    response.writeHead(plain.status, { ...plain.headers, ...signed })
    response.end(text)
  })
})
afterAll(() => here.close())

const fresh = (options: Partial<RequestVerifierOptions> = {}): void => {
  verifier = new RequestVerifier({
    authorities: [here.authority],
    dangerouslyAcceptReplayAfterRestart: true,
    ...options,
  })
  accepted = 0
}
beforeEach(() => fresh())

interface Signed {
  method: string
  path: string
  headers: Record<string, string>
  body: string
}

function signed(options: Parameters<typeof signRequestHeaders>[2] = {}, path = '/orders?draft=1'): Signed {
  const headers = { 'content-type': 'application/json' }
  const request = { method: 'POST', url: `${here.url}${path}`, headers, body: Buffer.from(body) }
  return {
    method: 'POST',
    path,
    headers: { ...headers, ...valueOf(signRequestHeaders(identity, request, options)) },
    body,
  }
}

const sent = async (request: Signed): Promise<string> => (await send(here.port, request)).text
const now = (): number => Math.floor(Date.now() / 1000)

test('a signed request is accepted, and its body is what was signed', async () => {
  expect(await sent(signed())).toBe(`ok ${body}`)
})

test('another method, path, query, body or media type', async () => {
  expect(await sent({ ...signed(), method: 'PUT' })).toBe('INVALID_SIGNATURE')
  expect(await sent({ ...signed(), path: '/refunds?draft=1' })).toBe('INVALID_SIGNATURE')
  expect(await sent({ ...signed(), path: '/orders?draft=0' })).toBe('INVALID_SIGNATURE')
  expect(await sent({ ...signed(), path: '/orders' })).toBe('INVALID_SIGNATURE')
  expect(await sent({ ...signed(), body: '{"amount":99}' })).toBe('INVALID_SIGNATURE')
  expect(await sent({ ...signed(), body: '' })).toBe('INVALID_SIGNATURE')
  const other = signed()
  expect(await sent({ ...other, headers: { ...other.headers, 'content-type': 'text/html' } })).toBe('INVALID_SIGNATURE')
  expect(accepted).toBe(0)
})

test('the signature of another request', async () => {
  const [one, two] = [signed({}, '/a'), signed({}, '/b')]
  expect(await sent({ ...one, headers: { ...one.headers, signature: two.headers.signature ?? '' } })).toBe(
    'INVALID_SIGNATURE',
  )
  expect(await sent({ ...two, path: '/a' })).toBe('INVALID_SIGNATURE')
})

test('a component that is left out', async () => {
  for (const name of ['@method', '@authority', '@path', '@query', 'content-digest', 'content-type']) {
    const request = signed()
    const input = (request.headers['signature-input'] ?? '').replace(`"${name}" `, '').replace(` "${name}"`, '')
    expect(await sent({ ...request, headers: { ...request.headers, 'signature-input': input } })).toBe(
      'INVALID_SIGNATURE',
    )
  }
})

test('an old one and one from the future', async () => {
  expect(await sent(signed({ now: now() - 120 }))).toBe('MESSAGE_EXPIRED')
  expect(await sent(signed({ now: now() + 120 }))).toBe('MESSAGE_NOT_YET_VALID')
  fresh({ maxAgeSeconds: 10 })
  expect(await sent(signed({ now: now() - 60, ttlSeconds: 300 }))).toBe('MESSAGE_EXPIRED')
})

test('another host: two names of one server are not one', async () => {
  const request = signed()
  const headers = { ...request.headers, host: `localhost:${here.port}` }
  expect(await sent({ ...request, headers })).toBe('WRONG_AUDIENCE')
  fresh({ authorities: [here.authority, `localhost:${here.port}`] })
  expect(await sent({ ...request, headers })).toBe('INVALID_SIGNATURE')
})

test('64 copies at once: one wins', async () => {
  const request = signed()
  const answers = await Promise.all(Array.from({ length: 64 }, () => sent(request)))
  expect(answers.filter((text) => text === `ok ${body}`)).toHaveLength(1)
  expect(answers.filter((text) => text === 'REPLAYED')).toHaveLength(63)
  expect(await sent(request)).toBe('REPLAYED')
})

test('64 copies at once, at replicas that share a store: one wins', async () => {
  const seen = new Set<string>()
  let asked = 0
  const nonces = {
    claim: async (key: string, until: number) => {
      asked += 1
      await new Promise((resolve) => setImmediate(resolve))
      expect(until).toBeGreaterThan(now())
      return !seen.has(key) && seen.add(key).size > 0
    },
  }
  const replicas = Array.from({ length: 8 }, () => new RequestVerifier({ authorities: [here.authority], nonces }))
  const { method, path, headers } = signed()
  const request: HttpRequest = { method, url: `${here.url}${path}`, headers, body: Buffer.from(body) }
  const verdicts = await Promise.all(Array.from({ length: 64 }, async (_, n) => replicas[n % 8]?.verify(request)))
  expect(verdicts.filter((verdict) => verdict?.ok)).toHaveLength(1)
  expect(asked).toBe(8) // what a replica has seen itself it asks nobody about
})

test('in its last second, when a store has let it go by its own clock: one wins', async () => {
  const skew = 5
  const until = now()
  const kept = new Map<string, number>()
  // As Redis does: what is to expire in the past is not kept. Its clock is ahead by as much as clocks may be.
  const redisNow = until + 0.999 + skew
  const nonces = {
    claim: (key: string, expiry: number) => {
      if ((kept.get(key) ?? 0) > redisNow) return false
      if (expiry > redisNow) kept.set(key, expiry)
      return true
    },
  }
  const options = { authorities: [here.authority], nonces, now: () => until, clockSkewSeconds: skew }
  const { method, path, headers } = signed({ now: until - 60 - skew })
  const request: HttpRequest = { method, url: `${here.url}${path}`, headers, body: Buffer.from(body) }
  expect(codeOf(await new RequestVerifier(options).verify(request))).toBe('ok')
  expect(codeOf(await new RequestVerifier(options).verify(request))).toBe('REPLAYED')
})

test('a store that fails, or says neither yes nor no, refuses', async () => {
  for (const claim of [() => Promise.reject(new Error('down')), () => 'OK' as never, () => undefined as never]) {
    fresh({ nonces: { claim }, dangerouslyAcceptReplayAfterRestart: false })
    expect(await sent(signed())).toBe('REPLAY_WINDOW_FULL')
  }
})

test('after a restart: what was signed before is refused, unless a store remembers', async () => {
  let time = now()
  const options = { authorities: [here.authority], now: () => time, clockSkewSeconds: 5 }
  const begun = new RequestVerifier(options)
  const asked = async (at: number): Promise<string> => {
    const { method, path, headers } = signed({ now: at })
    return codeOf(await begun.verify({ method, url: `${here.url}${path}`, headers, body: Buffer.from(body) }))
  }
  expect(await asked(time - 1)).toBe('REPLAYED')
  expect(await asked(time + 5)).toBe('REPLAYED')
  time += 6
  expect(await asked(time)).toBe('ok')
  expect(await asked(time - 1)).toBe('REPLAYED')
})

test('a forged or changed copy first: the genuine one still passes', async () => {
  const request = signed()
  expect(await sent({ ...request, body: '{}' })).toBe('INVALID_SIGNATURE')
  expect(await sent({ ...request, path: '/' })).toBe('INVALID_SIGNATURE')
  expect(await sent(request)).toBe(`ok ${body}`)
})

test('two signatures: of two profiles, each for its verifier; of one, none', async () => {
  const request = signed()
  const url = `${here.url}${request.path}`
  const plain = { method: 'POST', url, headers: request.headers, body: Buffer.from(body) }
  const both = valueOf(signRequestHeaders(identity, plain, { profile: 'wba-legacy' }))
  const headers = { ...request.headers, ...both }
  expect(await sent({ ...request, headers })).toBe(`ok ${body}`)
  fresh({ profile: 'wba-legacy', keys: [identity.did] })
  expect(await sent({ ...request, headers })).toBe(`ok ${body}`)
  const again = signRequestHeaders(identity, { method: 'POST', url, headers, body: Buffer.from(body) })
  expect(codeOf(again)).toBe('INVALID_CONFIG')

  fresh()
  const other = signed()
  const twice = {
    ...request.headers,
    'signature-input': `${request.headers['signature-input']}, ${other.headers['signature-input']?.replace('xbind=', 'second=')}`,
    signature: `${request.headers.signature}, ${other.headers.signature?.replace('xbind=', 'second=')}`,
  }
  expect(await sent({ ...request, headers: twice })).toBe('MALFORMED_MESSAGE')
})

test('as bytes on the wire: two hosts, other targets, folded and doubled fields', async () => {
  const lines = (request: Signed, host = here.authority): [string, string][] => [
    ['Host', host],
    ...Object.entries(request.headers),
  ]
  const tried = async (target: string, fields: [string, string][]): Promise<string> => {
    const answer = await sendRaw(here.port, raw('POST', target, fields, body))
    return (
      answer
        .split('\r\n\r\n')[1]
        ?.split('\r\n')
        .find((line) => /[A-Za-z]{2}/.test(line)) ?? answer
    )
  }
  const path = '/orders?draft=1'
  expect(await tried(path, lines(signed()))).toBe(`ok ${body}`)
  expect(await tried(path, [...lines(signed()), ['Host', 'evil.example']])).toBe('MALFORMED_MESSAGE')
  expect(await tried(path, [...lines(signed()), ['host', here.authority]])).toBe('MALFORMED_MESSAGE')
  expect(await tried(`${here.url}${path}`, lines(signed()))).toBe('MALFORMED_MESSAGE')
  expect(await tried(`http://evil.example${path}`, lines(signed()))).toBe('MALFORMED_MESSAGE')
  expect(await tried('/a/%2e%2e/orders?draft=1', lines(signed()))).toBe('MALFORMED_MESSAGE')
  expect(await tried('/a/../orders?draft=1', lines(signed()))).toBe('MALFORMED_MESSAGE')
  expect(await tried('/orders?', lines(signed({}, '/orders')))).toBe('MALFORMED_MESSAGE')
  expect(await tried(path, [...lines(signed()), ['Content-Type', 'text/html']])).toBe('MALFORMED_MESSAGE')
  expect(await tried(path, [...lines(signed()), ['Content-Digest', 'sha-256=:AAAA:']])).toBe('MALFORMED_MESSAGE')
  expect(await tried(path, [...lines(signed()), ['Xbind-Token', 'a.b.c']])).toBe('INVALID_SIGNATURE')
  // Node refuses what is folded before anybody sees it.
  expect(await sendRaw(here.port, raw('POST', path, [...lines(signed()), ['X-A', 'one\r\n two']], body))).toMatch(
    /400|MALFORMED/,
  )
  const upper = lines(signed()).map(([name, value]): [string, string] => [name.toUpperCase(), value])
  expect(await tried(path, upper)).toBe(`ok ${body}`)
})

test('a body over the limit is refused, announced or not, and is not read on', async () => {
  fresh({ maxBodyBytes: 12 })
  expect(await sent(signed())).toBe('PAYLOAD_TOO_LARGE')
  fresh({ maxBodyBytes: 13 })
  expect(await sent(signed())).toBe(`ok ${body}`)
  fresh({ maxBodyBytes: 1024 })
  const request = signed()
  const lines = Object.entries({ Host: here.authority, ...request.headers, 'Transfer-Encoding': 'chunked' })
  const head = raw('POST', request.path, lines)
  const chunk = `400\r\n${'a'.repeat(1024)}\r\n`
  expect(await sendRaw(here.port, head + chunk + chunk)).toContain('PAYLOAD_TOO_LARGE')
})

test('a body that something reads as text is a mistake, and no end of the process', async () => {
  fresh({ maxBodyBytes: 16 })
  const texts = await listen(async (request, response) => {
    if (request.url === '/before') request.setEncoding('utf8')
    const verifying = verifier.verify(request)
    if (request.url === '/meanwhile') setImmediate(() => request.setEncoding('utf8'))
    response.end(await verifying.then(codeOf, (error: Error) => error.name))
  })
  const sentTo = async (path: string, text: string): Promise<string> => {
    const head = { method: 'POST', url: `${here.url}${path}`, body: Buffer.from(text) }
    const headers = { ...valueOf(signRequestHeaders(identity, head)), host: here.authority }
    return (await send(texts.port, { method: 'POST', path, headers, body: text })).text
  }
  try {
    expect(await sentTo('/bytes', 'a')).toBe('ok')
    expect(await sentTo('/before', 'a')).toBe('TypeError')
    expect(await sentTo('/before', 'a'.repeat(100_000))).toBe('TypeError')
    expect(await sentTo('/meanwhile', 'a'.repeat(100_000))).toMatch(/^(ABORTED|PAYLOAD_TOO_LARGE)$/)
  } finally {
    texts.close()
  }
  const { method, path, headers } = signed()
  const stream = new ReadableStream<unknown>({ pull: (to) => to.enqueue('text') })
  const init = { method, headers, body: stream as unknown as ReadableStream<Uint8Array>, duplex: 'half' } as RequestInit
  expect(codeOf(await verifier.verify(new Request(`${here.url}${path}`, init)))).toBe('ABORTED')
})

test('who covers one member of a field does not cover the others', async () => {
  const created = now()
  const list =
    '("@method" "@authority" "@path" "@query" "x-roles";key="a")' +
    `;created=${created};expires=${created + 60};nonce="1";keyid="${identity.did}";tag="xbind"`
  const lines = [
    '"@method": GET',
    `"@authority": ${here.authority}`,
    '"@path": /',
    '"@query": ?',
    '"x-roles";key="a": 1',
  ]
  const signature = identity.dangerouslySign(Buffer.from([...lines, `"@signature-params": ${list}`].join('\n')))
  const headers = {
    'x-roles': 'a=1, admin',
    'signature-input': `one=${list}`,
    signature: `one=:${Buffer.from(signature).toString('base64')}:`,
  }
  const { covered } = valueOf(await verifier.verify({ method: 'GET', url: `${here.url}/`, headers }))
  expect(covered).toEqual(['@method', '@authority', '@path', '@query', 'x-roles;key="a"'])
})

test('a body that does not come is not waited for beyond the signature', async () => {
  fresh({ clockSkewSeconds: 0 })
  const request = signed({ ttlSeconds: 1 })
  const lines = Object.entries({ Host: here.authority, ...request.headers, 'Content-Length': '13' })
  expect(await sendRaw(here.port, raw('POST', request.path, lines))).toContain('MESSAGE_EXPIRED')
})

test('who gives up while his rights are looked at is not waited for', async () => {
  let asked = (): void => {}
  let answer: (isRevoked: boolean) => void = () => {}
  const isAsked = new Promise<void>((resolve) => (asked = resolve))
  const revocations = {
    isRevoked: () => {
      asked()
      return new Promise<boolean>((resolve) => (answer = resolve))
    },
  }
  const verdict = new Promise<string>((resolve) => {
    verifier = new RequestVerifier({
      authorities: [here.authority],
      dangerouslyAcceptReplayAfterRestart: true,
      revocations,
    })
    const { verify } = verifier
    verifier.verify = async (...given) => {
      const verified = await verify.apply(verifier, given)
      resolve(codeOf(verified))
      return verified
    }
  })
  const request = signed()
  const lines = Object.entries({ Host: here.authority, ...request.headers, 'Content-Length': '13' })
  const socket = connect(here.port, '127.0.0.1')
  socket.write(raw('POST', request.path, lines))
  await isAsked
  socket.destroy()
  answer(false) // whether the server has noticed or not, the body will not come
  expect(await verdict).toBe('ABORTED')
})

test('a request without a genuine signature costs no reading of its body', async () => {
  const request = signed()
  const headers = { ...request.headers, signature: signed().headers.signature ?? '' }
  const lines = Object.entries({ Host: here.authority, ...headers, 'Content-Length': '1000000' })
  expect(await sendRaw(here.port, raw('POST', request.path, lines))).toContain('INVALID_SIGNATURE')
})

test('a response is for its request alone, by the server alone, as it was', async () => {
  const request = signed()
  const answer = await send(here.port, request)
  const sentRequest = (of: Signed): HttpRequest => ({
    method: of.method,
    url: `${here.url}${of.path}`,
    headers: of.headers,
  })
  const plain = { status: answer.status, headers: answer.headers, body: Buffer.from(answer.text) }
  const checked = async (response: object, of = request, from = server.did): Promise<string> =>
    codeOf(await verifyResponse({ ...plain, ...response }, sentRequest(of), { from }))
  expect(await checked({})).toBe('ok')
  expect(await checked({}, signed())).toBe('INVALID_SIGNATURE')
  expect(await checked({}, request, identity.did)).toBe('REPLY_MISMATCH')
  expect(await checked({ status: 201 })).toBe('INVALID_SIGNATURE')
  expect(await checked({ body: Buffer.from('ok {}') })).toBe('INVALID_SIGNATURE')
  expect(await checked({ headers: { ...answer.headers, 'content-type': 'text/html' } })).toBe('INVALID_SIGNATURE')
})

test('createFetch signs anew each time, follows no redirect, and takes no unsigned answer from its responder', async () => {
  const signing = createFetch(identity, { responder: server.did })
  for (let n = 0; n < 3; n += 1) {
    const response = await signing(`${here.url}/a`, { method: 'POST', body })
    expect([response.status, await response.text()]).toEqual([200, `ok ${body}`])
  }
  await expect(createFetch(identity, { responder: identity.did })(here.url)).rejects.toMatchObject({
    code: 'REPLY_MISMATCH',
  })
  const elsewhere = await listen((request, response) => {
    response.writeHead(request.url === '/' ? 200 : 307, { location: `${here.url}/stolen` })
    response.end()
  })
  try {
    await expect(createFetch(identity)(`${elsewhere.url}/moved`)).rejects.toThrow(TypeError)
    await expect(signing(elsewhere.url)).rejects.toMatchObject({ code: 'INVALID_SIGNATURE' })
    expect((await createFetch(identity)(`${elsewhere.url}/moved`, { redirect: 'manual' })).status).toBe(307)
  } finally {
    elsewhere.close()
  }
})
