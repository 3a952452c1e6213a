// A copy of the package with an addon that panics on demand.
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { thisPlatform } from '../../scripts/platforms.mjs'
import { run } from './child.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Copy {
  /** The CommonJS file to require. */
  entry: string
  /** The addon itself, with its hook. */
  addon: string
  remove: () => void
}

export async function copyWithHooks(): Promise<Copy> {
  const platform = thisPlatform()
  const library = process.env.XBIND_HOOKS ?? (await buildAddon(platform))
  const folder = mkdtempSync(join(tmpdir(), 'xbind-hooks-'))
  const addon = join(folder, `npm/${platform}/xbind.${platform}.node`)
  mkdirSync(join(addon, '..'), { recursive: true })
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
  copyFileSync(library, addon)
  return { entry: join(folder, 'dist/index.cjs'), addon, remove: () => rmSync(folder, { recursive: true }) }
}

/** Where there is no Rust, as where a release is tried, `XBIND_HOOKS` names the addon. */
async function buildAddon(platform: string): Promise<string> {
  const { code, stderr } = await run(process.execPath, ['scripts/build.mjs', 'hooks'], {}, 900_000)
  if (code !== 0) throw new Error(`the addon with test hooks did not build: ${stderr}`)
  return join(root, `target/hooks/xbind.${platform}.node`)
}
