import { type Identity } from '@private.me/autogen'
import { KeyHistory, signRotation, verifyRotation, type RotationRequest } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { b64u, type Members } from './helpers/jws.ts'
import { codeOf, valueOf } from './helpers/result.ts'
import { forger, NOW, seeded } from './helpers/rights.ts'

const keys = Array.from({ length: 66 }, (_, i) => seeded(100 + i))
const [first, second, third] = keys as [Identity, Identity, Identity]
const DAY = 86_400

const rotation = (request: RotationRequest = {}, old = first, next = second) =>
  signRotation(old, next, { now: NOW, ...request })

/** The two halves of a statement by hand. */
function forged(claims: Members = {}, by = [forger(100), forger(101)], typ = 'agent-rotation+jwt'): string {
  const said = { iss: first.did, sub: second.did, iat: NOW, nbf: NOW, overlap: DAY, ...claims }
  const signed = by.map((key) => key.sign(key.header({ typ }), said).split('.'))
  const signatures = signed.map(([header, , signature]) => ({ protected: header, signature }))
  return JSON.stringify({ payload: b64u(JSON.stringify(said)), signatures })
}

describe('a rotation', () => {
  test('says from which key to which, and until when both sign', () => {
    const statement = valueOf(rotation({ activeFrom: NOW + 60, overlapSeconds: 3600 }))
    const expected = { old: first.did, new: second.did, issuedAt: NOW, activeFrom: NOW + 60, overlapSeconds: 3600 }
    expect(valueOf(verifyRotation(statement))).toEqual(expected)
    expect(Object.isFrozen(valueOf(verifyRotation(statement)))).toBe(true)
    expect(valueOf(verifyRotation(valueOf(rotation())))).toMatchObject({ activeFrom: NOW, overlapSeconds: DAY })
  })

  test('is signed by both', () => {
    const { payload, signatures } = JSON.parse(valueOf(rotation())) as { payload: string; signatures: Members[] }
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toEqual({
      iss: first.did,
      sub: second.did,
      iat: NOW,
      nbf: NOW,
      overlap: DAY,
    })
    const headers = signatures.map(
      ({ protected: header }) => JSON.parse(Buffer.from(String(header), 'base64url').toString()) as Members,
    )
    expect(headers.map(({ kid }) => kid)).toEqual([first, second].map(({ did }) => `${did}#${did.slice(8)}`))
  })

  test.each([
    ['INVALID_CONFIG', { overlapSeconds: 604_801 }],
    ['INVALID_CONFIG', { overlapSeconds: -1 }],
    ['INVALID_CONFIG', { overlapSeconds: 0.5 }],
    ['INVALID_CONFIG', { activeFrom: NOW - 1 }],
    ['INVALID_CONFIG', { activeFrom: NOW + 30 * DAY + 1 }],
    ['INVALID_CONFIG', { now: Number.NaN }],
    ['ok', { overlapSeconds: 604_800 }],
    ['ok', { overlapSeconds: 0 }],
    ['ok', { activeFrom: NOW + 30 * DAY }],
  ])('%s: %j', (code, request) => {
    expect(codeOf(rotation(request))).toBe(code)
  })

  test('leads from one key to another, by those who hold them', () => {
    expect(codeOf(rotation({}, first, first))).toBe('INVALID_CONFIG')
    const gone = seeded(77)
    gone.destroy()
    expect(codeOf(rotation({}, gone, second))).toBe('SIGN_FAILED')
    expect(codeOf(rotation({}, first, gone))).toBe('SIGN_FAILED')
    expect(() => signRotation(first.did as never, second)).toThrow('old must be an Identity')
    expect(() => signRotation(first, undefined as never)).toThrow('next must be an Identity')
    expect(() => signRotation(first, second, null as never)).toThrow(TypeError)
  })

  test.each<[string, string]>([
    ['signed by the old key alone', forged({}, [forger(100), forger(100)])],
    ['signed by the new key alone', forged({}, [forger(101), forger(101)])],
    ['signed the other way round', forged({}, [forger(101), forger(100)])],
    ['signed by a thief', forged({}, [forger(100), forger(99)])],
    ['signed once', JSON.stringify({ ...(JSON.parse(forged()) as Members), signatures: [] })],
    ['signed three times', forged({}, [forger(100), forger(101), forger(102)])],
    ['of another typ', forged({}, undefined, 'agent-approval+jwt')],
    ['an overlap without end', forged({ overlap: 1e15 })],
    ['a negative overlap', forged({ overlap: -1 })],
    ['a start in the past', forged({ nbf: NOW - 1 })],
    ['one key', forged({ sub: first.did }, [forger(100), forger(100)])],
    ['a further claim', forged({ admin: true })],
    ['no overlap', forged({ overlap: undefined })],
    ['a text', forged({ iat: String(NOW) })],
    ['no JSON', 'x'],
    ['an array', '[]'],
    ['nothing', ''],
    ['a lot', ' '.repeat(5000)],
    ['an unprotected header', forged().replace('"signature"', '"header":{},"signature"')],
    ['a member twice', forged().replace('{"payload"', '{"payload":"","payload"')],
  ])('is refused: %s', (_, statement) => {
    expect(codeOf(verifyRotation(statement))).toBe('INVALID_TOKEN')
    expect(codeOf(new KeyHistory(first.did).prepare(statement))).toBe('INVALID_TOKEN')
  })

  test('by hand and honest it is accepted, so that the change alone refuses it', () => {
    expect(codeOf(verifyRotation(forged()))).toBe('ok')
    expect(() => verifyRotation(undefined as never)).toThrow(TypeError)
  })
})

describe('KeyHistory', () => {
  const at = { now: NOW + 100 }
  const history = (): KeyHistory => new KeyHistory(first.did, { activeFrom: NOW - 1000 })

  test('of one key', () => {
    const keys = history()
    expect(keys.name).toBe(first.did)
    expect([keys.state(first.did, NOW - 1001), keys.state(first.did, NOW), keys.state(second.did)]).toEqual([
      'prepared',
      'active',
      undefined,
    ])
    expect([keys.current(NOW), keys.current(NOW - 1001)]).toEqual([first.did, undefined])
    expect(new KeyHistory(first.did).current()).toBe(first.did)
  })

  test('a planned change: both sign for a while, and what the old key signed stands', () => {
    const keys = history()
    valueOf(keys.prepare(valueOf(rotation({ activeFrom: NOW + 100, overlapSeconds: 50 })), at))
    const states = (did: string) => [NOW, NOW + 99, NOW + 100, NOW + 149, NOW + 150].map((at) => keys.state(did, at))
    expect(states(first.did)).toEqual(['active', 'active', 'retiring', 'retiring', 'retired'])
    expect(states(second.did)).toEqual(['prepared', 'prepared', 'active', 'active', 'active'])
    expect([NOW + 99, NOW + 100].map((at) => keys.current(at))).toEqual([first.did, second.did])
    expect([NOW + 149, NOW + 150].map((at) => keys.maySign(first.did, at))).toEqual([true, false])
    expect([NOW, NOW + 149, NOW + 150].map((at) => keys.verifies(first.did, at))).toEqual([true, true, false])
    expect(keys.name).toBe(first.did)
  })

  test('an emergency: the old key is doubtful from then on', () => {
    const keys = history()
    valueOf(keys.prepare(valueOf(rotation({ overlapSeconds: 0 })), at))
    expect([keys.state(first.did, NOW - 1), keys.state(first.did, NOW)]).toEqual(['active', 'tainted'])
    expect([keys.verifies(first.did, NOW - 1), keys.verifies(first.did, NOW)]).toEqual([true, false])
    expect(keys.current(NOW)).toBe(second.did)
  })

  test('taint and revocation', () => {
    const keys = history()
    valueOf(keys.prepare(valueOf(rotation()), at))
    expect(keys.taint(first.did, { from: NOW + 10 })).toBe(true)
    expect([10, 20].map((later) => keys.taint(first.did, { from: NOW + later }))).toEqual([false, false])
    expect([NOW + 9, NOW + 10].map((at) => keys.verifies(first.did, at))).toEqual([true, false])
    expect(keys.revoke(first.did)).toBe(true)
    expect([keys.revoke(first.did), keys.taint(first.did, { from: 0 }), keys.activate(first.did)]).not.toContain(true)
    expect([keys.state(first.did, NOW - 500), keys.verifies(first.did, NOW - 500)]).toEqual(['revoked', false])
    expect([keys.taint(third.did), keys.revoke(third.did), keys.activate(third.did), keys.revoke(third.did)]).toEqual([
      false,
      false,
      false,
      false,
    ])
  })

  test('a lost key: the next one starts earlier', () => {
    const keys = history()
    valueOf(keys.prepare(valueOf(rotation({ activeFrom: NOW + 1000 })), at))
    expect(keys.maySign(second.did, NOW)).toBe(false)
    expect(keys.activate(second.did, { from: NOW })).toBe(true)
    expect(keys.maySign(second.did, NOW)).toBe(true)
    expect([0, 500].map((later) => keys.activate(second.did, { from: NOW + later }))).toEqual([false, false])
    expect(keys.maySign(second.did, NOW)).toBe(true)
    expect([keys.revoke(second.did), keys.activate(second.did, { from: 0 })]).toEqual([true, false])
  })

  test.each<[string, (keys: KeyHistory) => string]>([
    ['a successor of a successor that is not known', () => valueOf(rotation({}, second, third))],
    [
      'a second successor',
      (keys) => (valueOf(keys.prepare(valueOf(rotation()), at)), valueOf(rotation({}, first, third))),
    ],
    [
      'back to the first key',
      (keys) => (valueOf(keys.prepare(valueOf(rotation()), at)), valueOf(rotation({ now: NOW + 1 }, second, first))),
    ],
    ['by a key that was revoked', (keys) => (keys.revoke(first.did), valueOf(rotation()))],
    ['by a key that was doubtful then', (keys) => (keys.taint(first.did, { from: NOW }), valueOf(rotation()))],
    ['by a key before its time', () => valueOf(rotation({ now: NOW - 2000, activeFrom: NOW }))],
    ['by strangers', () => valueOf(rotation({}, third, seeded(99)))],
  ])('INVALID_DELEGATION: %s', (_, statement) => {
    const keys = history()
    const text = statement(keys)
    expect(codeOf(keys.prepare(text, at))).toBe('INVALID_DELEGATION')
    expect(keys.state(third.did)).toBeUndefined()
  })

  test('the same statement again changes nothing', () => {
    const keys = history()
    const statement = valueOf(rotation())
    valueOf(keys.prepare(statement, at))
    expect(codeOf(keys.prepare(statement, at))).toBe('ok')
    expect(keys.current(NOW)).toBe(second.did)
  })

  test.each([31, 86_400, 94_000_000_000])('a rotation dated %d s ahead waits, and freezes nothing', (ahead) => {
    const keys = history()
    const statement = valueOf(rotation({ now: NOW + ahead, overlapSeconds: 0 }))
    expect(codeOf(keys.prepare(statement, { now: NOW }))).toBe('TOKEN_NOT_YET_VALID')
    expect([keys.state(second.did), keys.maySign(first.did, NOW)]).toEqual([undefined, true])
    expect(codeOf(keys.prepare(statement, { now: NOW + ahead - 30 }))).toBe('ok')
  })

  test('by the system clock where no time is given', () => {
    const keys = new KeyHistory(first.did)
    const now = Math.floor(Date.now() / 1000)
    expect(codeOf(keys.prepare(valueOf(rotation({ now: now + 86_400, overlapSeconds: 0 }))))).toBe(
      'TOKEN_NOT_YET_VALID',
    )
    expect(codeOf(keys.prepare(valueOf(rotation({ now }))))).toBe('ok')
  })

  test('64 keys, and no more', () => {
    const history = new KeyHistory(keys[0]!.did)
    for (let i = 0; i < 63; i++) {
      const statement = valueOf(
        rotation({ now: NOW + i, activeFrom: NOW + i, overlapSeconds: 1 }, keys[i], keys[i + 1]),
      )
      expect(codeOf(history.prepare(statement, at))).toBe('ok')
    }
    const last = valueOf(rotation({ now: NOW + 63, overlapSeconds: 1 }, keys[63], keys[64]))
    expect(codeOf(history.prepare(last, at))).toBe('INVALID_DELEGATION')
    expect([history.name, history.current(NOW + 100)]).toEqual([keys[0]!.did, keys[63]!.did])
  })

  test('wrong values', () => {
    const keys = history()
    const wrong: (() => unknown)[] = [
      () => new KeyHistory(5 as never),
      () => new KeyHistory(first.did, null as never),
      () => keys.prepare(undefined as never),
      () => keys.state(5 as never),
      () => keys.state(first.did, 0.5),
      () => keys.maySign(first.did, -1),
      () => keys.maySign(first.did, new Date() as never),
      () => keys.verifies(first.did, undefined as never),
      () => keys.verifies(first.did, Number.NaN),
      () => keys.current('now' as never),
      () => keys.taint(first.did, { from: Infinity }),
      () => keys.activate(first.did, 5 as never),
      () => keys.revoke(undefined as never),
    ]
    for (const each of wrong) expect(each).toThrow(TypeError)
    expect(() => new KeyHistory('x')).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
    expect(() => new KeyHistory(first.did, { activeFrom: 0.5 })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG' }),
    )
    expect(() => Object.assign(keys, { name: 'x' })).toThrow(TypeError)
  })
})
