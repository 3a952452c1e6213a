// The command `xbind` as the addon brings it; what it does is tested in crates/xbind-cli/tests.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { version } from '../package.json'
import { run } from './helpers/child.ts'

const program = join(import.meta.dirname, '../dist/cli.cjs')
const folder = mkdtempSync(join(tmpdir(), 'xbind-command-'))
afterAll(() => rmSync(folder, { recursive: true }))

const xbind = (...args: string[]) => run(process.execPath, [program, ...args], { NO_COLOR: '1' })

test('it ends as it should, with data on stdout and talk on stderr', async () => {
  expect(await xbind('--version')).toEqual({ code: 0, stdout: `xbind ${version}\n`, stderr: '' })
  const nobody = await xbind('whoami', '--dir', join(folder, 'nobody'))
  expect(nobody).toMatchObject({ code: 3, stdout: '' })
  expect(nobody.stderr).toMatch(/^error: there is nobody in .*\nhint: xbind init.*\n$/)
  expect(await xbind('nonsense')).toMatchObject({ code: 2, stdout: '' })
})

test('all of what is said arrives, through a pipe that is read slowly, too', async () => {
  const { stdout } = await xbind('completions', 'zsh')
  const child = spawn(process.execPath, [program, 'completions', 'zsh', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('readable', resolve))
  let text = ''
  for await (const piece of child.stdout.setEncoding('utf8')) text += String(piece)
  expect((JSON.parse(text) as { script: string }).script.trim()).toBe(stdout.trim())
  expect(stdout.length).toBeGreaterThan(20_000)
})

test('whoever stops reading ends it without noise', async () => {
  const child = spawn(process.execPath, [program, 'completions', 'bash'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect([code, said]).toEqual([0, ''])
})

test.skipIf(process.platform === 'win32').each(['SIGINT', 'SIGTERM'] as const)('%s ends what runs', async (signal) => {
  const dir = join(folder, signal)
  const child = spawn(process.execPath, [program, 'dev', '--json', '--quiet', '--dir', dir])
  const line = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve))
  const told = JSON.parse(line) as { agents: { alice: { did: string } } }
  const who = ['--dir', dir, '--profile', 'alice']
  const { stdout: token } = await xbind('issue', '--scope', 'read:payments', '--aud', 'api.example.com', ...who)
  const verify = ['verify', '--token', token.trim(), '--aud', 'api.example.com', '--online', '--json']
  expect(JSON.parse((await xbind(...verify, ...who)).stdout)).toMatchObject({ subject: told.agents.alice.did })
  child.kill(signal)
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
  expect(existsSync(dir)).toBe(false)
})

test('it is the one program of the package', () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { bin: object }
  expect(manifest.bin).toEqual({ xbind: './dist/cli.cjs' })
})
