// The peers are installed on first use, beside the benchmark and never with the package.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const home = new URL('../', import.meta.url)
const read = (path) => JSON.parse(readFileSync(new URL(path, home), 'utf8'))

export function installPeers(say) {
  const wanted = Object.entries(read('package.json').devDependencies)
  if (wanted.every(([name, version]) => versionOf(name) === version)) return
  say('installing what is compared (once)')
  const npm = process.env.npm_execpath
  // Not `npm ci`: it refuses a lock file without the binaries of other machines, which not every registry has.
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const [command, list] = npm?.endsWith('.js') ? [process.execPath, [npm, ...args]] : ['npm', args]
  const { status } = spawnSync(command, list, { cwd: home, stdio: ['ignore', 'ignore', 'inherit'], shell: !npm })
  if (status !== 0) throw new Error('npm install in bench/ failed')
}

// undefined when it is not there.
export function versionOf(name) {
  try {
    return read(`node_modules/${name}/package.json`).version
  } catch {
    return undefined
  }
}

export const ourVersion = () => read('../package.json').version
