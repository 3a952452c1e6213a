// Requests signed and verified: every kind of input, signers, options.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import {
  createFetch,
  RequestVerifier,
  signRequest,
  signRequestHeaders,
  signResponse,
  signResponseHeaders,
  verifyResponse,
  type HttpRequest,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { afterAll, describe, expect, test } from 'vitest'
import { body, identity, other, posted, signedRequest, url, verifierOf } from './helpers/requests.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const bus = new MessageBus()
afterAll(() => bus.close())

describe('a Request', () => {
  test('is signed as a copy, and verified with its body', async () => {
    const signed = valueOf(await signRequest(identity, posted()))
    expect(signed.headers.get('content-digest')).toMatch(/^sha-256=:/)
    const verified = valueOf(await verifierOf().verify(signed))
    expect(verified).toMatchObject({ from: identity.did, scopes: [], chain: [] })
    expect(Buffer.from(verified.body)).toEqual(body)
    expect(verified.covered).toEqual(['@method', '@authority', '@path', '@query', 'content-digest', 'content-type'])
  })

  test('keeps what it was: method, fields, signal', async () => {
    const controller = new AbortController()
    const request = new Request(url, { method: 'DELETE', headers: { 'X-Note': 'one' }, signal: controller.signal })
    const signed = valueOf(await signRequest(identity, request))
    expect([signed.method, signed.url, signed.headers.get('x-note')]).toEqual(['DELETE', url, 'one'])
    controller.abort()
    expect(signed.signal.aborted).toBe(true)
  })

  test('with an empty query goes to the address that was signed, which has none', async () => {
    const { signal } = new AbortController()
    const request = new Request('https://api.example/a?#b', { method: 'POST', body, integrity: 'sha256-x', signal })
    const signed = valueOf(await signRequest(identity, request))
    expect([signed.url, signed.method, signed.integrity]).toEqual(['https://api.example/a#b', 'POST', 'sha256-x'])
    expect(Buffer.from(valueOf(await verifierOf().verify(signed)).body)).toEqual(body)
  })

  test('follows no redirects once it is signed', async () => {
    const followed = async (init: RequestInit): Promise<string> =>
      valueOf(await signRequest(identity, new Request(url, init))).redirect
    expect(await followed({})).toBe('error')
    expect(await followed({ redirect: 'follow' })).toBe('error')
    expect(await followed({ redirect: 'error' })).toBe('error')
    expect(await followed({ redirect: 'manual' })).toBe('manual')
  })

  test('with an empty body, a stream, or none', async () => {
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2]))
        controller.enqueue(new Uint8Array([3]))
        controller.close()
      },
    })
    const bodies: [RequestInit & { duplex?: 'half' }, number[]][] = [
      [{ method: 'POST', body: '' }, []],
      [{ method: 'POST' }, []],
      [{ method: 'POST', body: stream, duplex: 'half' }, [1, 2, 3]],
    ]
    for (const [init, bytes] of bodies) {
      const signed = valueOf(await signRequest(identity, new Request(url, init)))
      expect([...valueOf(await verifierOf().verify(signed)).body]).toEqual(bytes)
    }
  })

  test('whose body was read already is a mistake', async () => {
    const signed = valueOf(await signRequest(identity, posted()))
    await signed.text()
    await expect(verifierOf().verify(signed)).rejects.toThrow(TypeError)
    expect(codeOf(await verifierOf().verify(signed, { body }))).toBe('ok')
  })

  test('whose Host field names another host is refused', async () => {
    const signed = valueOf(await signRequest(identity, new Request(url)))
    const plain = { method: 'GET', url, headers: [...signed.headers, ['Host', 'evil.example'] as [string, string]] }
    expect(codeOf(await verifierOf().verify(plain))).toBe('MALFORMED_MESSAGE')
  })
})

test('a request of a framework is taken as it came, wherever its router is mounted', async () => {
  const { headers = {} } = signedRequest()
  const rawHeaders = ['Host', 'api.example', ...Object.entries(headers as Record<string, string>).flat()]
  const [url, originalUrl] = ['/?draft=1', '/orders?draft=1']
  const mounted = { method: 'GET', url, originalUrl, rawHeaders, socket: {}, on: () => {} }
  const verified = await verifierOf().verify(mounted, { body: new Uint8Array() })
  expect(codeOf(verified)).toBe('ok')
  expect(codeOf(await verifierOf().verify({ ...mounted, destroyed: true }))).toBe('ABORTED')
})

describe('plain data', () => {
  test.each<[string, (headers: Record<string, string>) => HttpRequest]>([
    ['an object', (headers) => ({ method: 'GET', url, headers })],
    ['pairs', (headers) => ({ method: 'GET', url, headers: Object.entries(headers) })],
    ['a Map', (headers) => ({ method: 'GET', url, headers: new Map(Object.entries(headers)) })],
    ['Headers', (headers) => ({ method: 'GET', url, headers: new Headers(headers) })],
    [
      'a bare target',
      (headers) => ({ method: 'GET', url: '/orders?draft=1', headers: { ...headers, host: 'api.example' } }),
    ],
    [
      'lists',
      (headers) => ({ method: 'GET', url, headers: { ...headers, 'x-note': ['one', 'two'], none: undefined } }),
    ],
  ])('as %s', async (_, request) => {
    const { headers } = signedRequest()
    expect(codeOf(await verifierOf().verify(request(headers as Record<string, string>)))).toBe('ok')
  })

  test('an absolute URL is taken as it stands there', async () => {
    const { headers = {} } = signedRequest()
    const tried = async (url: string): Promise<string> =>
      codeOf(await verifierOf().verify({ method: 'GET', url, headers }))
    expect(await tried('https://API.example:443/orders?draft=1')).toBe('ok')
    expect(await tried('https://api.example/a/../orders?draft=1')).toBe('MALFORMED_MESSAGE')
    expect(await tried('https://api.example/%2e%2e/orders?draft=1')).toBe('MALFORMED_MESSAGE')
    expect(await tried('https://user@api.example/orders?draft=1')).toBe('MALFORMED_MESSAGE')
    expect(await tried('https://evil.example/orders?draft=1')).toBe('WRONG_AUDIENCE')
    expect(await tried('ftp://api.example/orders?draft=1')).toBe('MALFORMED_MESSAGE')
  })

  test('nobody changes the body behind the verifier', async () => {
    const bytes = new Uint8Array(body)
    const plain = { method: 'POST', url, body: bytes }
    const request = { ...plain, headers: valueOf(signRequestHeaders(identity, plain)) }
    const waiting = verifierOf({ nonces: { claim: async () => true } }).verify(request)
    await Promise.resolve()
    const verified = valueOf(await waiting)
    bytes.fill(0)
    expect(Buffer.from(verified.body)).toEqual(body)
  })
})

describe('signers', () => {
  test('an agent signs with its own key, as long as it is open', async () => {
    const agent = new AutoGenxBindAgent({ agentOptions: { bus } })
    const request = { method: 'GET', url }
    const headers = valueOf(signRequestHeaders(agent, request))
    expect(valueOf(await verifierOf().verify({ ...request, headers })).from).toBe(agent.getDID())
    await Promise.resolve(agent.close())
    expect(codeOf(signRequestHeaders(agent, request))).toBe('AGENT_CLOSED')
    await expect(createFetch(agent)(url)).rejects.toMatchObject({ code: 'AGENT_CLOSED' })
  })

  test('an agent of an Identity does; one whose provider has the key does not', () => {
    const request = { method: 'GET', url }
    const own = new AutoGenxBindAgent({ identityProvider: identity as never, agentOptions: { bus } })
    expect(codeOf(signRequestHeaders(own, request))).toBe('ok')
    const provider = { getDID: () => other.did, sign: (data: Uint8Array) => other.dangerouslySign(data) }
    const agent = new AutoGenxBindAgent({ identityProvider: provider, agentOptions: { bus } })
    expect(codeOf(signRequestHeaders(agent, request))).toBe('SIGN_FAILED')
  })

  test('an identity that was destroyed does not', () => {
    const gone = Identity.generate()
    gone.destroy()
    expect(codeOf(signRequestHeaders(gone, { method: 'GET', url }))).toBe('SIGN_FAILED')
  })

  test('nobody gets a signature by asking for that of the bytes', () => {
    const base = `"@method": GET\n"@signature-params": ("@method");created=1;keyid="${identity.did}"`
    expect(() => identity.sign(Buffer.from(base))).toThrow(expect.objectContaining({ code: 'SIGN_FAILED' }) as Error)
    expect(identity.dangerouslySign(Buffer.from(base))).toHaveLength(64)
  })
})

test('a Response is signed as a copy, and is for its request alone', async () => {
  const request = valueOf(await signRequest(identity, posted()))
  const signed = valueOf(
    await signResponse(other, Response.json({ id: 7 }, { status: 201, statusText: 'Made' }), request),
  )
  expect([signed.status, signed.statusText, signed.headers.get('content-type')]).toEqual([
    201,
    'Made',
    'application/json',
  ])
  const verified = valueOf(await verifyResponse(signed.clone(), request, { from: other.did }))
  expect(verified.from).toBe(other.did)
  expect(JSON.parse(Buffer.from(verified.body).toString())).toEqual({ id: 7 })
  const another = valueOf(await signRequest(identity, posted()))
  expect(codeOf(await verifyResponse(signed.clone(), another))).toBe('INVALID_SIGNATURE')
  expect(codeOf(await verifyResponse(signed.clone(), request, { maxBodyBytes: 3 }))).toBe('PAYLOAD_TOO_LARGE')
  const empty = valueOf(await signResponse(other, new Response(null, { status: 204 }), request))
  expect(codeOf(await verifyResponse(empty, request, { from: other.did }))).toBe('ok')
  expect(codeOf(await signResponse(other, new Response('x'), new Request(url)))).toBe('MALFORMED_MESSAGE')
  expect(codeOf(signResponseHeaders(other, { status: 99 }, request))).toBe('MALFORMED_MESSAGE')
})

describe('options', () => {
  test.each<[string, Partial<RequestVerifierOptions>, string]>([
    ['no authority', { authorities: [] }, 'INVALID_CONFIG'],
    ['a URL as authority', { authorities: ['https://api.example'] }, 'INVALID_CONFIG'],
    ['an unknown profile', { profile: 'other' as never }, 'INVALID_CONFIG'],
    ['too much skew', { clockSkewSeconds: 301 }, 'INVALID_CONFIG'],
    ['half seconds', { maxAgeSeconds: 0.5 }, 'INVALID_CONFIG'],
    ['no place', { maxTrackedRequests: 0 }, 'INVALID_CONFIG'],
    ['no DID', { allow: ['somebody'] }, 'INVALID_DID'],
    ['no DID as key', { profile: 'wba', keys: ['somebody'] }, 'INVALID_DID'],
    ['keys of another profile, which would keep nobody out', { keys: [other.did] }, 'INVALID_CONFIG'],
    ['scopes of nobody', { scopes: ['a'] }, 'INVALID_CONFIG'],
    ['no scope', { trust: [other.did], scopes: [''] }, 'INVALID_CONFIG'],
    ['no DID to trust', { trust: ['somebody'] }, 'INVALID_DID'],
  ])('%s: %s', (_, options, code) => {
    expect(() => verifierOf(options)).toThrow(expect.objectContaining({ code }) as Error)
  })

  test('what is no option, or of the wrong type, throws; promises reject', async () => {
    expect(() => new RequestVerifier({ authorities: ['a'], maxAge: 1 } as never)).toThrow(/has no option maxAge/)
    for (const options of [
      { now: 1 },
      { nonces: {} },
      { nonces: { claim: 1 } },
      { profile: null },
      { authorities: 'api.example' },
      { allow: identity.did },
      { dangerouslyAcceptReplayAfterRestart: 1 },
      { revocations: {} },
      { audience: 1 },
    ]) {
      expect(() => verifierOf(options as never)).toThrow(TypeError)
    }
    expect(() => createFetch('me' as never)).toThrow(TypeError)
    expect(() => createFetch(identity, { tokens: 1 } as never)).toThrow(TypeError)
    expect(() => createFetch(identity, { token: 1 } as never)).toThrow(TypeError)
    expect(() => signRequestHeaders(identity, { method: 'GET', url: '/a' })).toThrow(TypeError)
    expect(() => signRequestHeaders(identity, { method: 'GET', url, query: '' } as never)).toThrow(TypeError)
    expect(() => signRequestHeaders(identity, { method: 'GET', url, headers: { a: 1 } } as never)).toThrow(TypeError)
    for (const headers of [['host', 'api.example'], [['a']], [['a', 'b', 'c']], ['ab']]) {
      expect(() => signRequestHeaders(identity, { method: 'GET', url, headers } as never)).toThrow(TypeError)
    }
    await expect(signRequest(identity, url as never)).rejects.toThrow(TypeError)
    await expect(signRequest(identity, new Request(url), { ttl: 1 } as never)).rejects.toThrow(TypeError)
    await expect(verifierOf().verify(url as never)).rejects.toThrow(TypeError)
    await expect(verifierOf().verify(new Request(url), { scope: '' } as never)).rejects.toThrow(TypeError)
    await expect(verifyResponse(new Response(), null as never)).rejects.toThrow(TypeError)
  })

  test.each([
    [{ ttlSeconds: 0 }, 'INVALID_CONFIG'],
    [{ ttlSeconds: 301 }, 'INVALID_CONFIG'],
    [{ ttlSeconds: 1.5 }, 'INVALID_CONFIG'],
    [{ now: -1 }, 'INVALID_CONFIG'],
    [{ profile: 'other' as never }, 'INVALID_CONFIG'],
    [{ profile: 'wba' as const }, 'INVALID_CONFIG'],
    [{ profile: 'wba' as const, signatureAgent: 'http://a.example' }, 'INVALID_CONFIG'],
    [{ signatureAgent: 'https://a.example' }, 'INVALID_CONFIG'],
    [{ token: 'a b' }, 'INVALID_TOKEN'],
    [{ token: 'a\n.b.c' }, 'INVALID_TOKEN'],
    [{ token: 'ä.b.c' }, 'INVALID_TOKEN'],
  ])('signing with %o: %s', (options, code) => {
    expect(codeOf(signRequestHeaders(identity, { method: 'GET', url }, options))).toBe(code)
  })

  test('what is signed already, or has the digest of another body, is not signed', () => {
    const again = { method: 'GET', url, headers: signedRequest().headers ?? {} }
    expect(codeOf(signRequestHeaders(identity, again))).toBe('INVALID_CONFIG')
    const digest = {
      method: 'POST',
      url,
      body,
      headers: { 'content-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` },
    }
    expect(codeOf(signRequestHeaders(identity, digest))).toBe('INVALID_CONFIG')
  })

  test('a clock that gives no time', async () => {
    const verifier = verifierOf({ now: () => Number.NaN })
    expect(codeOf(await verifier.verify(signedRequest()))).toBe('INVALID_CONFIG')
    await expect(verifierOf({ now: () => 'now' as never }).verify(signedRequest())).rejects.toThrow(TypeError)
  })
})
