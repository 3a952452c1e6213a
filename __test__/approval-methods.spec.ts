// Approvals and methods: what is a yes to one is none to another.
import { approvals } from '@private.me/autogen'
import { expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

test('an approval is for the method that it names', async ({ agent }) => {
  const [caller, callee, operator] = [agent(), agent('callee'), agent('operator')]
  callee.handle(({ method }) => method ?? 'none', { approval: { by: operator.getDID() } })
  callee.handle('read', () => 'read').handle('delete', () => 'delete')
  const body = Buffer.from('{"id":1}')
  const methods = [undefined, 'read', 'delete', 'Read', '__proto__']
  for (const named of methods) {
    for (const asked of methods) {
      const call = { caller: caller.getDID(), recipient: callee.getDID(), body, ...(named && { method: named }) }
      const approval = valueOf(await operator.decide({ decision: 'approve', call }))
      const answer = await caller.call('callee', { id: 1 }, { approval, ...(asked && { method: asked }) })
      expect(answer.ok ? answer.value : answer.error.code).toBe(
        asked === named ? (asked ?? 'none') : 'APPROVAL_REQUIRED',
      )
    }
  }
})

test('whoever is asked for an approval is shown the method that it signs', async ({ agent }) => {
  const [caller, callee, operator] = [agent(), agent('callee'), agent('operator')]
  const shown: unknown[] = []
  const decide = approvals(operator, (request) => {
    shown.push([Object.hasOwn(request, 'method'), request.method])
    return request.method === 'read'
  })
  operator.handle(decide)
  callee.handle(() => 'done', { approval: { by: operator.getDID() } }).handle('read', () => 'read')
  expect(codeOf(await caller.call('callee', 1))).toBe('APPROVAL_REFUSED')
  expect(valueOf(await caller.call('callee', 1, { method: 'read' }))).toBe('read')
  expect(codeOf(await caller.call('callee', 1, { method: 'delete' }))).toBe('APPROVAL_REFUSED')
  const all = [undefined, 'read', 'delete']
  expect(shown).toEqual(all.map((method) => [true, method]))
  // By hand: what is no method is neither shown nor signed.
  const request = { caller: callee.getDID(), contentType: 'application/json', body: 'MQ', chain: [] }
  for (const method of ['', 'a b', 'x'.repeat(129), null, 1, ['read']])
    expect(codeOf(await caller.call('operator', { approvalRequest: { ...request, method } }))).toBe('HANDLER_FAILED')
  expect(shown).toHaveLength(3)
})

test('which calls need one may hang on the method', async ({ agent }) => {
  const [caller, callee, operator] = [agent(), agent('callee'), agent('operator')]
  const seen: unknown[] = []
  const approval = {
    by: operator.getDID(),
    when: (call: { from: string; payload: unknown; method: string | undefined }) => {
      seen.push({ ...call })
      return call.method === 'delete'
    },
  }
  callee.handle(({ method }) => method ?? 'none', { approval })
  expect(valueOf(await caller.call('callee', 1))).toBe('none')
  expect(valueOf(await caller.call('callee', 2, { method: 'read' }))).toBe('read')
  expect(codeOf(await caller.call('callee', 3, { method: 'delete' }))).toBe('APPROVAL_FAILED')
  const from = caller.getDID()
  const all = [undefined, 'read', 'delete']
  // The last one again, when the approver had been asked.
  expect(seen.slice(0, 3)).toEqual(all.map((method, n) => ({ from, payload: n + 1, method })))
})

test('who was stopped approves nothing more, also by what it signed before', async ({ agent, bus }) => {
  const [caller, callee, operator] = [agent(), agent('callee'), agent('operator')]
  callee.handle(() => 'done', { approval: { by: operator.getDID() } })
  const call = { caller: caller.getDID(), recipient: callee.getDID(), body: Buffer.from('1') }
  const approval = valueOf(await operator.decide({ decision: 'approve', call }))
  bus.stop(operator.getDID())
  expect(codeOf(await caller.call('callee', 1, { approval }))).toBe('APPROVAL_REQUIRED')
})

test('who approves is what was said when the handler was set', async ({ agent }) => {
  const [caller, callee, operator, other] = [agent(), agent('callee'), agent(), agent()]
  const by = [operator.getDID()]
  callee.handle('pay', () => 'paid', { approval: { by } })
  by[0] = other.getDID()
  callee.handle(() => 'done') // each handler without a name lays its policy under those of the methods anew
  const call = { caller: caller.getDID(), recipient: callee.getDID(), method: 'pay', body: Buffer.from('1') }
  const codes = []
  for (const approver of [other, operator]) {
    const approval = valueOf(await approver.decide({ decision: 'approve', call }))
    codes.push(codeOf(await caller.call('callee', 1, { method: 'pay', approval })))
  }
  expect(codes).toEqual(['APPROVAL_REQUIRED', 'ok'])
})

test('whose tokens count is what was said when the handler was set', ({ agent }) => {
  const callee = agent('callee')
  const jwks: { keys: object[] } = { keys: [] }
  const entry = { issuer: 'https://one.example', jwks }
  callee.handle('pay', () => 'paid', { trust: [entry] })
  jwks.keys.push('no key' as never)
  Object.assign(entry, { issuer: 5, jwks: 'no address' })
  expect(() => callee.handle(() => 'done')).not.toThrow() // which reads the method's trust anew
})
