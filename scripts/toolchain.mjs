// Says in one line what is missing before anything is built. Plain syntax: this file must parse on an old Node.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)

export function checkToolchain() {
  const node = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).engines.node.replace('>=', '')
  if (older(process.versions.node, node)) {
    stop('Node.js ' + process.versions.node + ' is too old; install ' + node + ' or newer from https://nodejs.org')
  }
  const rust = /^rust-version = "(.+)"$/m.exec(readFileSync(new URL('Cargo.toml', root), 'utf8'))[1]
  const wanted = 'install ' + rust + ' or newer from https://rustup.rs'
  const found = version('rustc')
  if (found === undefined || version('cargo') === undefined) stop('Rust is not installed; ' + wanted)
  if (older(found, rust)) stop('Rust ' + found + ' is too old; ' + wanted)
}

function version(tool) {
  try {
    const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
    return / (\d+\.\d+\.\d+)/.exec(execFileSync(tool, ['--version'], options))[1]
  } catch {
    return undefined
  }
}

function older(found, wanted) {
  const [a, b] = [found, wanted].map((text) => text.split('.').map(Number))
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return a[i] < b[i]
  return false
}

function stop(reason) {
  console.error('error: ' + reason)
  process.exit(1)
}
