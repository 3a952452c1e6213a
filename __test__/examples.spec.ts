// The examples check themselves: each is run as its reader would.
import { expect, test } from 'vitest'
import { run } from './helpers/child.ts'

test('rights are granted, handed on, refused, approved and taken back', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['examples/rights/index.mjs'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/SCOPE_DENIED[^]*APPROVAL_REFUSED[^]*REVOKED[^]*All as expected\.\n$/)
  expect(stdout).not.toContain('\u001b')
})
