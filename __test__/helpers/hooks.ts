// A copy of the package with an addon that panics on demand.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { thisPlatform } from '../../scripts/platforms.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Copy {
  /** The CommonJS file to require. */
  entry: string
  /** The addon itself, with its hook. */
  addon: string
  remove: () => void
}

export function copyWithHooks(): Copy {
  const library = buildAddon()
  const folder = mkdtempSync(join(tmpdir(), 'xbind-hooks-'))
  const platform = thisPlatform()
  const entry = join(folder, 'dist/index.cjs')
  const addon = join(folder, `npm/${platform}/xbind.${platform}.node`)
  for (const file of [entry, addon]) mkdirSync(join(file, '..'), { recursive: true })
  copyFileSync(join(root, 'dist/index.cjs'), entry)
  copyFileSync(library, addon)
  return { entry, addon, remove: () => rmSync(folder, { recursive: true }) }
}

function buildAddon(): string {
  const args = [
    'build',
    '--quiet',
    '--locked',
    '--package',
    'xbind-node',
    '--features',
    'test-hooks',
    '--message-format=json',
  ]
  const { status, stdout, stderr } = spawnSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`the addon with test hooks did not build: ${stderr}`)
  const artifacts = stdout.split('\n').filter((line) => line.includes('"compiler-artifact"'))
  const files = artifacts.map((line) => JSON.parse(line) as { target: { name: string }; filenames: string[] })
  const library = files
    .find(({ target }) => target.name === 'xbind_node')
    ?.filenames.find((name) => /\.(so|dylib|dll)$/.test(name))
  if (library === undefined) throw new Error('cargo named no library')
  return library
}
