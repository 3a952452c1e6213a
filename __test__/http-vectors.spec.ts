// vectors/http.json: every message gets its verdict, through the requests that node:http would give.
import { verify as cryptoVerify, createPublicKey } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { didToPublicKey, verifySignature } from '@private.me/autogen'
import { RequestVerifier, verifyResponse, type RequestVerifierOptions } from '@private.me/autogen/http'
import { describe, expect, test } from 'vitest'
import { valueOf } from './helpers/result.ts'
import { base64, utf8, vectors } from './helpers/vectors.ts'

interface Plain {
  headers: [string, string][]
  bodyUtf8?: string
}

interface SentRequest extends Plain {
  method: string
  scheme: 'http' | 'https'
  authority?: string
  target: string
}

interface Case {
  name: string
  why: string
  expect: 'accept' | 'reject'
  code?: string
  now?: number
  after?: string
  profile?: 'xbind' | 'wba' | 'wba-legacy'
  policy?: Partial<RequestVerifierOptions> & { startedAt?: number }
  request: SentRequest
  response?: Plain & { status: number }
  from?: string
  is?: { from: string; nonce?: string; token?: string }
}

const file = vectors<{
  now: number
  authorities: string[]
  cases: Case[]
  rfc9421: { base: string; key: string; signature: string }
}>('http.json')

/** As node:http gives it, so that nothing in it is repaired on the way. */
function incoming({ method, scheme, authority, target, headers }: SentRequest): IncomingMessage {
  const rawHeaders = [...(authority === undefined ? [] : [':authority', authority]), ...headers.flat()]
  const socket = { encrypted: scheme === 'https' }
  const httpVersionMajor = authority === undefined ? 1 : 2
  return { method, url: target, rawHeaders, socket, httpVersionMajor, on: () => {} } as unknown as IncomingMessage
}

const bodyOf = ({ bodyUtf8 = '' }: Plain): Uint8Array => utf8(bodyUtf8)

class Run {
  #now = 0
  readonly #verifier: RequestVerifier

  constructor({ policy: { startedAt, ...policy } = {}, profile = 'xbind' }: Case) {
    this.#now = startedAt ?? 0
    this.#verifier = new RequestVerifier({
      authorities: file.authorities,
      profile,
      now: () => this.#now,
      dangerouslyAcceptReplayAfterRestart: startedAt === undefined,
      ...policy,
    })
  }

  async verdict({ request, response, from = '', now = file.now }: Case): Promise<Verdict> {
    this.#now = now
    if (response) {
      const { status, headers } = response
      const verified = await verifyResponse({ status, headers, body: bodyOf(response) }, incoming(request), {
        from,
        now,
      })
      return verified.ok ? { code: 'ok', is: { from: verified.value.from } } : { code: verified.error.code }
    }
    const verified = await this.#verifier.verify(incoming(request), { body: bodyOf(request) })
    if (!verified.ok) return { code: verified.error.code }
    const { from: sender, nonce, body } = verified.value
    return { code: 'ok', is: { from: sender, nonce }, body: Buffer.from(body).toString() }
  }
}

interface Verdict {
  code: string
  is?: { from: string; nonce?: string }
  body?: string
}

describe('vectors/http.json', () => {
  test.each(file.cases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const run = new Run(one)
    const first = file.cases.find(({ name }) => name === one.after)
    if (first) expect(await run.verdict(first)).toMatchObject({ code: first.code ?? 'ok' })
    const { code, is, body } = await run.verdict(one)
    expect(code).toBe(one.code ?? 'ok')
    if (one.is) expect(one.is).toMatchObject(is ?? {})
    expect(is === undefined).toBe(one.code !== undefined)
    expect(body ?? '').toBe(one.code === undefined && !one.response ? (one.request.bodyUtf8 ?? '') : '')
  })

  test('holds many refusals', () => {
    expect(file.cases.filter(({ expect }) => expect === 'reject').length).toBeGreaterThan(150)
  })
})

test('RFC 9421, B.2.6: the signature is over this very base, by other means too', () => {
  const { base, key, signature } = file.rfc9421
  expect(valueOf(verifySignature(key, utf8(base), base64(signature)))).toBe(true)
  const x = Buffer.from(valueOf(didToPublicKey(key))).toString('base64url')
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  expect(cryptoVerify(null, utf8(base), publicKey, base64(signature))).toBe(true)
})
