import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { thisPlatform } from './platforms.mjs'
import { lines, root } from './run.mjs'

/** Builds the addon in release mode and puts it into its platform's package, where ts/native.ts looks for it. */
export async function buildAddon({ platform = thisPlatform(), cargo = ['build'], target } = {}) {
  const args = [...cargo, '--release', '--locked', '--package', 'xbind-node', '--lib']
  if (target) args.push('--target', target)
  const library = await compile(args)
  const folder = join(root, 'npm', platform)
  const file = join(folder, `xbind.${platform}.node`)
  // A rename, because a process that has the old file mapped would crash if its pages changed.
  copyFileSync(library, `${file}.new`)
  renameSync(`${file}.new`, file)
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
}

/** On a terminal cargo draws its own bar; elsewhere a line now and then says how far it is. */
async function compile(args) {
  const terminal = process.stderr.isTTY
  const started = Date.now()
  let library
  let compiled = 0
  const timer = terminal ? undefined : setInterval(() => report(`${compiled} crates compiled`), 30_000)
  console.error('Building the addon')
  const quiet = terminal ? [] : ['--quiet']
  const code = await lines('cargo', [...args, ...quiet, '--message-format=json-render-diagnostics'], (line) => {
    const message = parse(line)
    if (message?.reason !== 'compiler-artifact') return
    if (!message.fresh) compiled++
    if (message.target.name === 'xbind_node') library = message.filenames.find((name) => /\.(so|dylib|dll)$/.test(name))
  })
  clearInterval(timer)
  if (code !== 0 || library === undefined) {
    console.error('error: the addon did not build')
    process.exit(code || 1)
  }
  if (compiled > 0) report('done')
  return library

  function report(what) {
    console.error(`  ${what}, ${Math.round((Date.now() - started) / 1000)} s`)
  }
}

function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
