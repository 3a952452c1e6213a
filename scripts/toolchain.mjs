// Says in one line what is missing before anything is built. Plain syntax: this file must parse on an old Node.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)

export function checkToolchain() {
  const node = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).engines.node.replace('>=', '')
  if (older(process.versions.node, node)) {
    stop('Node.js ' + process.versions.node + ' is too old; install ' + node + ' or newer from https://nodejs.org')
  }
  const rust = /^rust-version = "(.+)"$/m.exec(readFileSync(new URL('Cargo.toml', root), 'utf8'))[1]
  const wanted = 'install ' + rust + ' or newer from https://rustup.rs'
  takeDefault()
  for (const tool of ['rustc', 'cargo']) {
    const { found, reason, absent } = version(tool)
    if (absent) stop('Rust is not installed; ' + wanted)
    if (reason !== undefined) stop(tool + ' is installed and does not run: ' + reason)
    if (tool === 'rustc' && older(found, rust)) stop('Rust ' + found + ' is too old; ' + wanted)
  }
}

/** A toolchain without the components of rust-toolchain.toml, on a machine that cannot fetch them, builds all the same. */
function takeDefault() {
  if (process.env.RUSTUP_TOOLCHAIN || version('rustc').reason === undefined) return
  const { status, stdout } = spawnSync('rustup', ['default'], { encoding: 'utf8' })
  if (status === 0 && stdout.trim() !== '') process.env.RUSTUP_TOOLCHAIN = stdout.split(' ')[0].trim()
}

/** Its version; or why it gives none, in the words of rustup, which stands in for both tools; or that it is not there. */
function version(tool) {
  const env = Object.assign({}, process.env, { RUST_BACKTRACE: '0' })
  const { error, stdout, stderr } = spawnSync(tool, ['--version'], { cwd: root, encoding: 'utf8', env })
  if (error) return error.code === 'ENOENT' ? { absent: true } : { reason: error.message }
  const found = / (\d+\.\d+\.\d+)/.exec(stdout)
  return found ? { found: found[1] } : { reason: said(stderr) || 'it tells no version' }
}

function said(stderr) {
  const lines = stderr.split('\n').filter((line) => /^(error|help|hint): /.test(line))
  return lines.map((line, i) => (i === 0 ? line.replace(/^error: /, '') : line)).join(' ') || stderr.trim()
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
