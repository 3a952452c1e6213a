// What is said where the tools for building are missing, too old, or there and not usable.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const temp = mkdtempSync(join(tmpdir(), 'xbind-toolchain-'))
afterAll(() => rmSync(temp, { recursive: true }))
const program = `
  import { checkToolchain } from ${JSON.stringify(resolve(import.meta.dirname, '../scripts/toolchain.mjs'))}
  checkToolchain()
  console.log('fine', process.env.RUSTUP_TOOLCHAIN ?? '')`
const said =
  "error: rustup could not choose a version, because no default is configured.\nhelp: run 'rustup default stable'"

/** What the check says on a machine that has these tools and no others. */
function check(name: string, tools: Record<string, string>): { code: number | null; text: string } {
  const folder = join(temp, name)
  mkdirSync(folder)
  for (const [tool, script] of Object.entries(tools)) {
    writeFileSync(join(folder, tool), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, tool), 0o755)
  }
  const { RUSTUP_TOOLCHAIN: _, ...env } = process.env
  const options = { encoding: 'utf8', env: { ...env, PATH: folder } } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], options)
  return { code: status, text: (stdout + stderr).trim() }
}

const cargo = 'echo "cargo 1.95.0 (f2d3ce0bd 2026-03-21)"'
const machines: Record<string, [tools: Record<string, string>, says: RegExp]> = {
  'all there': [{ rustc: 'echo "rustc 1.95.0 (59807616e 2026-04-14)"', cargo }, /^fine$/],
  'no Rust': [{}, /^error: Rust is not installed; install [\d.]+ or newer from https:\/\/rustup\.rs$/],
  'no cargo': [{ rustc: 'echo "rustc 1.95.0"' }, /^error: Rust is not installed; /],
  'an old one': [{ rustc: 'echo "rustc 1.80.0"', cargo }, /^error: Rust 1\.80\.0 is too old; install /],
  'rustup without a toolchain': [
    { rustc: `echo "${said}" >&2; exit 1`, cargo: 'exit 1', rustup: 'exit 1' },
    /^error: rustc is installed and does not run: rustup could not choose .* help: run 'rustup default stable'$/,
  ],
  'a toolchain without a component that cannot be fetched': [
    {
      rustc: 'test -n "$RUSTUP_TOOLCHAIN" || { echo "error: could not download" >&2; exit 1; }; echo "rustc 1.95.0"',
      cargo: 'test -n "$RUSTUP_TOOLCHAIN" && echo "cargo 1.95.0"',
      rustup: 'echo "1.95.0-x86_64 (default)"',
    },
    /^fine 1\.95\.0-x86_64$/,
  ],
  'a rustc that says nothing': [{ rustc: 'exit 1', cargo }, /^error: rustc is installed and does not run: it tells no/],
}

test('what is said of a machine', () => {
  if (process.platform === 'win32') {
    process.stderr.write('the check of tools is not tried: the stand-ins are shell scripts\n')
    return
  }
  for (const [name, [tools, says]] of Object.entries(machines)) {
    const { code, text } = check(name.replaceAll(' ', '-'), tools)
    expect([name, text]).toEqual([name, expect.stringMatching(says)])
    expect([name, code]).toEqual([name, text.startsWith('fine') ? 0 : 1])
  }
})
