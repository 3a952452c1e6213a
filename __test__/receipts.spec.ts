// What `call` gives is an answer, or the receipt of an agent without a handler: the message says which, not its shape.
import { isReceipt } from '@private.me/autogen'
import { expect } from 'vitest'
import { test } from './helpers/bus.ts'
import { valueOf } from './helpers/result.ts'

test('a receipt is one, of a call and of a send', async ({ agent }) => {
  const caller = agent()
  const callee = agent('callee')
  for (const value of [valueOf(await caller.call('callee', 1)), valueOf(await caller.send('callee', 1))]) {
    expect(isReceipt(value)).toBe(true)
    expect(value).toMatchObject({ status: 'delivered', to: callee.getDID() })
    expect(Object.isFrozen(value)).toBe(true)
  }
})

test('an answer that looks like one is none', async ({ agent }) => {
  const caller = agent()
  const callee = agent('callee')
  const receipt = valueOf(await caller.call('callee', 1))
  callee.handle(() => receipt)
  const answer = valueOf(await caller.call('callee', 1))
  expect(answer).toEqual(receipt)
  expect(isReceipt(answer)).toBe(false)
})

test('nothing else is one', async ({ agent }) => {
  agent('callee')
  const receipt = valueOf(await agent().send('callee', 1))
  for (const value of [{ ...receipt }, structuredClone(receipt), Object.create(receipt), new Proxy(receipt, {})])
    expect(isReceipt(value)).toBe(false)
  for (const value of [undefined, null, 1, 'delivered', Symbol('x'), () => receipt, [receipt], {}])
    expect(isReceipt(value)).toBe(false)
})

test('each call of many has its own', async ({ agent }) => {
  const caller = agent()
  agent('callee')
  const receipts = await Promise.all(Array.from({ length: 300 }, () => caller.call('callee', 1)))
  const ids = receipts.map(valueOf).map((value) => (isReceipt(value) ? value.messageId : undefined))
  expect(new Set(ids).size).toBe(300)
  expect(ids).not.toContain(undefined)
})
