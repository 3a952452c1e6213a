import { AutoGenxBindAgent, type TokenRequest } from '@private.me/autogen'
import { delegateToken, issueToken } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { parts } from './helpers/jws.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { AUDIENCE, NOW, seeded, trusting } from './helpers/rights.ts'

const [operator, agent, worker, helper] = [seeded(1), seeded(2), seeded(3), seeded(4)]
const verifier = trusting([operator.did])
const LIMITS = { 'llm.tokens': 1_000_000, 'llm.micros': 5_000_000 }

const issue = (request: Partial<TokenRequest>) =>
  issueToken(operator, { subject: agent.did, audience: AUDIENCE, scopes: ['a'], now: NOW, ...request })
const root = valueOf(issue({ quota: LIMITS, claims: { team: 'x' } }))
const delegate = (request: Partial<TokenRequest>, token = root, [by, to] = [agent, worker]) =>
  delegateToken(by, token, { subject: to.did, now: NOW, ...request })
const quotaOf = (token: string) => valueOf(verifier.verifySync(token)).quota

describe('a quota', () => {
  test('goes with the token, and is no further claim', async () => {
    expect(parts(root).claims).toMatchObject({ quota: LIMITS })
    const claims = valueOf(await verifier.verify(root))
    expect(claims).toMatchObject({ quota: LIMITS, claims: { team: 'x' } })
    expect(claims.claims).not.toHaveProperty('quota')
    expect(Object.isFrozen(claims.quota)).toBe(true)
    expect(valueOf(verifier.verifySync(root)).quota).toEqual(LIMITS) // from memory
  })

  test('is absent where nobody set a limit', () => {
    const token = valueOf(issue({}))
    expect(valueOf(verifier.verifySync(token))).not.toHaveProperty('quota')
    expect(parts(token).claims).not.toHaveProperty('quota')
  })

  test('is handed on whole, or in part', () => {
    const part = valueOf(delegate({ quota: { 'llm.tokens': 100_000, calls: 7 } }))
    expect(parts(part).claims).toMatchObject({ quota: { 'llm.tokens': 100_000, calls: 7 } })
    expect(quotaOf(part)).toEqual({ 'llm.tokens': 100_000, 'llm.micros': 5_000_000, calls: 7 })
    expect(quotaOf(valueOf(delegate({}, part, [worker, helper])))).toEqual(quotaOf(part))
    expect(quotaOf(valueOf(delegate({})))).toEqual(LIMITS)
    expect(quotaOf(valueOf(delegate({ quota: { 'llm.tokens': 0 } })))).toMatchObject({ 'llm.tokens': 0 })
  })

  test('never grows', () => {
    const error = errorOf(delegate({ quota: { 'llm.tokens': 1_000_001 } }))
    expect([error.code, error.message, error.hint]).toEqual([
      'INVALID_DELEGATION',
      'a delegation grants 1000001 of llm.tokens, its parent 1000000',
      'held: 1000000 of llm.tokens',
    ])
    const part = valueOf(delegate({ quota: { 'llm.tokens': 5 } }))
    expect(codeOf(delegate({ quota: { 'llm.tokens': 6 } }, part, [worker, helper]))).toBe('INVALID_DELEGATION')
  })

  test('reaches the handler of a call', async () => {
    await using boss = new AutoGenxBindAgent({ name: 'boss' })
    await using clerk = new AutoGenxBindAgent({ name: 'clerk' })
    await using desk = new AutoGenxBindAgent({ name: 'desk' })
    const [to, audience] = [clerk.getDID(), desk.getDID()]
    let frozen: boolean | undefined
    desk.handle(
      ({ scopes, quota, chain }) => {
        frozen = Object.isFrozen(quota)
        return { scopes, quota: quota ?? null, hands: chain.length }
      },
      { trust: [boss.getDID()] },
    )
    const asked = async (request: Partial<TokenRequest>) => {
      const token = valueOf(await boss.grant({ subject: to, audience, scopes: ['a', 'b'], ...request }))
      return valueOf(await clerk.call('desk', null, { token }))
    }
    expect(await asked({ quota: LIMITS })).toEqual({ scopes: ['a', 'b'], quota: LIMITS, hands: 2 })
    expect(frozen).toBe(true)
    expect(await asked({ quota: { n: 0 }, scopes: [] })).toEqual({ scopes: [], quota: { n: 0 }, hands: 2 })
    expect(await asked({})).toEqual({ scopes: ['a', 'b'], quota: null, hands: 2 })
  })

  test('has bounds', () => {
    const many = (limits: number) => Object.fromEntries(Array.from({ length: limits }, (_, i) => [`n${i}`, i]))
    expect(quotaOf(valueOf(issue({ quota: many(16) })))).toEqual(many(16))
    const odd = JSON.parse('{"__proto__":1,"constructor":2}') as Record<string, number>
    expect(JSON.stringify(quotaOf(valueOf(issue({ quota: odd }))))).toBe(JSON.stringify(odd))
    expect(quotaOf(valueOf(issue({ quota: { n: Number.MAX_SAFE_INTEGER } })))).toEqual({ n: Number.MAX_SAFE_INTEGER })
    const bad = [{}, many(17), { '': 1 }, { A: 1 }, { 'a b': 1 }, { '\ud800': 1 }, { ['x'.repeat(65)]: 1 }]
    const numbers = [-1, 0.5, 2 ** 53, NaN, Infinity].map((n) => ({ n }))
    for (const quota of [...bad, ...numbers]) {
      expect([codeOf(issue({ quota })), codeOf(delegate({ quota }))]).toEqual(['INVALID_CONFIG', 'INVALID_CONFIG'])
    }
    expect(codeOf(issue({ claims: { quota: { n: 1 } } }))).toBe('INVALID_CONFIG')
  })

  test.each([undefined, null, 'n', 5, [5], new Map([['n', 5]]), { n: undefined }, { n: '5' }, { n: 5n }, { n: null }])(
    'no limit is lost by mistake: %s',
    (quota) => {
      expect(() => issue({ quota: quota as never })).toThrow(TypeError)
      expect(() => delegate({ quota: quota as never })).toThrow(TypeError)
    },
  )
})
