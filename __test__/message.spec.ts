import { Identity, type OutgoingMessage, type SealedMessage } from '@private.me/autogen'
import { MessageVerifier } from '@private.me/autogen/messages'
import { compactVerify, importJWK, type JWSHeaderParameters } from 'jose'
import { describe, expect, test } from 'vitest'
import { b64u, parts, sha256 } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

const alice = Identity.generate()
const bob = Identity.generate()
const body = utf8('{"task":"write-summary"}')
const NOW = 1_800_000_000

const seal = (message: Partial<OutgoingMessage> = {}, from = alice): SealedMessage =>
  valueOf(from.seal({ op: 'call', to: bob.did, body, now: NOW, ...message }))
const verifier = (options: Partial<ConstructorParameters<typeof MessageVerifier>[0]> = {}): MessageVerifier =>
  new MessageVerifier({ audience: bob.did, now: () => NOW, ...options })

describe('sealing', () => {
  test('makes exactly the header and the claims of the format', () => {
    const { jws, id } = seal()
    const { header, claims, signature } = parts(jws)
    expect(header).toEqual({ alg: 'EdDSA', kid: `${alice.did}#${alice.did.slice(8)}`, typ: 'agent-msg+jwt' })
    expect(claims).toEqual({
      v: 1,
      op: 'call',
      iss: alice.did,
      aud: bob.did,
      jti: id,
      iat: NOW,
      exp: NOW + 30,
      pt: 'application/json',
      pl: body.length,
      pd: `sha-256:${sha256(body)}`,
    })
    expect(id).toMatch(/^[\w-]{21}[AQgw]$/)
    expect(signature).toHaveLength(64)
  })

  test('binds a token by its digest, and a reply by id and digest of its request', () => {
    expect(parts(seal({ token: 'a.b.c' }).jws).claims.ath).toBe(sha256('a.b.c'))
    const request = seal()
    for (const op of ['result', 'error'] as const) {
      const { claims } = parts(seal({ op, to: alice.did, inReplyTo: request }, bob).jws)
      expect([claims.op, claims.irt, claims.rqd]).toEqual([op, request.id, `sha-256:${sha256(request.jws)}`])
    }
  })

  test('by default uses the system clock', () => {
    const before = Math.floor(Date.now() / 1000)
    const { iat, exp } = parts(valueOf(alice.seal({ op: 'send', to: bob.did, body })).jws).claims as Record<
      string,
      number
    >
    expect([iat! >= before, iat! <= Date.now() / 1000, exp! - iat!]).toEqual([true, true, 30])
  })

  test('every id is new', () => {
    expect(new Set(Array.from({ length: 1000 }, () => seal().id)).size).toBe(1000)
  })

  test.each([
    ['WRONG_AUDIENCE', { to: alice.did }],
    ['INVALID_DID', { to: 'bob' }],
    ['INVALID_DID', { to: '' }],
    ['MALFORMED_MESSAGE', { ttlSeconds: 0 }],
    ['MALFORMED_MESSAGE', { ttlSeconds: 301 }],
    ['MALFORMED_MESSAGE', { ttlSeconds: 1.5 }],
    ['MALFORMED_MESSAGE', { ttlSeconds: Number.NaN }],
    ['MALFORMED_MESSAGE', { ttlSeconds: Infinity }],
    ['MALFORMED_MESSAGE', { ttlSeconds: -1 }],
    ['MALFORMED_MESSAGE', { now: -1 }],
    ['MALFORMED_MESSAGE', { now: 0.5 }],
    ['MALFORMED_MESSAGE', { contentType: '' }],
    ['MALFORMED_MESSAGE', { contentType: 'json' }],
    ['MALFORMED_MESSAGE', { contentType: 'text/plain\r\nx: y' }],
    ['MALFORMED_MESSAGE', { contentType: 'text/"plain"' }],
    ['MALFORMED_MESSAGE', { contentType: `text/${'x'.repeat(200)}` }],
    ['MALFORMED_MESSAGE', { op: 'result' as const }],
    ['MALFORMED_MESSAGE', { op: 'error' as const }],
    ['MALFORMED_MESSAGE', { inReplyTo: seal() }],
    ['MALFORMED_MESSAGE', { op: 'shout' as never }],
    ['MALFORMED_MESSAGE', { op: 'receipt' as const }],
    ['MALFORMED_MESSAGE', { op: 'part' as const, inReplyTo: seal() }],
    ['MALFORMED_MESSAGE', { op: 'cancel' as const, inReplyTo: seal() }],
    ['MALFORMED_MESSAGE', { method: '' }],
    ['MALFORMED_MESSAGE', { method: 'write summary' }],
    ['MALFORMED_MESSAGE', { method: 'writ\u0435' }],
    ['MALFORMED_MESSAGE', { method: 'm'.repeat(129) }],
    ['MALFORMED_MESSAGE', { op: 'send' as const, deadlineMs: 1 }],
    ['MALFORMED_MESSAGE', { deadlineMs: 0 }],
    ['MALFORMED_MESSAGE', { deadlineMs: 1.5 }],
    ['MALFORMED_MESSAGE', { deadlineMs: 2 ** 31 }],
    ['MALFORMED_MESSAGE', { traceparent: 'none' }],
    ['MALFORMED_MESSAGE', { seq: 0 }],
    ['MALFORMED_MESSAGE', { window: -1 }],
    ['MALFORMED_MESSAGE', { window: NaN }],
    ['MALFORMED_MESSAGE', { window: 2 ** 53 }],
  ])('%s: %j', (code, message) => {
    expect(codeOf(alice.seal({ op: 'call', to: bob.did, body, now: NOW, ...message }))).toBe(code)
  })

  test('up to the last second there is', () => {
    expect(codeOf(alice.seal({ op: 'send', to: bob.did, body, now: Number.MAX_SAFE_INTEGER - 300 }))).toBe('ok')
  })
})

describe('what only some messages say', () => {
  const empty = new Uint8Array()
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

  test('comes back as it was sealed, and is undefined where nothing was said', () => {
    const said = { method: '__proto__', deadlineMs: 30_000, traceparent, window: 2 ** 53 - 1 }
    const [full, plain] = [seal(said), seal()].map(({ jws }) => valueOf(verifier().open(jws, body)))
    expect(full).toMatchObject({ ...said, seq: undefined })
    for (const name of ['method', 'deadlineMs', 'traceparent', 'seq', 'window'] as const) {
      expect(Object.hasOwn(plain!, name)).toBe(true)
      expect(plain![name]).toBeUndefined()
    }
  })

  test('parts, progress and the end are about a call that waits for them', () => {
    const call = seal({ window: 4 })
    const home = verifier({ audience: alice.did, pending: (id) => (id === call.id ? call : undefined) })
    const said = [
      { op: 'progress', seq: 7 },
      { op: 'part', seq: 0 },
      { op: 'result', seq: 1 },
    ] as const
    for (const each of said) {
      const reply = seal({ ...each, to: alice.did, inReplyTo: call }, bob)
      const opened = valueOf(home.open(reply.jws, body))
      expect([opened.op, opened.seq, opened.inReplyTo]).toEqual([each.op, each.seq, call.id])
      expect(codeOf(verifier({ audience: alice.did }).open(reply.jws, body))).toBe('REPLY_MISMATCH')
    }
  })

  test('cancel and more are about a call that is worked on, by its caller and id', () => {
    const call = seal({ window: 4 })
    const opened = valueOf(verifier().open(call.jws, body))
    const asked: unknown[] = []
    const running = (...about: [string, string]) => {
      asked.push(about)
      return opened
    }
    const office = verifier({ running, maxTrackedMessages: 1 })
    for (const said of [{ op: 'more', window: 8 }, { op: 'cancel' }] as const) {
      const { jws } = seal({ ...said, body: empty, inReplyTo: call })
      expect([1, 2].map(() => valueOf(office.open(jws, empty)).op)).toEqual([said.op, said.op])
      expect(codeOf(verifier().open(jws, empty))).toBe('REPLY_MISMATCH')
      expect(codeOf(verifier({ pending: () => call }).open(jws, empty))).toBe('REPLY_MISMATCH')
    }
    expect(asked).toEqual(Array.from({ length: 4 }, () => [call.id, alice.did]))
    const mallory = Identity.generate()
    const { jws } = seal({ op: 'cancel', body: empty, inReplyTo: call }, mallory)
    expect(codeOf(office.open(jws, empty))).toBe('REPLY_MISMATCH')
  })
})

describe('opening', () => {
  test.each([
    ['JSON', {}],
    ['bytes', { body: new Uint8Array([0, 255, 128]), contentType: 'application/octet-stream' }],
    ['nothing', { body: new Uint8Array() }],
    ['a send', { op: 'send' as const }],
    ['a long life', { ttlSeconds: 300 }],
    ['a token', { token: 'header.claims.signature' }],
    ['parameters of a media type', { contentType: 'application/json;charset=utf-8' }],
  ])('gives back what was sealed: %s', (_, message) => {
    const sealed = seal(message)
    const opened = valueOf(verifier().open(sealed.jws, sealed.body, sealed.token))
    const { contentType = 'application/json', op = 'call', ttlSeconds = 30 } = message as Partial<OutgoingMessage>
    expect(opened).toEqual({
      id: sealed.id,
      op,
      from: alice.did,
      to: bob.did,
      body: sealed.body,
      contentType,
      issuedAt: NOW,
      expiresAt: NOW + ttlSeconds,
      inReplyTo: undefined,
      jws: sealed.jws,
    })
  })

  test('takes a body up to the limit', () => {
    const sealed = seal({ body: new Uint8Array(1 << 20).fill(7) })
    const opened = valueOf(verifier().open(sealed.jws, sealed.body))
    expect(Buffer.compare(opened.body, sealed.body)).toBe(0)
    const over = seal({ body: new Uint8Array((1 << 20) + 1) })
    expect(codeOf(verifier().open(over.jws, over.body))).toBe('PAYLOAD_TOO_LARGE')
    expect(codeOf(verifier({ maxBodyBytes: 2 << 20 }).open(over.jws, over.body))).toBe('ok')
  })

  test('hands over bytes of its own: what was verified stays what it was', () => {
    const sealed = seal({ body: utf8('verified') })
    const given = Buffer.from(sealed.body)
    const opened = valueOf(verifier().open(sealed.jws, given))
    given.fill(0)
    expect(opened.body).toEqual(utf8('verified'))
    expect(Object.getPrototypeOf(opened.body)).toBe(Uint8Array.prototype)
  })

  test('messages of a whole exchange: the result is for the call that waits, once', () => {
    const request = seal()
    const call = valueOf(verifier().open(request.jws, request.body))
    const reply = seal({ op: 'result', to: alice.did, inReplyTo: call, body: utf8('"done"') }, bob)
    const waiting = new Map([[request.id, request]])
    const asker = verifier({ audience: alice.did, pending: (id) => waiting.get(id) })
    expect(valueOf(asker.open(reply.jws, reply.body)).inReplyTo).toBe(request.id)
    expect(codeOf(asker.open(reply.jws, reply.body))).toBe('REPLAYED')
  })
})

describe('jose, an independent implementation', () => {
  /** The verifier of somebody who knows JOSE and did:key, and nothing of this package. */
  async function verifyElsewhere(jws: string): Promise<{ header: JWSHeaderParameters; claims: unknown }> {
    const { payload, protectedHeader } = await compactVerify(
      jws,
      ({ kid }) => importJWK({ kty: 'OKP', crv: 'Ed25519', x: b64u(keyOf(String(kid))) }, 'EdDSA'),
      { algorithms: ['EdDSA'] },
    )
    return { header: protectedHeader, claims: JSON.parse(new TextDecoder().decode(payload)) }
  }

  /** Base58 by the definition: a number in another base. */
  function keyOf(kid: string): Uint8Array {
    const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
    const digits = kid.slice(kid.indexOf('#') + 2).split('')
    const number = digits.reduce((sum, digit) => sum * 58n + BigInt(alphabet.indexOf(digit)), 0n)
    return Buffer.from(number.toString(16).padStart(68, '0'), 'hex').subarray(2)
  }

  test('verifies what is sealed here, with the key that kid names', async () => {
    for (const message of [{}, { op: 'send' as const }, { token: 't' }, { op: 'result' as const, inReplyTo: seal() }]) {
      const { jws } = seal(message)
      const { header, claims } = await verifyElsewhere(jws)
      expect({ header, claims }).toEqual({ header: parts(jws).header, claims: parts(jws).claims })
    }
  })

  test('refuses what is refused here', async () => {
    const { jws, body: sealedBody } = seal()
    const [header, , signature] = jws.split('.') as [string, string, string]
    const claims = b64u(JSON.stringify({ ...parts(jws).claims, op: 'send' }))
    const changed = `${header}.${claims}.${signature}`
    await expect(verifyElsewhere(changed)).rejects.toThrow()
    expect(errorOf(verifier().open(changed, sealedBody)).code).toBe('INVALID_SIGNATURE')
  })
})

test('values of the wrong type throw a TypeError', () => {
  const wrong = (value: unknown): never => value as never
  const sealed = seal()
  const message: OutgoingMessage = { op: 'call', to: bob.did, body }
  for (const value of [null, 5, {}, [], new ArrayBuffer(4), 'text']) {
    expect(() => alice.seal({ ...message, body: wrong(value) })).toThrow(TypeError)
    expect(() => verifier().open(sealed.jws, wrong(value))).toThrow(TypeError)
  }
  for (const value of [null, 5, {}, [], body]) {
    for (const name of ['op', 'to', 'contentType', 'token', 'method', 'traceparent']) {
      expect(() => alice.seal({ ...message, [name]: wrong(value) }), name).toThrow(TypeError)
    }
    expect(() => verifier().open(wrong(value), body)).toThrow(TypeError)
    expect(() => verifier().open(sealed.jws, body, wrong(value))).toThrow(TypeError)
    expect(() => verifier({ audience: wrong(value) })).toThrow(TypeError)
  }
  for (const value of [null, '5', 5n, {}]) {
    expect(() => alice.seal({ ...message, ttlSeconds: wrong(value) })).toThrow(TypeError)
    expect(() => alice.seal({ ...message, now: wrong(value) })).toThrow(TypeError)
    expect(() => verifier({ maxTrackedMessages: wrong(value) })).toThrow(TypeError)
    for (const name of ['deadlineMs', 'seq', 'window']) {
      expect(() => alice.seal({ ...message, [name]: wrong(value) }), name).toThrow(TypeError)
    }
    expect(() => verifier({ pending: wrong(value) })).toThrow(TypeError)
    expect(() => verifier({ running: wrong(value) })).toThrow(TypeError)
    expect(() => verifier({ now: wrong(value) })).toThrow(TypeError)
    expect(() => verifier({ now: () => wrong(value) }).open(sealed.jws, body)).toThrow(TypeError)
  }
  for (const value of ['text', 5, {}, { id: 5, jws: 'x' }, { id: 'x' }, null]) {
    expect(() => alice.seal({ ...message, op: 'result', inReplyTo: wrong(value) })).toThrow(TypeError)
  }
  expect(() => alice.seal(wrong(undefined))).toThrow(TypeError)
  expect(() => new MessageVerifier(wrong(undefined))).toThrow(TypeError)
})
