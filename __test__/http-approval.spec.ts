// A third party's yes to one request: for its very bytes, one sender, one server, one use.
import { Identity } from '@private.me/autogen'
import {
  approveRequest,
  createFetch,
  RequestVerifier,
  signRequest,
  signRequestHeaders,
  type HttpRequest,
  type NonceStore,
  type RequestDecision,
  type RequestVerifierOptions,
} from '@private.me/autogen/http'
import { approveCall, issueToken, RevocationList } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { frameworks, start } from './helpers/frameworks.ts'
import { send } from './helpers/http.ts'
import { codeOf, errorOf, valueOf } from './helpers/result.ts'

const [sender, boss, stranger] = [Identity.generate(), Identity.generate(), Identity.generate()]
const url = 'https://api.example/orders?draft=1'
const recipient = 'https://api.example'
const order: HttpRequest = {
  method: 'POST',
  url,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"amount":12}'),
}

const verifierOf = (options: Partial<RequestVerifierOptions> = {}): RequestVerifier =>
  new RequestVerifier({
    authorities: ['api.example'],
    approval: { by: boss.did },
    dangerouslyAcceptReplayAfterRestart: true,
    ...options,
  })

const approved = async (change: Partial<RequestDecision> = {}, by = boss): Promise<string> =>
  valueOf(await approveRequest(by, { decision: 'approve', caller: sender.did, recipient, request: order, ...change }))

function signed(approval?: string, request = order, by = sender): HttpRequest {
  const fields = valueOf(signRequestHeaders(by, request, approval === undefined ? {} : { approval }))
  return { ...request, headers: { ...(request.headers as Record<string, string>), ...fields } }
}

test('a request with the approval that it needs is accepted, and the approval is covered', async () => {
  const verified = valueOf(await verifierOf().verify(signed(await approved())))
  expect(verified.covered).toContain('xbind-approval')
  const asked = new Request(url, { method: 'POST', body: '{}', headers: { 'content-type': 'a/b' } })
  const approval = await approved({ request: asked })
  expect(codeOf(await verifierOf().verify(valueOf(await signRequest(sender, asked, { approval }))))).toBe('ok')
})

test('createFetch bears the approval of its one request', async () => {
  const verifier = verifierOf()
  const outcomes: string[] = []
  const receiving: typeof fetch = async (input, init) => {
    outcomes.push(codeOf(await verifier.verify(new Request(input, init))))
    return new Response()
  }
  const body = Buffer.from(order.body ?? [])
  const sending = createFetch(sender, { approval: await approved(), fetch: receiving })
  for (const sent of [Buffer.from('{"amount":13}'), body, body]) {
    await sending(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: sent })
  }
  expect(outcomes).toEqual(['APPROVAL_REQUIRED', 'ok', 'APPROVAL_REQUIRED'])
  expect(() => createFetch(sender, { approval: 1 as never })).toThrow('approval must be a string')
  await expect(createFetch(sender, { approval: 'none' })(url)).rejects.toMatchObject({ code: 'INVALID_TOKEN' })
})

test('a request without one is told who may give it, and for whom', async () => {
  const error = errorOf(await verifierOf().verify(signed()))
  expect(error.code).toBe('APPROVAL_REQUIRED')
  expect(error.hint).toContain(boss.did)
  expect(error.hint).toContain(recipient)
})

test('an approval of anything else is none', async () => {
  const plain = order.headers as Record<string, string>
  const others: [string, Partial<RequestDecision>][] = [
    ['another method', { request: { ...order, method: 'PUT' } }],
    ['another path', { request: { ...order, url: 'https://api.example/refunds?draft=1' } }],
    ['another query', { request: { ...order, url: 'https://api.example/orders?draft=0' } }],
    ['no query', { request: { ...order, url: 'https://api.example/orders' } }],
    ['another host', { request: { ...order, url: 'https://other.example/orders?draft=1' } }],
    ['another body', { request: { ...order, body: Buffer.from('{"amount":13}') } }],
    ['no body', { request: { ...order, body: new Uint8Array() } }],
    ['another media type', { request: { ...order, headers: { 'content-type': 'text/plain' } } }],
    ['an encoding', { request: { ...order, headers: { ...plain, 'content-encoding': 'gzip' } } }],
    ['another caller', { caller: stranger.did }],
    ['another recipient', { recipient: 'https://other.example' }],
    ['long ago', { now: Math.floor(Date.now() / 1000) - 1000 }],
    ['to come', { now: Math.floor(Date.now() / 1000) + 1000 }],
  ]
  for (const [what, change] of others) {
    expect([what, codeOf(await verifierOf().verify(signed(await approved(change))))]).toEqual([
      what,
      'APPROVAL_REQUIRED',
    ])
  }
  expect(codeOf(await verifierOf().verify(signed(await approved({}, stranger))))).toBe('APPROVAL_REQUIRED')
  expect(codeOf(await verifierOf().verify(signed(await approved({ decision: 'deny' }))))).toBe('APPROVAL_REFUSED')
})

test('an approval of a call is none of a request, whatever bytes it covers', async () => {
  const lines = [
    '"@method": POST',
    '"@authority": api.example',
    '"@path": /orders',
    '"@query": ?draft=1',
    '"content-type": application/json',
  ]
  const call = { caller: sender.did, recipient: boss.did, body: Buffer.from(`${lines.join('\n')}\n`) }
  const contentType = 'xbind-http-request'
  expect(codeOf(approveCall(boss, { decision: 'approve', call: { ...call, contentType } }))).toBe('INVALID_CONFIG')
  const other = valueOf(approveCall(stranger, { decision: 'approve', call }))
  const verifier = verifierOf({ audience: boss.did, approval: { by: stranger.did } })
  expect(codeOf(await verifier.verify(signed(other)))).toBe('APPROVAL_REQUIRED')
})

test('nobody approves of his own requests', async () => {
  const own = { decision: 'approve' as const, caller: boss.did, recipient, request: order }
  expect(codeOf(await approveRequest(boss, own))).toBe('INVALID_CONFIG')
  const verifier = verifierOf({ approval: { by: [boss.did, sender.did] } })
  expect(codeOf(await verifier.verify(signed(await approved({ caller: boss.did }, sender))))).toBe('APPROVAL_REQUIRED')
})

test('a yes of somebody who was revoked is none, with and without tokens, also if that happens meanwhile', async () => {
  for (const trust of [undefined, [stranger.did]]) {
    const revocations = new RevocationList()
    const issued = trust && valueOf(issueToken(stranger, { subject: sender.did, audience: recipient, scopes: ['a:b'] }))
    const request = async (): Promise<HttpRequest> => {
      const approval = await approved()
      const options = { approval, ...(issued !== undefined && { token: issued }) }
      return {
        ...order,
        headers: { ...(order.headers as object), ...valueOf(signRequestHeaders(sender, order, options)) },
      }
    }
    const nonces: NonceStore = { claim: () => true }
    const verifier = verifierOf({ revocations, nonces, ...(trust && { trust }) })
    expect(codeOf(await verifier.verify(await request()))).toBe('ok')
    nonces.claim = () => {
      valueOf(revocations.revokeDID(boss.did))
      return true
    }
    for (let n = 0; n < 2; n += 1) expect(codeOf(await verifier.verify(await request()))).toBe('REVOKED')
  }
  const unsure = { isRevoked: ({ did }: { did?: string }) => (did === boss.did ? ('no' as never) : false) }
  const asked = verifierOf({ revocations: unsure }).verify(signed(await approved()))
  expect(codeOf(await asked)).toBe('REVOCATION_UNKNOWN')
})

test('an approval is used once, by 64 requests at once too', async () => {
  const verifier = verifierOf()
  const approval = await approved()
  const codes = await Promise.all(
    Array.from({ length: 64 }, async () => codeOf(await verifier.verify(signed(approval)))),
  )
  expect(codes.filter((code) => code === 'ok')).toHaveLength(1)
  expect(new Set(codes)).toEqual(new Set(['ok', 'APPROVAL_REQUIRED']))
})

test('replicas that share a store use it once', async () => {
  const claimed = new Map<string, number>()
  const nonces: NonceStore = {
    claim: async (key, until) => {
      if (claimed.has(key)) return false
      claimed.set(key, until)
      return true
    },
  }
  const replicas = [verifierOf({ nonces }), verifierOf({ nonces })]
  const approval = await approved()
  const codes = await Promise.all(replicas.map(async (replica) => codeOf(await replica.verify(signed(approval)))))
  expect(codes.toSorted()).toEqual(['APPROVAL_REQUIRED', 'ok'])
  expect(claimed.size).toBe(3)
  expect(Math.max(...claimed.values())).toBeGreaterThan(Date.now() / 1000 + 300)
})

test('after a restart, what may have been used before is not used again', async () => {
  let clock = 1_800_000_000
  const approval = await approved({ now: clock })
  clock += 100
  const verifier = verifierOf({ dangerouslyAcceptReplayAfterRestart: false, now: () => clock })
  clock += 10
  const at = (approval: string): HttpRequest => {
    const fields = valueOf(signRequestHeaders(sender, order, { approval, now: clock }))
    return { ...order, headers: { ...(order.headers as Record<string, string>), ...fields } }
  }
  expect(codeOf(await verifier.verify(at(approval)))).toBe('APPROVAL_REQUIRED')
  expect(codeOf(await verifier.verify(at(await approved({ now: clock }))))).toBe('ok')
})

test('`when` says which requests need one; what is no clear no is a yes', async () => {
  const seen: unknown[] = []
  const verifier = verifierOf({
    approval: {
      by: [boss.did],
      when: (request) => {
        seen.push({ ...request, body: Buffer.from(request.body).toString() })
        request.body.fill(0)
        return JSON.parse(Buffer.from(order.body ?? []).toString()).amount > 100
      },
    },
  })
  const verified = valueOf(await verifier.verify(signed()))
  expect(Buffer.from(verified.body).toString()).toBe('{"amount":12}')
  expect(seen).toEqual([{ from: sender.did, method: 'POST', target: '/orders?draft=1', body: '{"amount":12}' }])
  for (const answer of [undefined, null, 0, '', true, Promise.resolve(false), Promise.reject(new Error('no'))]) {
    const unclear = verifierOf({ approval: { by: boss.did, when: () => answer as boolean } })
    expect(codeOf(await unclear.verify(signed()))).toBe('APPROVAL_REQUIRED')
  }
})

test('a route names approvers of its own, in place of those of its verifier', async () => {
  const verifier = verifierOf()
  const approval = { by: stranger.did }
  expect(codeOf(await verifier.verify(signed(await approved()), { approval }))).toBe('APPROVAL_REQUIRED')
  expect(codeOf(await verifier.verify(signed(await approved({}, stranger)), { approval }))).toBe('ok')
})

describe('options', () => {
  test.each([
    [null, TypeError],
    [false, TypeError],
    [0, TypeError],
    ['', TypeError],
    [Number.NaN, TypeError],
    [[], TypeError],
    [{}, TypeError],
    [{ by: null }, TypeError],
    [{ by: [1] }, TypeError],
    [{ by: boss.did, when: null }, TypeError],
    [{ by: boss.did, timeoutMs: 1 }, TypeError],
    [{ by: [] }, expect.objectContaining({ code: 'INVALID_CONFIG' })],
    [{ by: 'boss' }, expect.objectContaining({ code: 'INVALID_DID' })],
    [{ by: '' }, expect.objectContaining({ code: 'INVALID_DID' })],
  ])('approval: %o', async (approval, error) => {
    expect(() => verifierOf({ approval: approval as never })).toThrow(error as never)
    await expect(verifierOf().verify(signed(), { approval: approval as never })).rejects.toThrow(error as never)
  })

  test('of approveRequest', async () => {
    const good = { decision: 'approve' as const, caller: sender.did, recipient, request: order }
    for (const name of ['decision', 'caller', 'recipient', 'request', 'ttlSeconds', 'now']) {
      for (const value of [null, false, '', Number.NaN, {}]) {
        const given = { ...good, [name]: value } as never
        const code = await approveRequest(boss, given).then(codeOf, (error: unknown) => (error as Error).name)
        expect([name, value, code]).not.toEqual([name, value, 'ok'])
      }
    }
    await expect(approveRequest(boss, { ...good, method: 'x' } as never)).rejects.toThrow(TypeError)
    expect(codeOf(await approveRequest(boss, { ...good, ttlSeconds: 3601 }))).toBe('INVALID_CONFIG')
    expect(codeOf(await approveRequest(boss, { ...good, caller: 'sender' }))).toBe('INVALID_DID')
    expect(codeOf(await approveRequest(boss, { ...good, recipient: 'a\nb' }))).toBe('INVALID_CONFIG')
  })

  test('a text that has not the form of an approval is not signed', () => {
    for (const approval of ['', 'a', 'a.b.c~d.e.f', 'a b', 'a'.repeat(5000)]) {
      expect(codeOf(signRequestHeaders(sender, order, { approval }))).toBe('INVALID_TOKEN')
    }
    const twice = { ...order, headers: { 'xbind-approval': 'a.b.c' } }
    expect(codeOf(signRequestHeaders(sender, twice, { approval: 'a.b.c' }))).toBe('INVALID_CONFIG')
  })
})

test.each(frameworks)(
  '%s: the answer says what is needed, and what was approved gets through once',
  async (framework) => {
    const here = await start(framework, {}, { approval: { by: boss.did } })
    const body = '{"item":"a yacht"}'
    const request = { method: 'POST', url: `${here.url}/orders`, headers: order.headers ?? {}, body: Buffer.from(body) }
    const sent = async (approval?: string): Promise<[number, Record<string, unknown>]> => {
      const { headers } = signed(approval, request)
      const answer = await send(here.port, {
        method: 'POST',
        path: '/orders',
        headers: headers as Record<string, string>,
        body,
      })
      return [answer.status, JSON.parse(answer.text) as Record<string, unknown>]
    }
    const [status, problem] = await sent()
    expect([status, problem.code]).toEqual([403, 'APPROVAL_REQUIRED'])
    expect(problem).toMatchObject({ approvers: [boss.did], recipient: here.url.replace('http', 'https') })
    const approval = await approved({ request, recipient: problem.recipient as string })
    expect((await sent(approval))[0]).toBe(200)
    expect((await sent(approval))[0]).toBe(403)
    here.close()
  },
)
