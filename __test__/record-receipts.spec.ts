// Receipts: a call and its answer, which a third party verifies by the two DIDs alone.
import { didToPublicKey, HandlerError, Identity, type CallReceipt } from '@private.me/autogen'
import { verifyReceipt, type ReceiptDemands, type ShownReceipt } from '@private.me/autogen/record'
import { compactVerify, importJWK } from 'jose'
import { describe, expect, test as plain } from 'vitest'
import { test } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'
import { utf8, vectors } from './helpers/vectors.ts'

interface Case {
  name: string
  code?: string
  call: string
  answer: string
  requests?: string[]
  results?: string[]
  shows?: { method: string | null }
}

describe('vectors/receipts.json', () => {
  const file = vectors<{ caller: string; agent: string; cases: Case[] }>('receipts.json')

  plain.each(file.cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const { call, answer, requests = [], results = [], code, shows } = one
    const [request, again] = requests.map(utf8)
    const [result] = results.map(utf8)
    const shown: ShownReceipt = { call, answer, request, result }
    const demands: ReceiptDemands = { caller: file.caller, agent: file.agent, ...(again && { request: again }) }
    const verified = verifyReceipt(shown, demands)
    if (code !== undefined) return expect(codeOf(verified)).toBe(code)
    expect(valueOf(verified)).toMatchObject({ ...shows, method: shows?.method ?? undefined })
  })
})

test('a call gives the messages themselves, whatever it ends with', async ({ agent }) => {
  const caller = agent()
  const answerer = agent('answerer').handle(({ payload }) => {
    if (payload === 'no') throw new HandlerError('NO', 'not today')
    return payload
  })
  const quiet = agent('quiet')
  const parties = { caller: caller.getDID(), agent: answerer.getDID() }
  for (const [payload, kind] of [
    [{ topic: 'identity', 'ö\ud83d\ude00': [1.5] }, 'result'],
    [new Uint8Array([1, 2, 255]), 'result'],
    ['no', 'error'],
  ] as const) {
    const answer = await caller.call('answerer', payload, { receipt: true })
    expect(answer.ok).toBe(kind === 'result')
    expect(valueOf(verifyReceipt(answer.receipt!, parties)).answer).toBe(kind)
    const { request } = answer.receipt!
    expect(request).toEqual(payload instanceof Uint8Array ? payload : utf8(JSON.stringify(payload)))
    if (answer.ok) expect(answer.receipt.result).toEqual(request)
  }
  const delivered = await caller.call('quiet', 1, { receipt: true })
  expect(valueOf(verifyReceipt(delivered.receipt!, { ...parties, agent: quiet.getDID() })).answer).toBe('receipt')
})

test('without an answer there is no receipt, and without asking for one nothing is beside the answer', async ({
  agent,
}) => {
  const caller = agent()
  agent('slow').handle(() => new Promise(() => {}))
  const late = await caller.call('slow', 1, { receipt: true, timeoutMs: 20 })
  expect(late).toMatchObject({ ok: false, error: { code: 'TIMEOUT' } })
  expect(late.receipt).toBeUndefined()
  const nobody = await caller.call('nobody', 1, { receipt: true })
  expect([codeOf(nobody), nobody.receipt]).toEqual(['AGENT_NOT_FOUND', undefined])
  agent('quick').handle(() => 1)
  for (const answer of [await caller.call('quick', 1), await caller.call('quick', 1, { receipt: false })])
    expect(Object.keys(answer)).toEqual(['ok', 'value'])
})

test('each of many calls has its own, also where they share a signature', async ({ agent }) => {
  const caller = agent()
  const answerer = agent('answerer').handle(({ payload }) => payload)
  const parties = { caller: caller.getDID(), agent: answerer.getDID() }
  const all = await Promise.all(Array.from({ length: 200 }, (_, i) => caller.call('answerer', i, { receipt: true })))
  const ids = all.map(({ receipt }, i) => {
    const { messageId } = valueOf(
      verifyReceipt(receipt!, { ...parties, request: utf8(String(i)), result: utf8(String(i)) }),
    )
    return messageId
  })
  expect(new Set(ids).size).toBe(200)
})

test('an answer in parts, asked for in one, is in the receipt as a whole', async ({ agent }) => {
  const caller = agent()
  const answerer = agent('answerer').handle(async function* () {
    yield 1
    yield 2
  })
  const { receipt } = await caller.call('answerer', null, { receipt: true })
  const verified = valueOf(verifyReceipt(receipt!, { caller: caller.getDID(), agent: answerer.getDID() }))
  expect(verified.parts).toBeUndefined()
  expect(Buffer.from(receipt!.result).toString()).toBe('[1,2]')
  expect(() => caller.stream('answerer', null, { receipt: true } as object)).toThrow(TypeError)
})

test('any JOSE library verifies the messages of a lone call', async ({ agent }) => {
  const caller = agent()
  const answerer = agent('answerer').handle(() => 1)
  const { receipt } = await caller.call('answerer', null, { receipt: true })
  for (const [jws, did] of [
    [receipt!.call, caller.getDID()],
    [receipt!.answer, answerer.getDID()],
  ] as const) {
    const x = Buffer.from(valueOf(didToPublicKey(did))).toString('base64url')
    await compactVerify(jws, await importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA'))
  }
})

describe('what is no receipt', () => {
  const [caller, other] = [Identity.generate().did, Identity.generate().did]
  const demands = { caller, agent: other }
  const receipt = { call: 'a', answer: 'b' }

  plain.each([
    null,
    undefined,
    0,
    '',
    [],
    () => receipt,
    { call: 'a' },
    { ...receipt, bodies: [] },
    { ...receipt, request: 'x' },
  ])('a TypeError for %o', (value) => expect(() => verifyReceipt(value as CallReceipt, demands)).toThrow(TypeError))

  plain.each([null, undefined, {}, { caller }, { ...demands, agents: [other] }, { ...demands, result: null }])(
    'a TypeError for the options %o',
    (value) => expect(() => verifyReceipt(receipt, value as ReceiptDemands)).toThrow(TypeError),
  )

  plain('DIDs that are none are refused', () => {
    expect(codeOf(verifyReceipt(receipt, { caller: 'did:key:x', agent: other }))).toBe('INVALID_DID')
    expect(codeOf(verifyReceipt(receipt, { caller, agent: '' }))).toBe('INVALID_DID')
  })
})

test('receipt is true or false', async ({ agent }) => {
  for (const receipt of [null, 0, '', 'yes', Number.NaN])
    await expect(agent().call('x', 1, { receipt } as object)).rejects.toThrow(TypeError)
})
