// What others sign we verify, what we sign they verify: over real sockets, with the libraries that people use.
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Identity } from '@private.me/autogen'
import {
  RequestVerifier,
  signRequestHeaders,
  signResponseHeaders,
  verifyResponse,
  type HttpRequest,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { component, createSignature, verifySignature, type FieldOccurrence } from 'http-message-sig'
import { httpbis } from 'http-message-signatures'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { signatureHeaders, verify as verifyBot } from 'web-bot-auth'
import { signerFromJWK, verifierFromJWK } from 'web-bot-auth/crypto'
import { listen, send, type Listening } from './helpers/http.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const seed = new Uint8Array(32).fill(7)
const identity = valueOf(Identity.fromSeed(seed))
const server = Identity.generate()
const { x } = identity.toJWK()
const jwk = { kty: 'OKP', crv: 'Ed25519', x, d: Buffer.from(seed).toString('base64url') }
const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
const publicKey = keyOf(x)
const body = '{"amount":12}'
const AGENT = 'https://agent.example'

function keyOf(x: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

let here: Listening
let answer: (request: IncomingMessage, body: Buffer) => Promise<string>
const responses = new Map<string, Record<string, string>>()

beforeAll(async () => {
  here = await listen(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = await answer(request, Buffer.concat(chunks))
    response.writeHead(200, { 'content-type': 'text/plain', ...responses.get(request.url ?? '') })
    response.end(text)
  })
})
afterAll(() => here.close())

const COMPONENTS = ['@method', '@authority', '@path', '@query', 'content-digest', 'content-type']
const now = (): number => Math.floor(Date.now() / 1000)
const nonce = (): string => Identity.generate().did
interface Unsigned extends HttpRequest {
  headers: Record<string, string>
  body: Uint8Array
}

const unsigned = (): Unsigned => ({
  method: 'POST',
  url: `${here.url}/orders?draft=1`,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(body),
})

/** Their digest of the body. */
async function withDigest(): Promise<Record<string, string>> {
  const hash = Buffer.from(await crypto.subtle.digest('SHA-512', Buffer.from(body))).toString('base64')
  return { 'content-type': 'application/json', 'content-digest': `sha-512=:${hash}:` }
}

/** Sends it, and what our verifier says. */
async function received(
  headers: Record<string, string>,
  options: Partial<RequestVerifierOptions> = {},
  sent: { method?: string; path?: string; body?: string } = { method: 'POST', path: '/orders?draft=1', body },
): Promise<string> {
  const verifier = new RequestVerifier({
    authorities: [here.authority],
    dangerouslyAcceptReplayAfterRestart: true,
    ...options,
  })
  answer = async (request, body) => {
    const verified = await verifier.verify(request, { body })
    return verified.ok ? verified.value.from : codeOf(verified)
  }
  return (await send(here.port, { ...sent, headers })).text
}

describe('http-message-signatures', () => {
  const key = {
    id: identity.did,
    alg: 'ed25519' as const,
    sign: async (data: Buffer) => sign(null, data, privateKey),
  }

  async function signed(fields = COMPONENTS): Promise<Record<string, string>> {
    const message = { method: 'POST', url: `${here.url}/orders?draft=1`, headers: await withDigest() }
    const params = ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag']
    const paramValues = { nonce: nonce(), tag: 'xbind' }
    const { headers } = await httpbis.signMessage({ key, name: 'theirs', fields, params, paramValues }, message)
    return headers
  }

  test('we verify what it signs', async () => {
    expect(await received(await signed())).toBe(identity.did)
    expect(await received(await signed(COMPONENTS.slice(0, -1)))).toBe('INVALID_SIGNATURE')
    expect(await received(await signed(), {}, { method: 'PUT', path: '/orders?draft=1', body })).toBe(
      'INVALID_SIGNATURE',
    )
  })

  test('it verifies what we sign, and binds our response to the request', async () => {
    const request = unsigned()
    const headers = { ...request.headers, ...valueOf(signRequestHeaders(identity, request)) }
    const keyLookup = (x: string) => async () => ({
      algs: ['ed25519' as const],
      verify: async (data: Buffer, signature: Buffer) => verify(null, data, keyOf(x), signature),
    })
    answer = async ({ method = '', url = '', headers }, received) => {
      expect(received.toString()).toBe(body)
      const message = { method, url: `http://${headers.host}${url}`, headers: headers as Record<string, string> }
      return String(await httpbis.verifyMessage({ keyLookup: keyLookup(x), requiredFields: COMPONENTS }, message))
    }
    const sent = { method: 'POST', path: '/orders?draft=1', headers, body }
    expect((await send(here.port, sent)).text).toBe('true')
    expect((await send(here.port, { ...sent, path: '/orders?draft=2' })).text).toBe('false')

    const response = { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('false') }
    const added = valueOf(signResponseHeaders(server, response, { ...request, headers }))
    const message = { status: 200, headers: { ...response.headers, ...added } }
    const config = { keyLookup: keyLookup(server.toJWK().x) }
    const of = (headers: Record<string, string>) => ({ method: 'POST', url: request.url, headers })
    expect(await httpbis.verifyMessage(config, message, of(headers))).toBe(true)
    const other = { ...request.headers, ...valueOf(signRequestHeaders(identity, request)) }
    expect(await httpbis.verifyMessage(config, message, of(other))).toBe(false)
  })

  test('we verify its response to our request', async () => {
    const request = unsigned()
    const headers = { ...request.headers, ...valueOf(signRequestHeaders(identity, request)) }
    const sent = { method: 'POST', url: request.url, headers }
    const message = { status: 200, headers: { 'content-type': 'text/plain' } }
    const fields = ['@status', 'content-type', '"signature";req;key="xbind"']
    const params = ['created', 'expires', 'keyid', 'alg', 'tag']
    const signed = await httpbis.signMessage({ key, fields, params, paramValues: { tag: 'xbind' } }, message, sent)
    const verified = await verifyResponse(signed, { ...request, headers }, { from: identity.did })
    expect(codeOf(verified)).toBe('ok')
  })
})

describe('http-message-sig 0.3', () => {
  const signer = { algorithm: 'ed25519', sign: (data: Uint8Array) => new Uint8Array(sign(null, data, privateKey)) }
  const verifierOf = (key: KeyObject) => ({
    algorithm: 'ed25519',
    verify: (data: Uint8Array, signature: Uint8Array) => verify(null, data, key, signature),
  })
  const fieldsOf = (headers: Record<string, string>): FieldOccurrence[] =>
    Object.entries(headers).map(([name, value]) => ({ name, value }))
  const descriptor = (headers: Record<string, string>, target = '/orders?draft=1', method = 'POST') => ({
    kind: 'request' as const,
    method,
    targetUri: `${here.url}${target}`,
    fields: fieldsOf(headers),
  })

  test('we verify what it signs', async () => {
    const headers = await withDigest()
    const parameters = {
      created: now(),
      expires: now() + 60,
      nonce: nonce(),
      keyid: identity.did,
      alg: 'ed25519',
      tag: 'xbind',
    }
    const { signature, signatureInput } = await createSignature(descriptor(headers), {
      components: COMPONENTS,
      parameters,
      signer,
    })
    const signed = { ...headers, signature, 'signature-input': signatureInput }
    expect(await received(signed)).toBe(identity.did)
    expect(await received({ ...signed, 'content-type': 'text/html' })).toBe('INVALID_SIGNATURE')
  })

  test('it verifies what we sign, and our response to it', async () => {
    const request = unsigned()
    const headers = { ...request.headers, ...valueOf(signRequestHeaders(identity, request)) }
    const policy = {
      algorithms: ['ed25519'],
      requiredComponents: COMPONENTS,
      requiredParameters: ['created', 'expires', 'nonce', 'keyid', 'tag'],
      maxAge: 60,
    }
    answer = async ({ rawHeaders, url = '', method = '' }) => {
      const fields = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [{ name, value: rawHeaders[i + 1] ?? '' }] : []))
      const message = { kind: 'request' as const, method, targetUri: `${here.url}${url}`, fields }
      const resolveVerifier = () => verifierOf(publicKey)
      return verifySignature(message, { policy, resolveVerifier }).then(
        ({ label }) => label,
        (error: Error) => error.name,
      )
    }
    expect((await send(here.port, { method: 'POST', path: '/orders?draft=1', headers, body })).text).toBe('xbind')
    expect((await send(here.port, { method: 'POST', path: '/other?draft=1', headers, body })).text).not.toBe('xbind')

    const response = { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('yes') }
    const added = valueOf(signResponseHeaders(server, response, { ...request, headers }))
    const answered = { kind: 'response' as const, status: 200, fields: fieldsOf({ ...response.headers, ...added }) }
    const bound = component('signature', { req: true, key: 'xbind' })
    const verified = await verifySignature(
      { ...answered, request: descriptor(headers) },
      {
        policy: {
          algorithms: ['ed25519'],
          requiredComponents: ['@status', 'content-digest', bound],
          requiredParameters: ['keyid'],
        },
        resolveVerifier: () => verifierOf(keyOf(server.toJWK().x)),
      },
    )
    expect(verified.parameters.keyid).toBe(server.did)
  })

  test('Web Bot Auth in its newer form, both ways', async () => {
    const keyid = await thumbprint()
    const headers = { 'signature-agent': `agent2="${AGENT}"` }
    const parameters = {
      created: now(),
      expires: now() + 60,
      nonce: nonce(),
      keyid,
      alg: 'ed25519',
      tag: 'web-bot-auth',
    }
    const components = ['@authority', component('signature-agent', { key: 'agent2' })]
    const { signature, signatureInput } = await createSignature(descriptor(headers, '/', 'GET'), {
      components,
      parameters,
      signer,
    })
    const signed = { ...headers, signature, 'signature-input': signatureInput }
    const get = { method: 'GET', path: '/' }
    expect(await received(signed, { profile: 'wba', keys: [identity.did] }, get)).toBe(identity.did)
    expect(await received(signed, { profile: 'wba', keys: [server.did] }, get)).toBe('NOT_ALLOWED')
    expect(await received(signed, {}, get)).toBe('INVALID_SIGNATURE')

    const ours = valueOf(
      signRequestHeaders(identity, { method: 'GET', url: `${here.url}/` }, { profile: 'wba', signatureAgent: AGENT }),
    )
    const verified = await verifySignature(descriptor(ours, '/', 'GET'), {
      policy: {
        algorithms: ['ed25519'],
        requiredComponents: ['@authority', component('signature-agent', { key: 'sig1' })],
        requiredParameters: ['created', 'expires', 'nonce', 'keyid', 'tag'],
      },
      resolveVerifier: () => verifierOf(publicKey),
    })
    expect(verified.parameters).toMatchObject({ keyid, tag: 'web-bot-auth' })
    expect(await received(ours, { profile: 'wba', keys: [identity.did] }, get)).toBe(identity.did)
  })
})

describe('web-bot-auth 0.1', () => {
  const times = (): { created: Date; expires: Date } => ({
    created: new Date(now() * 1000),
    expires: new Date((now() + 60) * 1000),
  })

  test('we verify what it signs', async () => {
    const request = new Request(`${here.url}/a`, { headers: { 'signature-agent': `"${AGENT}"` } })
    const signed = await signatureHeaders(request, await signerFromJWK(jwk), times())
    const headers = {
      'signature-agent': `"${AGENT}"`,
      signature: signed.Signature,
      'signature-input': signed['Signature-Input'],
    }
    const options = { profile: 'wba-legacy', keys: [identity.did] } as const
    expect(await received(headers, options, { path: '/a' })).toBe(identity.did)
    expect(await received({ ...headers, 'signature-agent': '"https://other.example"' }, options, { path: '/a' })).toBe(
      'INVALID_SIGNATURE',
    )
    expect(await received(headers, { ...options, profile: 'wba' }, { path: '/a' })).toBe('MALFORMED_MESSAGE')
  })

  test.each([undefined, AGENT])('it verifies what we sign, with the agent %s', async (signatureAgent) => {
    const options = { profile: 'wba-legacy', ...(signatureAgent !== undefined && { signatureAgent }) } as const
    const headers = valueOf(signRequestHeaders(identity, { method: 'GET', url: `${here.url}/a` }, options))
    const verifier = await verifierFromJWK({ kty: 'OKP', crv: 'Ed25519', x })
    answer = async ({ url = '', headers }) => {
      const request = new Request(`${here.url}${url}`, { headers: headers as Record<string, string> })
      return verifyBot(request, verifier).then(
        () => 'yes',
        (error: Error) => error.message,
      )
    }
    expect((await send(here.port, { path: '/a', headers })).text).toBe('yes')
    expect((await send(here.port, { path: '/b', headers })).text).not.toBe('yes')
  })
})

async function thumbprint(): Promise<string> {
  const text = JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x })
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('base64url')
}
