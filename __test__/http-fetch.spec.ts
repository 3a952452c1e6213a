// The fetch that signs, over real sockets: bodies of all kinds, redirects, retries, signals, and whoever stands in the way.
import { Identity } from '@private.me/autogen'
import { createFetch, RequestVerifier, signRequest, signResponseHeaders } from '@private.me/autogen/http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listen, type Listening } from './helpers/http.ts'
import { valueOf } from './helpers/result.ts'

const [identity, server] = [Identity.generate(), Identity.generate()]

interface Seen {
  method: string
  target: string
  nonce: string
  type: string | undefined
  body: Buffer
}

let here: Listening
let elsewhere: Listening
let verifier: RequestVerifier
let accepted: Seen[] = []
let refused: string[] = []
let reached = 0

beforeAll(async () => {
  elsewhere = await listen((_, response) => {
    reached += 1
    response.end('elsewhere')
  })
  here = await listen(async (request, response) => {
    const { method = '', url: target = '', headers } = request
    if (target === '/moved') return response.writeHead(307, { location: `${elsewhere.url}/` }).end()
    if (target === '/near') return response.writeHead(308, { location: '/orders' }).end()
    const verified = await verifier.verify(request)
    if (!verified.ok) {
      refused.push(verified.error.code)
      return response.writeHead(401).end(verified.error.code)
    }
    const { nonce, body } = verified.value
    accepted.push({ method, target, nonce, type: headers['content-type'], body: Buffer.from(body) })
    const plain = { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('done') }
    const signed = valueOf(signResponseHeaders(server, plain, request))
    return response.writeHead(200, { ...plain.headers, ...signed }).end(plain.body)
  })
  verifier = new RequestVerifier({ authorities: [here.authority], dangerouslyAcceptReplayAfterRestart: true })
})
afterAll(() => {
  here.close()
  elsewhere.close()
})
beforeEach(() => {
  accepted = []
  refused = []
  reached = 0
})

const signing = createFetch(identity)
const never = (): never => expect.unreachable('it was sent')

function parts(): FormData {
  const form = new FormData()
  form.set('item', 'a lamp')
  form.set('picture', new Blob(['bytes'], { type: 'image/png' }), 'lamp.png')
  return form
}

function streamed(...chunks: string[]): ReadableStream {
  return new ReadableStream({
    async start(controller) {
      for (const chunk of chunks) {
        await new Promise((resolve) => setImmediate(resolve))
        controller.enqueue(Buffer.from(chunk))
      }
      controller.close()
    },
  })
}

async function* generated(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a=')
  await Promise.resolve()
  yield Buffer.from('b')
}

type Init = RequestInit & { duplex?: 'half' }

describe('a body', () => {
  test.each<[string, () => Init, RegExp, RegExp?]>([
    ['of text', () => ({ body: 'a=b' }), /^a=b$/, /^text\/plain/],
    ['of no text', () => ({ body: '' }), /^$/],
    ['of bytes', () => ({ body: Buffer.from('a=b') }), /^a=b$/],
    ['of an ArrayBuffer', () => ({ body: new Uint8Array([97]).buffer }), /^a$/],
    ['of a DataView', () => ({ body: new DataView(new Uint8Array([97, 98]).buffer, 1) }), /^b$/],
    ['URLSearchParams', () => ({ body: new URLSearchParams({ a: 'b' }) }), /^a=b$/, /^application\/x-www-form/],
    ['FormData', () => ({ body: parts() }), /a lamp[^]*lamp\.png[^]*bytes/, /^multipart\/form-data; boundary=/],
    ['a Blob', () => ({ body: new Blob(['a=b'], { type: 'text/csv' }) }), /^a=b$/, /^text\/csv$/],
    ['a ReadableStream', () => ({ body: streamed('a', '=', 'b'), duplex: 'half' }), /^a=b$/],
    ['an async iterable', () => ({ body: generated() as never, duplex: 'half' }), /^a=b$/],
    ['none', () => ({}), /^$/],
  ])('%s', async (_, init, body, type = /^/) => {
    for (const request of [
      () => signing(`${here.url}/orders?a=1`, { method: 'POST', ...init() }),
      () => signing(new Request(`${here.url}/orders?a=1`, { method: 'POST', ...init() })),
      () => signing(new Request(`${here.url}/orders?a=1`), { method: 'POST', ...init() }),
    ]) {
      const response = await request()
      expect([response.status, await response.text()]).toEqual([200, 'done'])
    }
    for (const seen of accepted) {
      expect(seen).toMatchObject({ method: 'POST', target: '/orders?a=1' })
      expect(seen.body.toString()).toMatch(body)
      expect(seen.type ?? '').toMatch(type)
    }
    expect(accepted).toHaveLength(3)
  })

  test('that fetch does not take rejects as it does there', async () => {
    await expect(signing(here.url, { body: 'of a GET' })).rejects.toThrow(TypeError)
    await expect(signing(here.url, { method: 'POST', body: streamed('a') })).rejects.toThrow(/duplex/)
    const request = new Request(here.url, { method: 'POST', body: 'once' })
    await signing(request)
    await expect(signing(request)).rejects.toThrow(TypeError)
    const broken = new ReadableStream({ pull: () => Promise.reject(new Error('torn')) })
    await expect(signing(here.url, { method: 'POST', body: broken, duplex: 'half' })).rejects.toThrow('torn')
    expect(accepted).toHaveLength(1)
  })

  test('is that of the moment in which it was read, whoever writes meanwhile', async () => {
    const bytes = Buffer.from('a=b')
    const waiting = createFetch(identity, {
      fetch: async (input, init) => {
        bytes.fill(0)
        return fetch(input, init)
      },
    })(here.url, { method: 'POST', body: bytes })
    bytes.fill(1)
    expect((await waiting).status).toBe(200)
    expect(accepted[0]?.body.toString()).toBe('a=b')
  })
})

test('targets are signed as they are sent', async () => {
  for (const path of ['/a?', '/?#b', '/a/../b', '/%2e%2e/c', '/ä b?ü=[x]|', '/a#part', "/it's?q='"]) {
    expect((await signing(here.url + path)).status).toBe(200)
  }
  expect((await signing(new URL('?q=1', here.url))).status).toBe(200)
  const copy = valueOf(await signRequest(identity, new Request(`${here.url}/a?`, { method: 'POST', body: 'a' })))
  expect((await fetch(copy)).status).toBe(200)
  await expect(signing('/orders')).rejects.toThrow(TypeError)
  await expect(signing('data:,x')).rejects.toMatchObject({ code: 'MALFORMED_MESSAGE' })
  await expect(signing('http://user:secret@127.0.0.1/')).rejects.toThrow(TypeError)
})

describe('a redirect', () => {
  test.each<[string, () => Promise<Response>]>([
    ['by default', () => signing(`${here.url}/moved`, { method: 'POST', body: 'a' })],
    ['to the same server', () => signing(`${here.url}/near`)],
    ['that was asked for', () => signing(`${here.url}/moved`, { redirect: 'follow' })],
    ['that a Request asks for', () => signing(new Request(`${here.url}/moved`, { redirect: 'follow' }))],
    [
      'of a Request that was signed',
      async () => fetch(valueOf(await signRequest(identity, new Request(`${here.url}/moved`)))),
    ],
    ['that is not wanted', () => signing(`${here.url}/moved`, { redirect: 'error' })],
  ])('%s ends in an error', async (_, request) => {
    await expect(request()).rejects.toThrow(TypeError)
    expect([accepted.length, refused.length, reached]).toEqual([0, 0, 0])
  })

  test('is given to whoever handles it, who signs for the new address', async () => {
    const moved = await signing(`${here.url}/near`, { redirect: 'manual' })
    expect([moved.status, moved.headers.get('location'), reached]).toEqual([308, '/orders', 0])
    expect((await signing(new URL(moved.headers.get('location') ?? '', here.url))).status).toBe(200)
  })

  test('is no answer of the responder', async () => {
    const answered = createFetch(identity, { responder: server.did })
    await expect(answered(`${here.url}/near`, { redirect: 'manual' })).rejects.toMatchObject({
      code: 'INVALID_SIGNATURE',
    })
  })
})

test('each attempt of a library is signed anew; one that repeats what was signed is refused', async () => {
  const attempts = async (send: typeof fetch): Promise<number[]> => {
    const statuses: number[] = []
    for (let n = 0; n < 3; n += 1) statuses.push((await send(here.url, { method: 'POST', body: 'a' })).status)
    return statuses
  }
  expect(await attempts(signing)).toEqual([200, 200, 200])
  expect(new Set(accepted.map(({ nonce }) => nonce)).size).toBe(3)

  const inner = (async (input: string, init: RequestInit) => {
    await fetch(input, init)
    return fetch(input, init)
  }) as typeof fetch
  const response = await createFetch(identity, { fetch: inner })(here.url)
  expect(await response.text()).toBe('REPLAYED')
})

describe('a signal', () => {
  test('that is aborted already: nothing is asked or sent', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(createFetch(identity, { token: never, fetch: never })(here.url, { signal })).rejects.toThrow('enough')
    const request = new Request(here.url, { signal })
    await expect(createFetch(identity, { token: never, fetch: never })(request)).rejects.toThrow('enough')
  })

  test('ends the waiting for a token, a body, an answer and its body', async () => {
    const forever = new Promise<never>(() => {})
    const silent = new ReadableStream({})
    const unfinished = new Response(new ReadableStream({}))
    for (const [options, init] of [
      [{ token: () => forever, fetch: never }, {}],
      [{ fetch: never }, { method: 'POST', body: silent, duplex: 'half' }],
      [{ fetch: async (_: unknown, init?: RequestInit) => aborted(init) }, {}],
      [{ fetch: async () => unfinished, responder: server.did }, {}],
    ] as [Parameters<typeof createFetch>[1], Init][]) {
      const controller = new AbortController()
      const waiting = createFetch(identity, options)(here.url, { ...init, signal: controller.signal })
      setTimeout(() => controller.abort(new Error('enough')), 5)
      await expect(waiting).rejects.toThrow('enough')
    }
  })

  test('of a library reaches what sends, and leaves no listener behind', async () => {
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      listeners += 1
      add(...given)
    }
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...given)
    }
    const token = async (): Promise<string> => 'a.b.c'
    await createFetch(identity, { token, fetch: async () => new Response() })(here.url, { signal })
    expect(listeners).toBeLessThanOrEqual(1) // the Request's own
  })
})

function aborted(init: RequestInit | undefined): Promise<never> {
  return new Promise((_, reject) => {
    init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))
  })
}

describe('a token', () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      'that throws',
      () => {
        throw new Error('no vault')
      },
      /no vault/,
    ],
    ['that rejects', () => Promise.reject(new Error('no vault')), /no vault/],
    ['that gives nothing', () => undefined, /token\(\) must be a string/],
    ['that gives nothing later', async () => undefined, /token\(\) must be a string/],
    ['that gives null', () => null, /token\(\) must be a string/],
    ['that gives a Result', () => ({ ok: true, value: 'a.b.c' }), /token\(\) must be a string/],
    ['that gives no text', () => '', /the token has not the form of one/],
    ['that gives a field more', () => 'a\r\nx-role: admin', /the token has not the form of one/],
  ])('%s: rejects, and nothing is sent without one', async (_, token, message) => {
    await expect(createFetch(identity, { token: token as never, fetch: never })(here.url)).rejects.toThrow(message)
  })

  test('that the caller has set himself is not replaced', async () => {
    const headers = { 'xbind-token': 'x.y.z' }
    await expect(createFetch(identity, { token: 'a.b.c', fetch: never })(here.url, { headers })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    })
  })
})

describe('header fields that are there already', () => {
  const digest = (text: string): string => `sha-256=:${Buffer.from(text.padEnd(32)).toString('base64')}:`

  test.each<[string, Record<string, string>, string]>([
    [
      'a signature of this profile',
      { 'signature-input': 'a=("@path");tag="xbind"', signature: 'a=:AA==:' },
      'INVALID_CONFIG',
    ],
    [
      'a signature of this label',
      { 'signature-input': 'xbind=("@path")', signature: 'xbind=:AA==:' },
      'INVALID_CONFIG',
    ],
    ['half a signature', { signature: 'a=:AA==:' }, 'INVALID_SIGNATURE'],
    ['no structured field', { 'signature-input': 'a=(', signature: 'a' }, 'INVALID_CONFIG'],
    ['the digest of another body', { 'content-digest': digest('other') }, 'INVALID_CONFIG'],
    ['another host', { host: 'other.example' }, 'MALFORMED_MESSAGE'],
  ])('%s: %s', async (_, headers, code) => {
    const request = createFetch(identity, { fetch: never })(here.url, { method: 'POST', body: 'a', headers })
    await expect(request).rejects.toMatchObject({ code })
  })

  test('the right digest, or another signature, stays', async () => {
    const { createHash } = await import('node:crypto')
    const right = `sha-512=:${createHash('sha512').update('a').digest('base64')}:`
    const headers = {
      'content-digest': right,
      'signature-input': 'proxy=("@path");created=1;keyid="k"',
      signature: 'proxy=:AA==:',
      'x-note': 'one',
    }
    let sent = new Headers()
    const send = (async (input: string, init: RequestInit) => {
      sent = init.headers as Headers
      return fetch(input, init)
    }) as typeof fetch
    const response = await createFetch(identity, { fetch: send })(here.url, { method: 'POST', body: 'a', headers })
    expect(response.status).toBe(200)
    expect(sent.get('content-digest')).toBe(right)
    expect(sent.get('signature-input')).toMatch(/^proxy=\("@path"\);created=1;keyid="k", xbind=\(/)
    expect(headers).not.toHaveProperty('xbind-token')
  })
})

describe('a fetch that changes what was signed is refused', () => {
  test.each<[string, (input: string, init: RequestInit) => [string, RequestInit], string]>([
    ['the method', (input, init) => [input, { ...init, method: 'PUT' }], 'INVALID_SIGNATURE'],
    ['the path', (input, init) => [`${input}more`, init], 'INVALID_SIGNATURE'],
    ['the query', (input, init) => [`${input}?admin=1`, init], 'INVALID_SIGNATURE'],
    ['the body', (input, init) => [input, { ...init, body: 'b' }], 'INVALID_SIGNATURE'],
    ['the media type', (input, init) => [input, withField(init, 'content-type', 'text/csv')], 'INVALID_SIGNATURE'],
    ['a credential', (input, init) => [input, withField(init, 'authorization', 'Bearer x')], 'INVALID_SIGNATURE'],
    ['the token', (input, init) => [input, withField(init, 'xbind-token', 'x.y.z')], 'INVALID_SIGNATURE'],
    ['the signature', (input, init) => [input, withField(init, 'signature', 'xbind=:AA==:')], 'MALFORMED_MESSAGE'],
  ])('%s: %s', async (_, change, code) => {
    const send = ((input: string, init: RequestInit) => fetch(...change(input, init))) as typeof fetch
    const response = await createFetch(identity, { fetch: send })(`${here.url}/`, { method: 'POST', body: 'a' })
    expect([response.status, await response.text()]).toEqual([401, code])
  })

  test('and so is an answer to something else', async () => {
    const send = (async (input: string, init: RequestInit) => {
      await fetch(input, init)
      return signing(`${here.url}/other`) // signed by the server, for another request
    }) as typeof fetch
    const answered = createFetch(identity, { fetch: send, responder: server.did })
    await expect(answered(here.url)).rejects.toMatchObject({ code: 'INVALID_SIGNATURE' })
  })
})

function withField(init: RequestInit, name: string, value: string): RequestInit {
  const headers = new Headers(init.headers)
  headers.set(name, value)
  return { ...init, headers }
}

test('what a Request asks for beside goes along', async () => {
  const wrong = `sha256-${Buffer.alloc(32).toString('base64')}`
  await expect(signing(new Request(here.url, { integrity: wrong }))).rejects.toThrow(TypeError)
  expect((await signing(here.url)).url).toBe(`${here.url}/`)
  const answered = createFetch(identity, { responder: server.did })
  const response = await answered(new Request(here.url))
  expect([response.url, await response.text()]).toEqual([`${here.url}/`, 'done'])
})

test('createFetch stops waiting when its caller does', async () => {
  const endless = { method: 'POST', body: new ReadableStream<Uint8Array>({}), duplex: 'half' } as RequestInit
  const withToken = createFetch(identity, { token: () => new Promise(() => {}) })
  for (const [signing, init] of [
    [createFetch(identity), endless],
    [withToken, {}],
  ] as const) {
    const controller = new AbortController()
    const response = signing(here.url, { ...init, signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    await expect(response).rejects.toThrow('enough')
  }
  const controller = new AbortController()
  const token = (): Promise<string> => {
    controller.abort(new Error('enough'))
    return Promise.reject(new Error('no token'))
  }
  const response = createFetch(identity, { token })(here.url, { signal: controller.signal })
  await expect(response).rejects.toThrow(/enough|no token/)
  const given = { signal: AbortSignal.abort(new Error('before')) }
  await expect(withToken(here.url, given)).rejects.toThrow('before')
})
