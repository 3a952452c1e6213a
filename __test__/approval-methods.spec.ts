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
