// Tokens that requests bring: judged with the request, revoked, asked for anew.
import { Identity } from '@private.me/autogen'
import {
  createFetch,
  signRequest,
  type HttpRequest,
  type RequestVerifier,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { delegateToken, issueToken, RevocationList } from '@private.me/autogen/tokens'
import { expect, test } from 'vitest'
import { body, identity, other, posted, signedRequest, url, verifierOf } from './helpers/requests.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const issuer = Identity.generate()

const granted = (subject = identity.did, scopes = ['orders.write'], audience = 'https://api.example'): string =>
  valueOf(issueToken(issuer, { subject, audience, scopes }))

const trusting = (options: Partial<RequestVerifierOptions> = {}): RequestVerifier =>
  verifierOf({ trust: [issuer.did], scopes: ['orders.write'], ...options })

test('a request with a token brings its scopes and chain', async () => {
  const verified = valueOf(await trusting().verify(signedRequest({ token: granted() })))
  expect(verified).toMatchObject({ scopes: ['orders.write'], chain: [issuer.did, identity.did] })
  expect(verified.covered).toContain('xbind-token')
  const narrower = valueOf(delegateToken(identity, granted(), { subject: other.did }))
  const delegated = valueOf(await trusting().verify(signedRequest({ token: narrower }, other)))
  expect(delegated).toMatchObject({ from: other.did, chain: [issuer.did, identity.did, other.did] })
})

test('a request with a token brings its limits', async () => {
  expect(valueOf(await trusting().verify(signedRequest({ token: granted() })))).not.toHaveProperty('quota')
  const grant = {
    subject: identity.did,
    audience: 'https://api.example',
    scopes: ['orders.write'],
    quota: { calls: 9 },
  }
  const token = valueOf(issueToken(issuer, grant))
  expect(valueOf(await trusting().verify(signedRequest({ token })))).toMatchObject({ quota: { calls: 9 } })
  const part = valueOf(delegateToken(identity, token, { subject: other.did, quota: { calls: 2 } }))
  const verified = valueOf(await trusting().verify(signedRequest({ token: part }, other)))
  expect(verified.quota).toEqual({ calls: 2 })
  expect(Object.isFrozen(verified.quota)).toBe(true)
})

test.each<[string, string, () => HttpRequest, Partial<RequestVerifierOptions>?]>([
  ['none', 'SCOPE_DENIED', () => signedRequest()],
  ['of somebody else', 'INVALID_TOKEN', () => signedRequest({ token: granted() }, other)],
  [
    'for another server',
    'WRONG_AUDIENCE',
    () => signedRequest({ token: granted(identity.did, ['orders.write'], 'https://other.example') }),
  ],
  ['of another audience', 'WRONG_AUDIENCE', () => signedRequest({ token: granted() }), { audience: 'orders' }],
  ['with too little', 'SCOPE_DENIED', () => signedRequest({ token: granted(identity.did, ['orders.read']) })],
  ['of nobody trusted', 'UNTRUSTED_ISSUER', () => signedRequest({ token: granted() }), { trust: [other.did] }],
  ['of no form', 'INVALID_TOKEN', () => signedRequest({ token: 'a.b.c' })],
])('%s: %s', async (_, code, request, options) => {
  expect(codeOf(await trusting(options).verify(request()))).toBe(code)
})

test('a request may ask for more', async () => {
  const verify = async (scopes: string[]): Promise<string> =>
    codeOf(await trusting().verify(signedRequest({ token: granted() }), { scopes }))
  expect(await verify(['orders.write'])).toBe('ok')
  expect(await verify(['orders.delete'])).toBe('SCOPE_DENIED')
  expect(codeOf(await verifierOf().verify(signedRequest(), { scopes: ['a'] }))).toBe('SCOPE_DENIED')
})

test('who has no token takes no place among the nonces', async () => {
  const verifier = trusting({ maxTrackedRequests: 1 })
  for (let n = 0; n < 5; n += 1) {
    expect(codeOf(await verifier.verify(signedRequest({}, Identity.generate())))).toBe('SCOPE_DENIED')
  }
  expect(codeOf(await verifier.verify(signedRequest({ token: granted() })))).toBe('ok')
})

test('revocations: of a token, of a sender', async () => {
  const revocations = new RevocationList()
  const verifier = trusting({ revocations })
  expect(codeOf(await verifier.verify(signedRequest({ token: granted() })))).toBe('ok')
  valueOf(revocations.revokeDID(identity.did))
  expect(codeOf(await verifier.verify(signedRequest({ token: granted() })))).toBe('REVOKED')
  const plain = verifierOf({ revocations })
  expect(codeOf(await plain.verify(signedRequest()))).toBe('REVOKED')
  expect(codeOf(await plain.verify(signedRequest({}, other)))).toBe('ok')
  const unsure = verifierOf({ revocations: [revocations, { isRevoked: () => Promise.reject(new Error('down')) }] })
  expect(errorOf(await unsure.verify(signedRequest({}, other)))).toMatchObject({
    code: 'REVOCATION_UNKNOWN',
    retryable: true,
  })
  expect(codeOf(await unsure.verify(signedRequest()))).toBe('REVOKED')
})

test('revoked while the body comes, or the store is asked', async () => {
  for (const slow of ['body', 'store'] as const) {
    const revocations = new RevocationList()
    const token = granted()
    const revoke = (): boolean => {
      valueOf(revocations.revokeDID(identity.did))
      return true
    }
    const nonces = { claim: () => slow === 'body' || revoke() }
    const signed = valueOf(await signRequest(identity, posted(), { token }))
    const late = new ReadableStream(
      {
        pull(controller) {
          if (slow === 'body') revoke()
          controller.enqueue(new Uint8Array(body))
          controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const request = new Request(signed.url, { method: 'POST', headers: signed.headers, body: late, duplex: 'half' })
    expect(codeOf(await trusting({ revocations, nonces }).verify(request))).toBe('REVOKED')
  }
})

test('createFetch brings one, or asks for one each time', async () => {
  let asked = 0
  const sent: [string, RequestInit][] = []
  const send = (async (input: string, init: RequestInit) => {
    sent.push([input, init])
    return new Response('done')
  }) as typeof fetch
  const token = async (): Promise<string> => {
    asked += 1
    return granted()
  }
  const signing = createFetch(identity, { fetch: send, token })
  expect(await (await signing(url, { method: 'PUT', body })).text()).toBe('done')
  await signing(new URL(url), { headers: { authorization: 'Bearer key' } })
  await signing(new Request(url))
  expect(asked).toBe(3)
  const verifier = trusting()
  for (const [input, { method = '', headers, body: bytes }] of sent) {
    const request = {
      method,
      url: input,
      headers: headers as Headers,
      ...(bytes ? { body: bytes as Uint8Array } : {}),
    }
    expect(valueOf(await verifier.verify(request)).from).toBe(identity.did)
  }
  const failing = createFetch(identity, { fetch: send, token: () => 'no token' })
  await expect(failing(url)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
  await expect(
    createFetch(identity, { fetch: send, token: () => Promise.reject(new Error('none')) })(url),
  ).rejects.toThrow('none')
  expect(sent).toHaveLength(3)
})
