import { XBindError } from '@private.me/autogen'
import { StatusList, StatusListSource, type StatusListSourceOptions } from '@private.me/autogen/tokens'
import { deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { b64u, parts } from './helpers/jws.ts'
import { codeOf, valueOf } from './helpers/result.ts'
import { forger, NOW, trusting } from './helpers/rights.ts'
import { agent, forged, operator, published, token, uri } from './helpers/status-list.ts'

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
    [{ refreshSeconds: 29 }],
    [{ offline: true, refreshSeconds: 29 }],
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
