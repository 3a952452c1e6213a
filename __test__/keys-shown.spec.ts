import { Identity } from '@private.me/autogen'
import { describe, expect } from 'vitest'
import { gate, never, test, turn } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

describe('a key that is elsewhere is shown before its agent is listed', () => {
  test('whoever names the DID of another gets nothing that is for it', async ({ agent, bus }) => {
    const [victim, caller] = [agent('victim'), agent()]
    victim.handle(() => 'the right one')
    const identityProvider = { getDID: () => victim.getDID(), sign: () => new Uint8Array(64) }
    const thief = agent({ name: 'thief', identityProvider })
    thief.handle(() => 'the thief')
    expect(valueOf(await caller.call(victim.getDID(), 'secret'))).toBe('the right one')
    expect(codeOf(await caller.call('thief', 'secret'))).toBe('AGENT_NOT_FOUND')
    victim.close()
    expect(codeOf(await caller.call(victim.getDID(), 'secret'))).toBe('AGENT_NOT_FOUND')
    expect(bus.agents().map(({ name }) => name)).toEqual([undefined])
    expect(valueOf(await thief.receive())).toEqual([])
  })

  test('what is asked of it, and by it, meanwhile waits', async ({ agent, bus }) => {
    const key = Identity.generate()
    const { promise, open } = gate()
    const sign = async (bytes: Uint8Array) => {
      await promise
      return key.dangerouslySign(bytes)
    }
    const slow = agent({ name: 'slow', identityProvider: { getDID: () => key.did, sign } })
    const other = agent('other')
    other.handle(() => 'other')
    slow.handle(() => 'slow')
    const ended: string[] = []
    const calls = [slow.call('other', 1), other.call('slow', 1), other.call(key.did, 1)].map(async (call) => {
      ended.push(String(valueOf(await call)))
    })
    for (let n = 0; n < 10; n++) await turn()
    expect([ended, bus.agents().map(({ name }) => name)]).toEqual([[], ['other']])
    open()
    await Promise.all(calls)
    expect(ended.toSorted()).toEqual(['other', 'slow', 'slow'])
    expect(bus.agents().map(({ name }) => name)).toContain('slow')
  })

  test('an answer that comes after a call of its agent has ended still counts', async ({ agent, bus }) => {
    const key = Identity.generate()
    const answer = gate()
    const sign = async (bytes: Uint8Array) => {
      await answer.promise
      return key.dangerouslySign(bytes)
    }
    const slow = agent({ name: 'slow', identityProvider: { getDID: () => key.did, sign } })
    const other = agent('other')
    other.handle(() => 'other')
    slow.handle(() => 'slow')
    expect(codeOf(await slow.call('other', 1, { timeoutMs: 20 }))).toBe('TIMEOUT')
    const call = other.call('slow', 1)
    answer.open()
    expect(valueOf(await call)).toBe('slow')
    expect(bus.agents().map(({ name }) => name)).toContain('slow')
  })

  test('a provider that lost its question is asked again, for the same', async ({ agent }) => {
    const key = Identity.generate()
    const asked: string[] = []
    const sign = (bytes: Uint8Array) => {
      asked.push(Buffer.from(bytes).toString('hex'))
      return asked.length === 1 ? never : key.dangerouslySign(bytes)
    }
    const slow = agent({ name: 'slow', identityProvider: { getDID: () => key.did, sign } })
    const other = agent('other')
    other.handle(() => 'other')
    expect(codeOf(await slow.call('other', 1, { timeoutMs: 20 }))).toBe('TIMEOUT')
    expect(codeOf(await slow.call('other', 1))).toBe('ok')
    expect(asked[0]).toBe(asked[1])
  })

  test('a provider that fails once is asked again with the next call', async ({ agent }) => {
    const key = Identity.generate()
    let asked = 0
    const sign = (bytes: Uint8Array) => {
      if (++asked === 1) throw new Error('not now')
      return key.dangerouslySign(bytes)
    }
    const late = agent({ name: 'late', identityProvider: { getDID: () => key.did, sign } })
    const other = agent('other')
    other.handle(() => 1)
    late.handle(() => 'here')
    await turn()
    expect(codeOf(await other.call('late', 1))).toBe('AGENT_NOT_FOUND')
    expect(codeOf(await late.call('other', 1))).toBe('ok')
    expect(valueOf(await other.call('late', 1))).toBe('here')
  })
})
