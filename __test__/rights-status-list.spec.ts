import { XBindError, type FetchDocument, type TokenVerifierOptions } from '@private.me/autogen'
import {
  delegateToken,
  issueToken,
  StatusList,
  StatusListSource,
  type StatusListSourceOptions,
} from '@private.me/autogen/tokens'
import { deflateSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { b64u, parts, type Members } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, forgedToken, forger, NOW, seeded, trusting } from './helpers/rights.ts'

const [operator, agent, worker] = [seeded(1), seeded(2), seeded(3)]
const forgery = forger(1)
const uri = 'https://status.example/lists/1'
const token = (index = 7, at = uri) =>
  valueOf(
    issueToken(operator, {
      subject: agent.did,
      audience: AUDIENCE,
      scopes: ['a.*'],
      status: { index, uri: at },
      ttlSeconds: 80_000,
      now: NOW,
    }),
  )

function published(
  revoked: number[] = [],
  options: { lifetimeSeconds?: number; ttlSeconds?: number; now?: number } = {},
) {
  const list = new StatusList({ size: 100 })
  for (const index of revoked) valueOf(list.set(index, StatusList.INVALID))
  return valueOf(list.sign(operator, { uri, now: NOW, ...options }))
}

/** A list by hand: its claims may say anything. */
function forged(claims: Members = {}, header: Members = {}, by = forgery): string {
  const list = { bits: 1, lst: b64u(deflateSync(new Uint8Array(16))) }
  const said = { iss: by.did, sub: uri, iat: NOW, exp: NOW + 3600, status_list: list, ...claims }
  return by.sign(by.header({ typ: 'statuslist+jwt', ...header }), said)
}

describe('StatusList', () => {
  test.each([1, 2, 4, 8] as const)('holds a status of %i bits for each token', (bits) => {
    const list = new StatusList({ size: 100, bits })
    const largest = 2 ** bits - 1
    expect([list.bits, list.size]).toEqual([bits, Math.ceil((100 * bits) / 8) * (8 / bits)])
    for (let index = 0; index < list.size; index++) expect(list.get(index)).toBe(0)
    const status = (index: number) => (index * 7) % (largest + 1)
    for (let index = 0; index < list.size; index++) valueOf(list.set(index, status(index)))
    for (let index = 0; index < list.size; index++) expect(list.get(index)).toBe(status(index))
    valueOf(list.set(50, 0))
    expect([list.get(49), list.get(50), list.get(51)]).toEqual([status(49), 0, status(51)])
    expect(codeOf(list.set(0, largest + 1))).toBe('INVALID_CONFIG')
  })

  test('signs exactly the format', () => {
    const list = new StatusList({ size: 16 })
    for (const index of [0, 3, 4, 5, 7, 8, 9, 13, 15]) valueOf(list.set(index, 1))
    const { header, claims } = parts(valueOf(list.sign(operator, { uri, ttlSeconds: 300, now: NOW })))
    expect(header).toEqual({ alg: 'EdDSA', kid: `${operator.did}#${operator.did.slice(8)}`, typ: 'statuslist+jwt' })
    const { status_list: packed, ...rest } = claims as { status_list: { bits: number; lst: string } }
    expect(rest).toEqual({ iss: operator.did, sub: uri, iat: NOW, exp: NOW + 3600, ttl: 300 })
    // The example of the draft: these statuses are the bytes b9 a3.
    expect(packed).toEqual({ bits: 1, lst: expect.stringMatching(/^eNrbuRgAAhcBXQ$/) as string })
  })

  test('gives memory back while lists are read one after the other, without a turn of the event loop', () => {
    const jws = valueOf(new StatusList({ size: 1 << 23 }).sign(operator, { uri, now: NOW }))
    const before = process.memoryUsage.rss()
    let most = 0
    for (let i = 0; i < 600; i++) {
      valueOf(StatusList.read(jws, { uri, issuer: operator.did }))
      most = Math.max(most, process.memoryUsage.rss() - before)
    }
    expect(most).toBeLessThan(300 << 20) // of 600 MiB that were read
  })

  test('goes on with what was signed before', () => {
    const read = valueOf(StatusList.read(published([3, 99]), { uri, issuer: operator.did }))
    expect([read.size, read.bits, read.get(3), read.get(4), read.get(99)]).toEqual([104, 1, 1, 0, 1])
    valueOf(read.set(4, 1))
    expect(read.get(4)).toBe(1)
    expect(codeOf(StatusList.read(published(), { uri: `${uri}0`, issuer: operator.did }))).toBe('INVALID_TOKEN')
    expect(codeOf(StatusList.read(published(), { uri, issuer: agent.did }))).toBe('INVALID_TOKEN')
    expect(codeOf(StatusList.read(published(), { uri, issuer: 'operator' }))).toBe('INVALID_DID')
  })

  test.each([0, -1, 0.5, Number.NaN, 8_388_609, Infinity])('no list of %d tokens', (size) => {
    expect(() => new StatusList({ size })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
  })

  test('the longest list there is', () => {
    const list = new StatusList({ size: 8_388_608 })
    valueOf(list.set(8_388_607, 1))
    expect([list.size, list.get(8_388_607)]).toEqual([8_388_608, 1])
    expect(codeOf(list.sign(operator, { uri }))).toBe('ok')
  })

  test.each([
    [104, 1],
    [-1, 1],
    [0.5, 1],
    [Number.NaN, 1],
    [Infinity, 1],
    [2 ** 53, 1],
    [0, 2],
    [0, -1],
    [0, 256],
    [0, 257],
    [0, 0.5],
  ])('INVALID_CONFIG: set(%d, %d)', (index, status) => {
    const list = new StatusList({ size: 100 })
    expect(codeOf(list.set(index, status))).toBe('INVALID_CONFIG')
    if (index !== 0) expect(list.get(index)).toBeUndefined()
  })

  test.each([
    ['INVALID_CONFIG', { uri: '' }],
    ['INVALID_CONFIG', { uri: `${uri}\n` }],
    ['INVALID_CONFIG', { lifetimeSeconds: 0 }],
    ['INVALID_CONFIG', { ttlSeconds: 0 }],
    ['INVALID_CONFIG', { ttlSeconds: 1.5 }],
    ['INVALID_CONFIG', { now: -1 }],
  ])('%s: signed with %j', (code, options) => {
    expect(codeOf(new StatusList({ size: 1 }).sign(operator, { uri, ...options }))).toBe(code)
  })

  test('values of the wrong type throw', () => {
    const list = new StatusList({ size: 1 })
    const wrong: (() => unknown)[] = [
      () => new StatusList(undefined as never),
      () => new StatusList({} as never),
      () => new StatusList({ size: '5' as never }),
      () => list.set('0' as never, 1),
      () => list.set(0, true as never),
      () => list.get(undefined as never),
      () => list.sign({} as never, { uri }),
      () => list.sign(operator, {} as never),
      () => list.sign(operator, { uri, ttlSeconds: '5' as never }),
      () => StatusList.read(5 as never, { uri, issuer: operator.did }),
    ]
    for (const each of wrong) expect(each).toThrow(TypeError)
    for (const bits of [0, 3, 16]) expect(() => new StatusList({ size: 1, bits: bits as never })).toThrow(XBindError)
  })
})

describe('a verifier with a StatusListSource', () => {
  const clock = { now: NOW }
  let hits: string[]
  let list: unknown
  beforeEach(() => {
    clock.now = NOW
    hits = []
    list = published()
  })
  const fetch: FetchDocument = async (url) => {
    hits.push(url)
    if (list instanceof Error) throw list
    return list as string
  }
  const verifierWith = (source: StatusListSourceOptions = {}, options: Partial<TokenVerifierOptions> = {}) => {
    const revocations = new StatusListSource({ fetch, now: () => clock.now, ...source })
    return trusting([operator.did], { now: () => clock.now, revocations, ...options })
  }

  test('accepts and refuses by the list that the token names', async () => {
    list = published([3, 99])
    const verifier = verifierWith()
    const verdicts = await Promise.all(
      [2, 3, 4, 99, 98].map(async (index) => codeOf(await verifier.verify(token(index)))),
    )
    expect(verdicts).toEqual(['ok', 'REVOKED', 'ok', 'REVOKED', 'ok'])
    expect(hits).toEqual([uri])
    expect(valueOf(verifier.verifySync(token(2))).revocation).toBe('fresh')
    expect(codeOf(verifier.verifySync(token(3)))).toBe('REVOKED')
  })

  test('anything but 0 is a refusal', async () => {
    const wide = new StatusList({ size: 8, bits: 2 })
    for (const status of [1, 2, 3]) valueOf(wide.set(status, status))
    list = valueOf(wide.sign(operator, { uri, now: NOW }))
    const verdicts = [0, 1, 2, 3].map(async (index) => codeOf(await verifierWith().verify(token(index))))
    expect(await Promise.all(verdicts)).toEqual(['ok', 'REVOKED', 'REVOKED', 'REVOKED'])
  })

  test('needs the list: without one nothing is accepted, and nothing asked without I/O', async () => {
    const error = errorOf(verifierWith().verifySync(token()))
    expect([error.code, error.retryable]).toEqual(['REVOCATION_UNKNOWN', true])
    expect(error.message).toBe("the token's status list is not at hand")
    expect(error.hint).toContain('the evidence is absent')
    expect(hits).toEqual([])
    // A verifier without any source refuses such a token too: its issuer has said where to ask.
    expect(codeOf(await trusting([operator.did]).verify(token()))).toBe('REVOCATION_UNKNOWN')
  })

  test('a token without status needs none', async () => {
    expect(valueOf(await verifierWith().verify(forgedToken(forgery, agent.did))).revocation).toBe('unchecked')
    expect(hits).toEqual([])
  })

  test.each<[string, () => unknown, string]>([
    ['a list by another', () => forged({}, {}, forger(99)), 'unreadable'],
    ["a list by another in the issuer's name", () => forged({ iss: operator.did }, {}, forger(99)), 'unreadable'],
    ['a list for another address', () => forged({ sub: `${uri}0` }), 'unreadable'],
    ['a list without address', () => forged({ sub: undefined }), 'unreadable'],
    ['a token in place of a list', () => token(), 'unreadable'],
    ['another typ', () => forged({}, { typ: 'JWT' }), 'unreadable'],
    ['no alg', () => forged({}, { alg: 'none' }), 'unreadable'],
    ['crit', () => forged({}, { crit: ['exp'] }), 'unreadable'],
    ['a list that has expired', () => published([], { now: NOW - 5000, lifetimeSeconds: 60 }), 'stale'],
    ['a list from the future', () => published([], { now: NOW + 31 }), 'stale'],
    ['a list that is older than a day', () => published([], { now: NOW - 86_431, lifetimeSeconds: 200_000 }), 'stale'],
    ['a list that expires before it is issued', () => forged({ exp: NOW - 1 }), 'unreadable'],
    ['no time of issue', () => forged({ iat: undefined }), 'unreadable'],
    ['no list', () => forged({ status_list: undefined }), 'unreadable'],
    ['bits 3', () => forged({ status_list: { bits: 3, lst: b64u(deflateSync(new Uint8Array(9))) } }), 'unreadable'],
    [
      'an empty list',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array())) } }),
      'unreadable',
    ],
    [
      'too short a list',
      () => forged({ status_list: { bits: 8, lst: b64u(deflateSync(new Uint8Array(7))) } }),
      'unreadable',
    ],
    ['no zlib', () => forged({ status_list: { bits: 1, lst: b64u(new Uint8Array(16)) } }), 'unreadable'],
    [
      'half a stream',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array(999)).subarray(0, 9)) } }),
      'unreadable',
    ],
    [
      'a stream and more',
      () =>
        forged({
          status_list: { bits: 1, lst: b64u(Buffer.concat([deflateSync(new Uint8Array(16)), Buffer.from([0])])) },
        }),
      'unreadable',
    ],
    [
      'a bomb',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array((1 << 20) + 1))) } }),
      'unreadable',
    ],
    [
      'a great bomb',
      () => forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array(1 << 26))) } }),
      'unreadable',
    ],
    ['a page of HTML', () => '<!doctype html><title>503</title>', 'absent|unreadable'],
    ['nothing', () => '', 'absent|unreadable'],
    ['more than 2 MiB', () => 'x'.repeat((2 << 20) + 1), 'absent'],
    ['no text', () => new Uint8Array([0xff, 0xfe]), 'absent'],
    ['no bytes', () => ({}), 'absent'],
    ['an error', () => new Error('down'), 'absent'],
  ])('refuses when there is %s', async (_, given, evidence) => {
    list = given()
    const verifier = verifierWith()
    const error = errorOf(await verifier.verify(token()))
    expect(error.code).toBe('REVOCATION_UNKNOWN')
    expect(error.hint).toMatch(new RegExp(`^the evidence is (${evidence})\\b`))
    expect(codeOf(verifier.verifySync(token()))).toBe('REVOCATION_UNKNOWN')
    const open = verifierWith({}, { dangerouslyAcceptUnknownRevocation: true })
    expect(valueOf(await open.verify(token())).revocation).toMatch(new RegExp(`^(${evidence})$`))
  })

  test('a list of 1 MiB is no bomb', async () => {
    list = forged({ status_list: { bits: 1, lst: b64u(deflateSync(new Uint8Array(1 << 20))) } })
    expect(codeOf(await verifierWith().verify(token(8_388_607)))).toBe('ok')
    expect(codeOf(await verifierWith().verify(token(8_388_608)))).toBe('REVOCATION_UNKNOWN')
  })

  test('a bomb by another is refused before it is inflated', async () => {
    const bomb = { bits: 1, lst: b64u(deflateSync(new Uint8Array(1 << 26))) }
    list = forged({ iss: undefined, status_list: bomb }, {}, forger(99))
    expect(errorOf(await verifierWith().verify(token())).hint).toContain('not the key of the issuer')
  })

  test('the one switch to fail open still heeds what a fresh list says', async () => {
    list = published([7])
    expect(codeOf(await verifierWith({}, { dangerouslyAcceptUnknownRevocation: true }).verify(token()))).toBe('REVOKED')
  })

  test('asks again when the copy is five minutes old, and learns what was revoked meanwhile', async () => {
    const verifier = verifierWith()
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    list = published([7], { now: NOW + 100 })
    clock.now = NOW + 299
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    clock.now = NOW + 300
    expect(codeOf(await verifier.verify(token()))).toBe('REVOKED')
    expect(hits).toHaveLength(2)
  })

  test('while none comes, the old one serves its time, and is asked for every 30 s at most', async () => {
    const verifier = verifierWith()
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    list = new Error('down')
    clock.now = NOW + 300
    for (let i = 0; i < 10; i++) expect(codeOf(await verifier.verify(token()))).toBe('ok')
    expect(hits).toHaveLength(2)
    clock.now = NOW + 329
    await verifier.verify(token())
    expect(hits).toHaveLength(2)
    clock.now = NOW + 330
    await verifier.verify(token())
    expect(hits).toHaveLength(3)
    clock.now = NOW + 3629
    expect(codeOf(await verifier.verify(token()))).toBe('ok')
    clock.now = NOW + 3630
    const error = errorOf(await verifier.verify(token()))
    expect(error.hint).toBe(
      'the evidence is stale (the request failed): the issuer has to publish its status list anew',
    )
  })

  test('a ttl and the limit of the source end it earlier', async () => {
    list = published([], { ttlSeconds: 60 })
    const byTtl = verifierWith()
    expect(codeOf(await byTtl.verify(token()))).toBe('ok')
    clock.now = NOW + 60
    expect(codeOf(byTtl.verifySync(token()))).toBe('ok')
    clock.now = NOW + 61
    expect(codeOf(byTtl.verifySync(token()))).toBe('REVOCATION_UNKNOWN')
    clock.now = NOW
    list = published()
    const byAge = verifierWith({ maxAgeSeconds: 10 })
    expect(codeOf(await byAge.verify(token()))).toBe('ok')
    clock.now = NOW + 40
    expect(codeOf(byAge.verifySync(token()))).toBe('ok')
    clock.now = NOW + 41
    expect(codeOf(byAge.verifySync(token()))).toBe('REVOCATION_UNKNOWN')
  })

  test('an older list does not take a newer one back', async () => {
    list = published([7], { now: NOW })
    const verifier = verifierWith()
    expect(codeOf(await verifier.verify(token()))).toBe('REVOKED')
    list = published([], { now: NOW - 1 })
    clock.now = NOW + 300
    expect(codeOf(await verifier.verify(token()))).toBe('REVOKED')
    expect(hits).toHaveLength(2)
  })

  test('one request at a time for a list, however many tokens name it', async () => {
    const verifier = verifierWith()
    const verdicts = await Promise.all(Array.from({ length: 40 }, (_, index) => verifier.verify(token(index))))
    expect(new Set(verdicts.map(codeOf))).toEqual(new Set(['ok']))
    expect(hits).toEqual([uri])
  })

  test('asks nobody for tokens that are no good', async () => {
    const verifier = verifierWith()
    const status = { status_list: { idx: 0, uri: 'https://attacker.example/list' } }
    const wrong = [
      forgedToken(forger(99), agent.did, { status }),
      forgedToken(forgery, agent.did, { status, exp: NOW - 40, iat: NOW - 50 }),
      forgedToken(forgery, agent.did, { status, aud: 'https://other.example' }),
      `${forgedToken(forgery, agent.did, { status })}x`,
    ]
    for (const each of wrong) expect((await verifier.verify(each)).ok).toBe(false)
    expect((await verifier.verify(token(), { scopes: ['b'] })).ok).toBe(false)
    expect((await verifier.verify(token(), { presenter: worker.did })).ok).toBe(false)
    expect(hits).toEqual([])
  })

  test.each([
    'http://status.example/1',
    'https://user:secret@status.example/',
    'status.example',
    'urn:list:1',
    'file:///x',
  ])('never asks %s', async (at) => {
    expect(codeOf(await verifierWith().verify(token(7, at)))).toBe('REVOCATION_UNKNOWN')
    expect(hits).toEqual([])
  })

  describe('of a delegation', () => {
    const handedOn = (at = 'https://agents.example/status') =>
      valueOf(
        delegateToken(agent, forgedToken(forgery, agent.did, { scope: 'a.*' }), {
          subject: worker.did,
          status: { index: 3, uri: at },
          now: NOW,
        }),
      )
    const byAgent = (revoked: number[]) => {
      const made = new StatusList({ size: 8 })
      for (const index of revoked) valueOf(made.set(index, 1))
      return valueOf(made.sign(agent, { uri: 'https://agents.example/status', now: NOW }))
    }

    test('is asked for only where its origin is listed, because nobody here has chosen its maker', async () => {
      list = byAgent([])
      expect(codeOf(await verifierWith().verify(handedOn()))).toBe('REVOCATION_UNKNOWN')
      expect(codeOf(await verifierWith({ origins: ['https://status.example'] }).verify(handedOn()))).toBe(
        'REVOCATION_UNKNOWN',
      )
      expect(hits).toEqual([])
      expect(codeOf(await verifierWith({ origins: ['https://agents.example/'] }).verify(handedOn()))).toBe('ok')
      expect(hits).toEqual(['https://agents.example/status'])
    })

    test('takes it back for its maker', async () => {
      list = byAgent([3])
      const verifier = verifierWith({ origins: ['https://agents.example'] })
      expect(codeOf(await verifier.verify(handedOn()))).toBe('REVOKED')
    })

    test('counts only when it is by the one who handed on', async () => {
      const made = new StatusList({ size: 8 })
      list = valueOf(made.sign(worker, { uri: 'https://agents.example/status', now: NOW }))
      const verifier = verifierWith({ origins: ['https://agents.example'] })
      expect(codeOf(await verifier.verify(handedOn()))).toBe('REVOCATION_UNKNOWN')
    })
  })

  test('origins bind tokens as well', async () => {
    const verifier = verifierWith({ origins: ['https://agents.example'] })
    expect(codeOf(await verifier.verify(token()))).toBe('REVOCATION_UNKNOWN')
    expect(hits).toEqual([])
  })

  test('an issuer with a JWK set signs its lists with the same keys', async () => {
    const issuer = 'https://login.example'
    const signer = forger(50)
    const jwks = { keys: [{ ...signer.identity.toJWK(), kid: 'one' }] }
    const status = { status_list: { idx: 1, uri } }
    const named = forgedToken(signer, agent.did, { iss: issuer, status }, { kid: 'one' })
    const revocations = new StatusListSource({ fetch })
    const verifier = trusting([{ issuer, jwks }], { revocations })
    list = forged({ iss: issuer }, { kid: 'one' }, signer)
    expect(codeOf(await verifier.verify(named))).toBe('ok')
    const offline = new StatusListSource({ offline: true, now: () => NOW })
    expect(codeOf(offline.put(String(list), { issuer, jwks }))).toBe('ok')
    expect(codeOf(trusting([{ issuer, jwks }], { revocations: offline }).verifySync(named))).toBe('ok')
    const other = trusting([{ issuer, jwks }], { revocations: new StatusListSource({ fetch }) })
    list = forged({ iss: issuer }, { kid: 'one' }, forger(99))
    expect(codeOf(await other.verify(named))).toBe('REVOCATION_UNKNOWN')
  })

  test('fresh evidence of one source is enough', async () => {
    const [empty, full] = [0, 1].map(() => new StatusListSource({ offline: true, now: () => NOW })) as [
      StatusListSource,
      StatusListSource,
    ]
    valueOf(full.put(published([3])))
    const verifier = trusting([operator.did], { revocations: [empty, full] })
    expect(codeOf(verifier.verifySync(token(2)))).toBe('ok')
    expect(codeOf(verifier.verifySync(token(3)))).toBe('REVOKED')
  })

  test('there is room for so many lists, and then for no more', async () => {
    const verifier = verifierWith({ maxLists: 2, maxAgeSeconds: 60 })
    const at = (name: string) => `https://status.example/${name}`
    const asked = async (name: string) => {
      list = valueOf(new StatusList({ size: 8 }).sign(operator, { uri: at(name), now: clock.now }))
      return codeOf(await verifier.verify(token(7, at(name))))
    }
    expect([await asked('a'), await asked('b'), await asked('c'), await asked('a')]).toEqual([
      'ok',
      'ok',
      'REVOCATION_UNKNOWN',
      'ok',
    ])
    clock.now = NOW + 3700
    expect([await asked('c'), await asked('b')]).toEqual(['ok', 'ok'])
  })
})

describe('StatusListSource by hand', () => {
  const source = (options: StatusListSourceOptions = {}) =>
    new StatusListSource({ offline: true, now: () => NOW, ...options })

  test('answers for the tokens of whoever signed the list', () => {
    const lists = source()
    valueOf(lists.put(published([3])))
    expect(lists.statusOf(operator.did, { index: 3, uri })).toEqual({ evidence: 'fresh', status: 1 })
    expect(lists.statusOf(operator.did, { index: 4, uri })).toEqual({ evidence: 'fresh', status: 0 })
    expect(lists.statusOf(operator.did, { index: 104, uri })).toEqual({ evidence: 'unreadable' })
    expect(lists.statusOf(operator.did, { index: 0.5, uri })).toEqual({ evidence: 'unreadable' })
    expect(lists.statusOf(agent.did, { index: 3, uri })).toEqual({ evidence: 'absent' })
    expect(lists.statusOf(operator.did, { index: 3, uri: `${uri}0` })).toEqual({ evidence: 'absent' })
  })

  test('is a source like any other', () => {
    const lists = source()
    const about = (index: number) => ({ tokenId: 'x', issuer: operator.did, issuedAt: NOW, status: { index, uri } })
    expect(() => lists.isRevoked(about(3))).toThrow(expect.objectContaining({ code: 'REVOCATION_UNKNOWN' }))
    valueOf(lists.put(published([3])))
    expect([lists.isRevoked(about(3)), lists.isRevoked(about(4))]).toEqual([true, false])
    expect(lists.isRevoked({ did: operator.did, issuedAt: NOW })).toBe(false)
  })

  test.each([
    ['INVALID_TOKEN', ''],
    ['INVALID_TOKEN', 'x'],
    ['INVALID_TOKEN', 'x.y.z'],
    ['INVALID_TOKEN', 'bnVsbA.bnVsbA.bnVsbA'],
    ['INVALID_TOKEN', `${published()}x`],
    ['INVALID_TOKEN', token()],
    ['INVALID_TOKEN', forged({ iss: agent.did })],
    ['INVALID_TOKEN', forged({}, { kid: 'operator' })],
    ['INVALID_TOKEN', forged({}, { kid: 5 })],
  ])('%s: %#', (code, jws) => {
    const put = source().put(jws)
    expect(['INVALID_DID', code]).toContain(codeOf(put))
  })

  test('of two lists of the same second both count', () => {
    for (const [one, two] of [
      [[3], [4]],
      [[], [3, 4]],
      [[3, 4], []],
    ] as const) {
      const lists = source()
      valueOf(lists.put(published([...one], { lifetimeSeconds: 600 })))
      expect(codeOf(lists.put(published([...two])))).toBe('ok')
      const at = (index: number) => lists.statusOf(operator.did, { index, uri })
      expect([3, 4, 5].map(at)).toEqual([1, 1, 0].map((status) => ({ evidence: 'fresh', status })))
    }
  })

  test('a thousand texts that nobody signed take no place', () => {
    const lists = source({ maxLists: 2 })
    for (let i = 0; i < 1000; i++) {
      const unsigned = forged({ sub: `${uri}/${i}` }).replace(/[^.]*$/, 'A'.repeat(86))
      expect(codeOf(lists.put(unsigned))).toBe('INVALID_TOKEN')
    }
    expect(codeOf(lists.put(published([3])))).toBe('ok')
    expect(codeOf(lists.put(forged({ sub: `${uri}0` })))).toBe('INVALID_CONFIG') // its share: an eighth, one at least
  })

  test('strangers leave room for the issuer that a verifier trusts', () => {
    const lists = source({ maxLists: 8 })
    trusting([operator.did], { revocations: lists })
    const codes = Array.from({ length: 20 }, (_, i) =>
      codeOf(lists.put(forged({ iss: undefined }, {}, forger(60 + i)))),
    )
    expect(codes.filter((code) => code === 'ok')).toHaveLength(4)
    const own = Array.from({ length: 4 }, (_, i) => codeOf(lists.put(forged({ sub: `${uri}/${i}` }))))
    expect(own).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect(codeOf(lists.put(published()))).toBe('INVALID_CONFIG')
  })

  test('lists are counted in bytes as well', () => {
    const long = (n: number) => {
      const lst = b64u(deflateSync(new Uint8Array(1 << 20)))
      return forged({ sub: `${uri}/${n}`, status_list: { bits: 1, lst } })
    }
    const lists = source({ maxBytes: 4 << 20 })
    trusting([operator.did], { revocations: lists })
    const codes = Array.from({ length: 6 }, (_, n) => codeOf(lists.put(long(n))))
    expect(codes).toEqual(['ok', 'ok', 'ok', 'ok', 'INVALID_CONFIG', 'INVALID_CONFIG'])
    // By default too: 1000 lists of 1 MiB each come as 2 MiB of text.
    const open = source()
    const taken = Array.from({ length: 100 }, (_, n) => codeOf(open.put(long(n)))).filter((code) => code === 'ok')
    expect(taken).toHaveLength(8)
  })

  test('older ones, and ones too many', () => {
    const lists = source({ maxLists: 1 })
    valueOf(lists.put(published([3])))
    expect(codeOf(lists.put(published([], { now: NOW - 1 })))).toBe('TOKEN_EXPIRED')
    expect(codeOf(lists.put(forged({ sub: `${uri}0` })))).toBe('INVALID_CONFIG')
    expect(codeOf(lists.put(published([4], { now: NOW + 1 })))).toBe('ok')
    expect(lists.statusOf(operator.did, { index: 3, uri })).toEqual({ evidence: 'fresh', status: 0 })
  })

  test.each([
    [{ origins: ['http://status.example'] }],
    [{ origins: ['https://status.example/lists'] }],
    [{ origins: ['https://user@status.example'] }],
    [{ origins: ['status.example'] }],
    [{ maxAgeSeconds: 0 }],
    [{ refreshSeconds: 0 }],
    [{ maxLists: 0 }],
  ])('INVALID_CONFIG: %j', (options) => {
    expect(() => new StatusListSource(options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
  })

  test('values of the wrong type throw', () => {
    const lists = source()
    const wrong: (() => unknown)[] = [
      () => new StatusListSource(null as never),
      () => new StatusListSource({ origins: 'https://status.example' as never }),
      () => new StatusListSource({ offline: 1 as never }),
      () => new StatusListSource({ fetch: 'x' as never }),
      () => new StatusListSource({ now: NOW as never }),
      () => lists.put(5 as never),
      () => lists.put('x', 'y' as never),
      () => lists.statusOf(operator.did, undefined as never),
      () => lists.statusOf(operator.did, { index: '3' as never, uri }),
      () => source({ now: () => 'x' as never }).put(published()),
    ]
    for (const each of wrong) expect(each).toThrow(TypeError)
  })
})
