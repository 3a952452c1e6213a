import { XBindError, type RevocationSubject } from '@private.me/autogen'
import { RevocationList } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { agent, link, linkId, operator, root, rootId, worker } from './helpers/handed-on.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'
import { NOW, seeded, trusting } from './helpers/rights.ts'

const stranger = seeded(99)

describe('RevocationList', () => {
  test.each([
    ['the link', (list: RevocationList) => list.revokeToken(linkId)],
    ['its parent', (list: RevocationList) => list.revokeToken(rootId)],
    ['the first issuer', (list: RevocationList) => list.revokeDID(operator.did)],
    ['the holder', (list: RevocationList) => list.revokeDID(agent.did)],
    ['the subject', (list: RevocationList) => list.revokeDID(worker.did)],
    [
      'the holder, for what was granted to it',
      (list: RevocationList) => list.revokeDID(agent.did, { issuedUntil: NOW }),
    ],
    [
      'the subject, up to that very second',
      (list: RevocationList) => list.revokeDID(worker.did, { issuedUntil: NOW + 5 }),
    ],
  ])('a delegation falls with %s', async (_, revoke) => {
    const list = new RevocationList()
    const verifier = trusting([operator.did], { revocations: list })
    expect(valueOf(verifier.verifySync(link)).revocation).toBe('fresh')
    valueOf(revoke(list))
    const error = errorOf(verifier.verifySync(link))
    expect([error.code, error.retryable]).toEqual(['REVOKED', false])
    expect(codeOf(await verifier.verify(link))).toBe('REVOKED')
  })

  test.each([
    ['another token', (list: RevocationList) => list.revokeToken(`${linkId}x`)],
    ['a stranger', (list: RevocationList) => list.revokeDID(stranger.did)],
    [
      'the subject, up to the second before',
      (list: RevocationList) => list.revokeDID(worker.did, { issuedUntil: NOW + 4 }),
    ],
    [
      'the issuer, up to the second before',
      (list: RevocationList) => list.revokeDID(operator.did, { issuedUntil: NOW - 1 }),
    ],
  ])('and stands when it is %s', (_, revoke) => {
    const list = new RevocationList()
    valueOf(revoke(list))
    expect(codeOf(trusting([operator.did], { revocations: list }).verifySync(link))).toBe('ok')
  })

  test('the parent stands when a link falls', () => {
    const list = new RevocationList()
    valueOf(list.revokeToken(linkId))
    const verifier = trusting([operator.did], { revocations: list })
    expect([root, link].map((token) => codeOf(verifier.verifySync(token)))).toEqual(['ok', 'REVOKED'])
  })

  test('holds for every verifier that has it, among others, from the next token on', async () => {
    const [first, second] = [new RevocationList(), new RevocationList()]
    const verifiers = [[first], [first, second], [second, first]].map((revocations) =>
      trusting([operator.did], { revocations }),
    )
    expect(verifiers.map((verifier) => codeOf(verifier.verifySync(root)))).toEqual(['ok', 'ok', 'ok'])
    valueOf(first.revokeToken(rootId))
    expect(verifiers.map((verifier) => codeOf(verifier.verifySync(root)))).toEqual(['REVOKED', 'REVOKED', 'REVOKED'])
    for (const verifier of verifiers) expect(codeOf(await verifier.verify(root))).toBe('REVOKED')
  })

  test('a suspended DID is reinstated, a revoked token is not', () => {
    const list = new RevocationList()
    const verifier = trusting([operator.did], { revocations: list })
    valueOf(list.revokeDID(agent.did))
    expect(codeOf(verifier.verifySync(root))).toBe('REVOKED')
    expect([list.reinstate(agent.did), list.reinstate(agent.did), list.reinstate(operator.did)]).toEqual([
      true,
      false,
      false,
    ])
    expect(codeOf(verifier.verifySync(root))).toBe('ok')
    valueOf(list.revokeToken(rootId))
    expect(() => list.reinstate(rootId)).toThrow(expect.objectContaining({ code: 'INVALID_DID' }))
    expect(codeOf(verifier.verifySync(root))).toBe('REVOKED')
  })

  test('an earlier time does not take a later one back', () => {
    const list = new RevocationList()
    valueOf(list.revokeDID(agent.did))
    valueOf(list.revokeDID(agent.did, { issuedUntil: 5 }))
    expect(list.isRevoked({ did: agent.did, issuedAt: NOW })).toBe(true)
  })

  test('says so when it is full, and forgets nothing', () => {
    const list = new RevocationList({ maxEntries: 2 })
    valueOf(list.revokeToken('one', { keepUntil: NOW }))
    valueOf(list.revokeDID(agent.did))
    for (const full of [list.revokeToken('two'), list.revokeDID(worker.did)]) {
      const error = errorOf(full)
      expect([error.code, error.message]).toEqual(['INVALID_CONFIG', 'the revocation list is full with 2 entries'])
    }
    expect(codeOf(list.revokeToken('one'))).toBe('ok')
    expect(list.size).toBe(2)
    expect(list.isRevoked({ tokenId: 'one', issuedAt: NOW })).toBe(true)
    expect(list.isRevoked({ tokenId: 'two', issuedAt: NOW })).toBe(false)
  })

  test('purges only what need not be kept', () => {
    const list = new RevocationList()
    valueOf(list.revokeToken('for a while', { keepUntil: NOW }))
    valueOf(list.revokeToken('for good'))
    valueOf(list.revokeDID(agent.did))
    list.purge({ now: NOW })
    expect(list.size).toBe(3)
    list.purge({ now: NOW + 1 })
    expect(list.size).toBe(2)
    expect(list.isRevoked({ tokenId: 'for a while', issuedAt: NOW })).toBe(false)
    list.purge()
    expect(list.isRevoked({ tokenId: 'for good', issuedAt: NOW })).toBe(true)
  })

  test('keeps the later of two times', () => {
    const list = new RevocationList()
    valueOf(list.revokeToken('x', { keepUntil: NOW }))
    valueOf(list.revokeToken('x', { keepUntil: 5 }))
    list.purge({ now: NOW })
    expect(list.size).toBe(1)
  })

  test('is asked by hand as well', () => {
    const list = new RevocationList()
    valueOf(list.revokeDID(agent.did, { issuedUntil: NOW }))
    const ask = (subject: RevocationSubject) => list.isRevoked(subject)
    expect(ask({ did: agent.did, issuedAt: NOW })).toBe(true)
    expect(ask({ did: agent.did, issuedAt: NOW + 1 })).toBe(false)
    expect(ask({ tokenId: agent.did, issuedAt: NOW })).toBe(false)
    expect(ask({ tokenId: '', issuedAt: NOW })).toBe(false)
    expect(ask({ issuedAt: NOW })).toBe(false)
    expect(ask({ did: 'agent', issuedAt: NOW })).toBe(false)
  })

  test.each([
    ['INVALID_DID', (list: RevocationList) => list.revokeDID('agent')],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeDID(agent.did, { issuedUntil: -1 })],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeDID(agent.did, { issuedUntil: Infinity })],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeToken('x', { keepUntil: 0.5 })],
    ['INVALID_CONFIG', (list: RevocationList) => list.revokeToken('x', { keepUntil: Number.NaN })],
  ])('%s: %#', (code, revoke) => {
    const list = new RevocationList()
    expect(codeOf(revoke(list))).toBe(code)
    expect(list.size).toBe(0)
  })

  test('values of the wrong type throw', () => {
    const list = new RevocationList()
    const wrong: (() => unknown)[] = [
      () => list.revokeToken(5 as never),
      () => list.revokeToken('x', { keepUntil: 'soon' as never }),
      () => list.revokeDID(undefined as never),
      () => list.revokeDID(agent.did, null as never),
      () => list.reinstate(5 as never),
      () => list.isRevoked({ tokenId: 5, issuedAt: 1 } as never),
      () => list.isRevoked({ tokenId: 'x' } as never),
      () => list.purge({ now: 0.5 }),
      () => new RevocationList(null as never),
      () => new RevocationList({ maxEntries: '5' as never }),
    ]
    for (const each of wrong) expect(each).toThrow(TypeError)
    for (const maxEntries of [0, -1, 0.5, Infinity]) {
      expect(() => new RevocationList({ maxEntries })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
    }
  })

  test('a list that answers for itself is asked itself', () => {
    class Stricter extends RevocationList {
      override isRevoked(): boolean {
        return true
      }
    }
    expect(codeOf(trusting([operator.did], { revocations: new Stricter() }).verifySync(root))).toBe('REVOKED')
  })
})

test('an id that is no text revokes no other', () => {
  const list = new RevocationList()
  for (const half of ['\ud800', 'a\udc00b']) expect(codeOf(list.revokeToken(half))).toBe('INVALID_CONFIG')
  expect(list.size).toBe(0)
  expect(list.isRevoked({ tokenId: '\ufffd', issuedAt: NOW })).toBe(false)
})

test('what fails is an XBindError with a code', () => {
  expect(errorOf(new RevocationList().revokeDID('x'))).toBeInstanceOf(XBindError)
})
