import {
  approvals,
  AutoGenxBindAgent,
  Identity,
  MessageBus,
  type CallOptions,
  type HandleOptions,
} from '@private.me/autogen'
import { issueToken } from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'
import { vectors } from './helpers/vectors.ts'

interface Case {
  name: string
  why: string
  expect: 'accept' | 'reject'
  text: string
  token?: string
  approval?: string
}
const { cases } = vectors<{ cases: Case[] }>('presented.json')

/** Four agents on a bus of their own: who grants, who calls, who is called, who approves. */
function four() {
  const agentOptions = { bus: new MessageBus() }
  const [operator, caller, callee, approver] = [0, 1, 2, 3].map(() => new AutoGenxBindAgent({ agentOptions })) as [
    AutoGenxBindAgent,
    AutoGenxBindAgent,
    AutoGenxBindAgent,
    AutoGenxBindAgent,
  ]
  const ran: unknown[] = []
  const handle = (options: HandleOptions) => callee.handle(({ payload }) => (ran.push(payload), 'done'), options)
  const call = (options: CallOptions, payload: unknown = { n: 1 }) => caller.call(callee.getDID(), payload, options)
  const grant = async () =>
    valueOf(await operator.grant({ subject: caller.getDID(), audience: callee.getDID(), scopes: ['a'] }))
  const approve = async (payload: unknown = { n: 1 }) => {
    const body = Buffer.from(JSON.stringify(payload))
    const about = { caller: caller.getDID(), recipient: callee.getDID(), body }
    return valueOf(await approver.decide({ decision: 'approve', call: about }))
  }
  return { operator, caller, callee, approver, ran, handle, call, grant, approve }
}

describe('vectors/presented.json', () => {
  test.each(cases.filter((each) => !each.text.includes('~') || each.text.startsWith('~')))(
    'one part, whatever the policy: $name: $why',
    async ({ text, expect: verdict }) => {
      const { handle, call, ran } = four()
      handle({})
      const options = text.startsWith('~') ? { approval: text.slice(1) } : { token: text }
      expect(codeOf(await call(options))).toBe(verdict === 'accept' ? 'ok' : 'INVALID_TOKEN')
      expect(ran).toHaveLength(verdict === 'accept' ? 1 : 0)
    },
  )

  test.each(cases.filter((each) => each.expect === 'reject' && each.text.includes('~')))(
    'both parts: $name: $why',
    async ({ text }) => {
      const { handle, call, ran } = four()
      handle({})
      const at = text.indexOf('~')
      expect(codeOf(await call({ token: text.slice(0, at), approval: text.slice(at + 1) }))).toBe('INVALID_TOKEN')
      expect(codeOf(await call({ token: text }))).toBe('INVALID_TOKEN')
      expect(ran).toEqual([])
    },
  )
})

describe('what a call presents', () => {
  test('a good token opens, and nothing glued to it does', async () => {
    const { operator, handle, call, ran, grant, approve } = four()
    handle({ trust: [operator.getDID()], scopes: ['a'] })
    const token = await grant()
    expect(codeOf(await call({ token }))).toBe('ok')
    expect(codeOf(await call({ token, approval: await approve() }))).toBe('ok') // nobody asked for it
    const tails = [
      '~',
      '~x',
      '~x~garbage',
      '~~',
      ' ',
      '\n',
      '.',
      '.x',
      '~a.b',
      '~a.b.c~',
      '~a.b.c~d.e.f',
      '=',
      '\0',
      '%',
    ]
    for (const tail of tails) expect(codeOf(await call({ token: token + tail }))).toBe('INVALID_TOKEN')
    for (const head of [' ', '~', '.', '\ufeff', 'Bearer ']) {
      expect(codeOf(await call({ token: head + token }))).toBe('INVALID_TOKEN')
    }
    for (const approval of ['', 'x', '~', 'a.b.c~', 'a.b', 'a.b.c.d', 'a..c', `${await approve()} `, 'a.b.é']) {
      expect(codeOf(await call({ token, approval }))).toBe('INVALID_TOKEN')
    }
    expect(codeOf(await call({ token: '' }))).toBe('INVALID_TOKEN')
    expect(codeOf(await call({}))).toBe('SCOPE_DENIED')
    expect(codeOf(await call({ approval: await approve() }))).toBe('SCOPE_DENIED')
    expect(ran).toHaveLength(2)
  })

  test('an approval that does not hold is none', async () => {
    const { operator, approver, handle, call, ran, grant, approve } = four()
    handle({ trust: [operator.getDID()], approval: { by: approver.getDID(), timeoutMs: 50 } })
    const token = await grant()
    for (const approval of ['a.b.c', token, await approve({ n: 2 })]) {
      expect(codeOf(await call({ token, approval }))).toBe('APPROVAL_REQUIRED')
    }
    const approval = await approve()
    expect(codeOf(await call({ token, approval }))).toBe('ok')
    expect(codeOf(await call({ token, approval }))).toBe('APPROVAL_REQUIRED') // used
    expect(ran).toHaveLength(1)
  })
})

describe('approvals() shows what it signs', () => {
  const asking = async (contentType: string, body: string, more: object = {}) => {
    const { caller, callee, approver } = four()
    const shown: unknown[] = []
    approver.handle(approvals(approver, ({ payload }) => (shown.push(payload), true)))
    const approvalRequest = { caller: caller.getDID(), contentType, body, chain: [], ...more }
    const answer = await callee.call(approver.getDID(), { approvalRequest })
    return { answer, shown }
  }
  const b64u = (text: string | Uint8Array) => Buffer.from(text).toString('base64url')

  test('one reading is shown, and signed', async () => {
    const { answer, shown } = await asking('application/json', b64u('{"eur":920,"a":[1.5,"\u00e9"]}'))
    expect(codeOf(answer)).toBe('ok')
    expect(shown).toEqual([{ eur: 920, a: [1.5, '\u00e9'] }])
    const bytes = await asking('application/octet-stream', b64u(new Uint8Array([255, 0])))
    expect([codeOf(bytes.answer), bytes.shown]).toEqual(['ok', [new Uint8Array([255, 0])]])
  })

  test.each([
    ['a member twice', 'application/json', b64u('{"eur":9,"eur":9000}')],
    ['a member twice, escaped', 'application/json', b64u(String.raw`{"eur":9,"e\u0075r":9000}`)],
    ['bad UTF-8', 'application/json', b64u(new Uint8Array([0x22, 0xff, 0x22]))],
    ['half a surrogate pair', 'application/json', b64u(String.raw`"\ud800"`)],
    ['a byte order mark', 'application/json', b64u('\ufeff{}')],
    ['a number that is shown as another', 'application/json', b64u('9007199254740993')],
    ['no JSON', 'application/json', b64u('{')],
    ['padding', 'application/json', 'e30='],
    ['bits left over', 'application/json', 'e31'],
    ['white space', 'application/json', 'e3 0'],
    ['another media type', 'text/plain', b64u('{}')],
    ['a media type with a parameter', 'application/json;charset=utf-8', b64u('{}')],
  ])('%s is neither shown nor signed', async (_, contentType, body) => {
    const { answer, shown } = await asking(contentType, body)
    expect(codeOf(answer)).toBe('HANDLER_FAILED')
    expect(shown).toEqual([])
  })
})

describe('absent means undefined', () => {
  const nothing: unknown[] = [null, false, 0, '', Number.NaN]
  const identity = valueOf(Identity.fromSeed(new Uint8Array(32).fill(7)))

  test.each(['allow', 'trust', 'scopes', 'revocations', 'approval'])(
    'handle: %s switches nothing off',
    async (name) => {
      const { operator, callee, handle, call, ran } = four()
      const rest = name === 'scopes' || name === 'revocations' ? { trust: [operator.getDID()] } : {}
      for (const value of nothing) {
        expect(() => handle({ ...rest, [name]: value })).toThrow(TypeError)
      }
      expect(() => handle({ ...rest, [name]: undefined })).not.toThrow()
      callee.handle(null)
      handle({ trust: [operator.getDID()] })
      for (const value of nothing) expect(() => handle({ [name]: value })).toThrow()
      expect(codeOf(await call({}))).toBe('SCOPE_DENIED')
      expect(ran).toEqual([])
    },
  )

  test.each(['by', 'when', 'timeoutMs'])('handle: approval.%s switches nothing off', (name) => {
    const { handle } = four()
    for (const value of nothing) {
      expect(() => handle({ approval: { by: identity.did, [name]: value } })).toThrow()
    }
    expect(() => handle({ approval: { by: identity.did, timeout: 5 } as never })).toThrow(
      'approval has no option timeout',
    )
    expect(() => handle({ approval: { by: identity.did, timeoutMs: undefined as never } })).not.toThrow()
    expect(() => handle({ aprove: {} } as never)).toThrow('handle() has no option aprove')
  })

  test('a policy is read once, and nobody changes it afterwards', async () => {
    const { operator, caller, handle, call } = four()
    let reads = 0
    const allow = [identity.did]
    handle({
      get allow() {
        reads++
        return allow
      },
    })
    allow.push(caller.getDID())
    expect(codeOf(await call({}))).toBe('NOT_ALLOWED')
    expect(reads).toBe(1)
    const scopes = ['a']
    handle({ trust: [operator.getDID()], scopes })
    scopes.length = 0
    const token = valueOf(issueToken(identity, { subject: caller.getDID(), audience: caller.getDID(), scopes: [] }))
    expect(codeOf(await call({ token }))).not.toBe('ok')
  })
})
