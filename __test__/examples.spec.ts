// The examples check themselves: each is run as its reader would.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { install } from '../scripts/install.mjs'
import { run } from './helpers/child.ts'
import { root } from './helpers/guides.ts'

test('rights are granted, handed on, refused, approved and taken back', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['examples/rights/index.mjs'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/SCOPE_DENIED[^]*APPROVAL_REFUSED[^]*REVOKED[^]*All as expected\.\n$/)
  expect(stdout).not.toContain('\u001b')
})

test('agents of two processes call each other over HTTP', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['examples/http-agents/index.mjs'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/there and back[^]*AGENT_CLOSED[^]*unknown[^]*All as expected\.\n$/)
})

test('two processes serve one name over NATS, and one of them is killed', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['examples/nats/index.mjs'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/either answers[^]*AGENT_CLOSED[^]*unknown[^]*the other one answers[^]*All as expected\.\n$/)
})

test('an agent that is killed over and over finds its mail', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['examples/nats/mail.mjs'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(
    /delivered[^]*kept, three times[^]*in their order[^]*does not come again\nAll as expected\.\n$/,
  )
})

describe('libraries that are given a fetch that signs', () => {
  beforeAll(() => install('examples/clients'), 900_000)

  test.each([
    ['mcp', /read by did:key:[^]*unsigned +INVALID_SIGNATURE[^]*SCOPE_DENIED[^]*INVALID_TOKEN/],
    ['openai', /parts +6[^]*attempts +3[^]*unsigned +INVALID_SIGNATURE[^]*SCOPE_DENIED[^]*INVALID_TOKEN/],
    ['a2a', /No valid signatures[^]*for did:key:[^]*unsigned +INVALID_SIGNATURE[^]*SCOPE_DENIED[^]*INVALID_TOKEN/],
    ['gateway', /SCOPE_DENIED[^]*budget-exhausted[^]*INVALID_TOKEN[^]*CLIENT_GONE/],
    ['ai-sdk', /in one line[^]*unsigned +INVALID_SIGNATURE[^]*SCOPE_DENIED[^]*INVALID_TOKEN[^]*by another DID/],
  ])('%s', async (name, printed) => {
    const { code, stdout, stderr } = await run(process.execPath, [`examples/clients/${name}/index.mjs`])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(printed)
    expect(stdout).not.toContain('\u001b')
    expect(stdout).toMatch(/a changed body +INVALID_SIGNATURE\n[^]*All as expected\.\n$/)
  })

  test('are shown in the guide as they run here', () => {
    const guide = readFileSync(join(root, 'docs/guides/http-clients.md'), 'utf8')
    const shown = [...guide.matchAll(/^```js (\S+)\n(.*?)^```$/gms)]
    expect(new Set(shown.map(([, name]) => name))).toEqual(new Set(['mcp', 'openai', 'a2a', 'ai-sdk']))
    for (const [, name = '', code = ''] of shown) {
      expect(readFileSync(join(root, `examples/clients/${name}/index.mjs`), 'utf8')).toContain(code)
    }
  })
})
