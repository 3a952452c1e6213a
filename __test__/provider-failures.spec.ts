// An identity provider that fails its first signature: its owner is told why, and it is asked again when it is needed.
import { Identity, type Logger } from '@private.me/autogen'
import { expect } from 'vitest'
import { test, turn } from './helpers/bus.ts'
import { codeOf, valueOf } from './helpers/result.ts'

function logging(): { lines: string[]; logger: Logger } {
  const lines: string[] = []
  const note = (line: string): void => void lines.push(line)
  return { lines, logger: { debug: note, info: note, warn: note, error: note } }
}

/** A provider that fails until it is told that it works. */
function failing(how: () => unknown) {
  const key = Identity.generate()
  const state = { works: false, asked: 0 }
  const sign = (data: Uint8Array): never => {
    state.asked += 1
    return (state.works ? key.dangerouslySign(data) : how()) as never
  }
  return { key, state, identityProvider: { getDID: () => key.did, sign } }
}

test.for<[string, () => unknown, RegExp]>([
  ['throws', () => expect.unreachable('vault is sealed'), /failed to sign\n\[xbind\] {3}.*vault is sealed/],
  [
    'rejects',
    () => Promise.reject(new Error('vault is sealed')),
    /failed to sign\n\[xbind\] {3}Error: vault is sealed/,
  ],
  ['gives nothing', () => undefined, /gave no signature of 64 bytes by the key of its DID/],
  ['signs with another key', () => Identity.generate().sign(new Uint8Array(1)), /gave no signature of 64 bytes/],
])('one that %s', async ([, how, reason], { agent }) => {
  const { lines, logger } = logging()
  const { key, state, identityProvider } = failing(how)
  const caller = agent()
  agent({ name: 'remote', identityProvider, logger, handler: () => 'answer' })
  while (lines.length === 0) await turn()
  expect(lines[0]).toMatch(/^\[xbind\] remote: the identity provider /)
  expect(lines[0]).toMatch(reason)

  // Callers do not hammer it: each pause is longer than the one before.
  for (let n = 0; n < 1000; n++) expect(codeOf(await caller.call('remote', n))).toBe('AGENT_NOT_FOUND')
  expect(state.asked).toBeLessThan(12)

  state.works = true
  let answer = await caller.call(key.did, 1)
  while (codeOf(answer) === 'AGENT_NOT_FOUND') {
    await new Promise((resolve) => setTimeout(resolve, 10))
    answer = await caller.call(key.did, 1)
  }
  expect(valueOf(answer)).toBe('answer')
})

test('its own call asks again at once', async ({ agent }) => {
  const { lines, logger } = logging()
  const { state, identityProvider } = failing(() => Promise.reject(new Error('x')))
  const remote = agent({ name: 'remote', identityProvider, logger })
  agent({ name: 'callee', handler: () => 'answer' })
  expect(codeOf(await remote.call('callee', 1))).toBe('SIGN_FAILED')
  state.works = true
  expect(valueOf(await remote.call('callee', 1))).toBe('answer')
  expect(lines).toHaveLength(1)
})
