// Requests and responses signed by agents whose keys their identity providers keep.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import {
  createFetch,
  RequestVerifier,
  signRequest,
  signRequestHeaders,
  signResponse,
  signResponseHeaders,
  verifyResponse,
} from '@private.me/autogen/http'
import { afterAll, describe, expect, test } from 'vitest'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const [key, other] = [Identity.generate(), Identity.generate()]
const url = 'https://api.example/orders?draft=1'
const body = '{"amount":12}'
const buses: MessageBus[] = []
afterAll(() => {
  for (const bus of buses) bus.close()
})

type Sign = (data: Uint8Array) => unknown
const well: Sign = (data) => key.dangerouslySign(data)

/** An agent whose provider signs as it likes, once it has shown its key on the bus. */
function agentOf(sign: Sign, timeoutMs?: number): AutoGenxBindAgent {
  const whenHttp: Sign = (data) =>
    Buffer.from(data).includes('"@signature-params"') ? sign(data) : key.dangerouslySign(data)
  const bus = new MessageBus() // of its own: all agents here have one DID
  buses.push(bus)
  const identityProvider = { getDID: () => key.did, sign: whenHttp as never }
  return new AutoGenxBindAgent({ identityProvider, agentOptions: { bus, ...(timeoutMs && { timeoutMs }) } })
}

const posted = (): Request => new Request(url, { method: 'POST', body })
const verifier = new RequestVerifier({ authorities: ['api.example'], dangerouslyAcceptReplayAfterRestart: true })

describe.each<[string, Sign]>([
  ['at once', well],
  ['later', async (data) => new Promise((resolve) => setImmediate(() => resolve(well(data))))],
])('a provider that signs %s', (_, sign) => {
  test('a request, and a response to it', async () => {
    const agent = agentOf(sign)
    const request = valueOf(await signRequest(agent, posted()))
    const verified = valueOf(await verifier.verify(request.clone()))
    expect([verified.from, Buffer.from(verified.body).toString()]).toEqual([key.did, body])
    const response = valueOf(await signResponse(agent, Response.json({ id: 7 }), request))
    expect(codeOf(await verifyResponse(response, request, { from: key.did }))).toBe('ok')
  })

  test('what createFetch sends, many at once, each by itself', async () => {
    const agent = agentOf(sign)
    const send = (async (input: string, init: RequestInit) =>
      Response.json(codeOf(await verifier.verify(new Request(input, init))))) as typeof fetch
    const signing = createFetch(agent, { fetch: send })
    const all = Array.from({ length: 20 }, async () => (await signing(url, { method: 'POST', body })).json())
    expect(new Set(await Promise.all(all))).toEqual(new Set(['ok']))
  })

  test('Web Bot Auth too', async () => {
    const signatureAgent = 'https://bot.example'
    const signed = valueOf(await signRequest(agentOf(sign), posted(), { profile: 'wba', signatureAgent }))
    const wba = new RequestVerifier({
      authorities: ['api.example'],
      profile: 'wba',
      keys: [key.did],
      dangerouslyAcceptReplayAfterRestart: true,
    })
    expect(valueOf(await wba.verify(signed)).from).toBe(key.did)
  })
})

test('whoever does not wait gets no signature', async () => {
  const agent = agentOf(well)
  const request = { method: 'GET', url }
  expect(errorOf(signRequestHeaders(agent, request))).toMatchObject({
    code: 'SIGN_FAILED',
    hint: expect.stringContaining('signRequest') as string,
  })
  const signed = valueOf(await signRequest(agent, posted()))
  expect(codeOf(signResponseHeaders(agent, { status: 200 }, signed))).toBe('SIGN_FAILED')
})

test.each<[string, Sign]>([
  ['signs something else', () => key.dangerouslySign(new Uint8Array(3))],
  ['signs with another key', (data) => other.dangerouslySign(data)],
  ['gives nothing', () => undefined],
  ['gives too little', (data) => (well(data) as Uint8Array).subarray(1)],
  ['gives text', () => 'a'.repeat(64)],
  ['gives a failure', () => ({ code: 'X', message: 'Y' })],
  [
    'changes what it was given',
    (data) => {
      data.fill(0)
      return well(data)
    },
  ],
])('a provider that %s: SIGN_FAILED, and nothing is sent', async (_, sign) => {
  const agent = agentOf(sign)
  expect(codeOf(await signRequest(agent, posted()))).toBe('SIGN_FAILED')
  const signed = valueOf(await signRequest(key, posted()))
  expect(codeOf(await signResponse(agent, new Response('x'), signed))).toBe('SIGN_FAILED')
  const signing = createFetch(agent, { fetch: () => expect.unreachable('it was sent') })
  await expect(signing(url)).rejects.toMatchObject({ code: 'SIGN_FAILED' })
})

test.each<[string, () => unknown]>([
  [
    'throws',
    () => {
      throw new Error('vault is sealed')
    },
  ],
  ['rejects', () => Promise.reject(new Error('vault is sealed'))],
])('a provider that %s: its owner sees why', async (_, sign) => {
  const error = errorOf(await signRequest(agentOf(sign), posted()))
  expect(error).toMatchObject({ code: 'SIGN_FAILED', retryable: true, cause: { message: 'vault is sealed' } })
  expect(error.message).not.toContain('vault')
})

test('a provider that refuses what looks like a request is told what to do', async () => {
  const error = errorOf(
    await signRequest(
      agentOf((data) => key.sign(data)),
      posted(),
    ),
  )
  expect([error.code, error.hint]).toEqual(['SIGN_FAILED', expect.stringContaining('dangerouslySign')])
})

test('a provider that does not answer is waited for as long as the agent waits, or the signature lives', async () => {
  const never: Sign = () => new Promise(() => {})
  const slow = errorOf(await signRequest(agentOf(never, 5), posted()))
  expect(slow).toMatchObject({ code: 'TIMEOUT', retryable: true, hint: expect.stringContaining('timeoutMs') as string })
  expect(codeOf(await signRequest(agentOf(never), posted(), { ttlSeconds: 1 }))).toBe('TIMEOUT')
  const controller = new AbortController()
  const waiting = createFetch(agentOf(never), { fetch: () => expect.unreachable('it was sent') })(url, {
    signal: controller.signal,
  })
  setImmediate(() => controller.abort(new Error('enough')))
  await expect(waiting).rejects.toThrow('enough')
})

test('an agent that is closed meanwhile signs nothing', async () => {
  let signed = (): void => {}
  const agent = agentOf((data) => new Promise((resolve) => (signed = () => resolve(well(data)))))
  const waiting = signRequest(agent, posted())
  await new Promise((resolve) => setImmediate(resolve))
  agent.close()
  signed()
  expect(codeOf(await waiting)).toBe('AGENT_CLOSED')
  expect(codeOf(await signRequest(agent, posted()))).toBe('AGENT_CLOSED')
})

test('a provider is not asked for what cannot be signed', async () => {
  const agent = agentOf(() => expect.unreachable('it was asked'))
  expect(codeOf(await signRequest(agent, posted(), { ttlSeconds: 0 }))).toBe('INVALID_CONFIG')
  expect(codeOf(await signRequest(agent, posted(), { token: 'a b' }))).toBe('INVALID_TOKEN')
  expect(codeOf(await signRequest(agent, valueOf(await signRequest(key, posted()))))).toBe('INVALID_CONFIG')
})
