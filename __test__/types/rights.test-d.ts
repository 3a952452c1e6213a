import {
  type FetchDocument,
  type Identity,
  type Result,
  type RevocationSource,
  type TokenRequest,
} from '@private.me/autogen'
import {
  type Approval,
  delegateToken,
  issueToken,
  KeyHistory,
  type KeyState,
  RevocationList,
  type Rotation,
  signRotation,
  StatusList,
  StatusListSource,
  type TokenClaims,
  TokenVerifier,
  verifyApproval,
  verifyRotation,
} from '@private.me/autogen/tokens'
import { describe, expectTypeOf, test } from 'vitest'

declare const identity: Identity
declare const verifier: TokenVerifier

describe('tokens', () => {
  test('requests', () => {
    expectTypeOf<{ subject: string; audience: string; scopes: string[] }>().toExtend<TokenRequest>()
    expectTypeOf(issueToken).returns.toEqualTypeOf<Result<string>>()
    expectTypeOf(delegateToken).toBeCallableWith(identity, 'token', { subject: 'did:key:z' })
    expectTypeOf(delegateToken).toBeCallableWith(identity, 'token', { subject: 'did:key:z', quota: { calls: 1 } })
    // @ts-expect-error: a limit is a number
    delegateToken(identity, 'token', { subject: 'did:key:z', quota: { calls: '1' } })
    // @ts-expect-error: a token is for somebody
    delegateToken(identity, 'token', { scopes: [] })
    // @ts-expect-error: and for some place
    issueToken(identity, { subject: 'did:key:z', scopes: [] })
  })

  test('what a verifier answers, and that nothing in it changes', () => {
    expectTypeOf(verifier.verify).returns.resolves.toEqualTypeOf<Result<TokenClaims>>()
    expectTypeOf(verifier.verifySync).returns.toEqualTypeOf<Result<TokenClaims>>()
    expectTypeOf<TokenClaims['claims']>().toEqualTypeOf<Readonly<Record<string, unknown>>>()
    expectTypeOf<TokenClaims['quota']>().toEqualTypeOf<Readonly<Record<string, number>> | undefined>()
    expectTypeOf<TokenClaims['revocation']>().toEqualTypeOf<
      'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'
    >()
    const claims = {} as TokenClaims
    // @ts-expect-error: rights do not grow
    claims.scopes = ['admin']
    // @ts-expect-error: nor does their list
    claims.scopes.push('admin')
  })

  test('what a verifier is made of', () => {
    const jwks = { keys: [identity.toJWK()] }
    expectTypeOf(TokenVerifier).toBeConstructibleWith({ audience: 'a', trust: ['did:key:z', { issuer: 'i', jwks }] })
    expectTypeOf(TokenVerifier).toBeConstructibleWith({
      audience: 'a',
      trust: [{ issuer: 'i', jwks: 'https://i/jwks' }],
    })
    expectTypeOf(TokenVerifier).toBeConstructibleWith({ audience: 'a', trust: [], revocations: new RevocationList() })
    expectTypeOf(TokenVerifier).toBeConstructibleWith({
      audience: 'a',
      trust: [],
      revocations: [new RevocationList(), new StatusListSource(), { isRevoked: async () => false }],
    })
    // @ts-expect-error: whom to trust must be said
    void new TokenVerifier({ audience: 'a' })
  })
})

test('revocation', () => {
  expectTypeOf<RevocationList>().toExtend<RevocationSource>()
  expectTypeOf<StatusListSource>().toExtend<RevocationSource>()
  expectTypeOf(new RevocationList().revokeDID).returns.toEqualTypeOf<Result<void>>()
  expectTypeOf(new StatusList({ size: 1 }).get).returns.toEqualTypeOf<number | undefined>()
  expectTypeOf<(url: string) => Promise<string>>().toExtend<FetchDocument>()
  // @ts-expect-error: 3 is no width
  void new StatusList({ size: 1, bits: 3 })
})

test('rotation and approval', () => {
  expectTypeOf(signRotation).returns.toEqualTypeOf<Result<string>>()
  expectTypeOf(verifyRotation).returns.toEqualTypeOf<Result<Rotation>>()
  expectTypeOf(new KeyHistory('did:key:z').state).returns.toEqualTypeOf<KeyState | undefined>()
  expectTypeOf(verifyApproval).returns.toEqualTypeOf<Result<Approval>>()
  expectTypeOf<Approval['decision']>().toEqualTypeOf<'approve' | 'deny'>()
})
