import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { compile, libraryOf } from './cargo.mjs'
import { thisPlatform } from './platforms.mjs'
import { root } from './run.mjs'

const addon = ['--locked', '--package', 'xbind-node', '--lib']

/** Builds the addon in release mode and puts it into its platform's package, where ts/native.ts looks for it. */
export async function buildAddon({ platform = thisPlatform(), cargo = ['build'], target } = {}) {
  const files = await compile('the addon', [...cargo, '--release', ...addon, ...forTarget(target)])
  const folder = join(root, 'npm', platform)
  put(files, join(folder, `xbind.${platform}.node`))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
}

/** The same with hooks that only tests want; it goes where no package is made. */
export async function buildHooks({ platform = thisPlatform(), cargo = ['build'], target } = {}) {
  const args = [...cargo, ...addon, '--features', 'test-hooks', ...forTarget(target)]
  const file = join(root, 'target/hooks', `xbind.${platform}.node`)
  mkdirSync(join(file, '..'), { recursive: true })
  put(await compile('the addon of the tests', args), file)
  return file
}

const forTarget = (target) => (target ? ['--target', target] : [])

function put(files, file) {
  const library = libraryOf(files)
  if (library === undefined) throw new Error('cargo named no library')
  // A rename, because a process that has the old file mapped would crash if its pages changed.
  copyFileSync(library, `${file}.new`)
  renameSync(`${file}.new`, file)
}
