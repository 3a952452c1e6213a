// Runs the addon as it was built on emulated older CPUs, where the code for newer ones must not be chosen.
// The last line says how many of them passed: `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { thisPlatform } from './platforms.mjs'
import { root } from './run.mjs'

const cpus = { Haswell: 'AVX2, no AVX-512', qemu64: 'no AVX at all' }
const qemu = 'qemu-x86_64'

const reason = missing()
if (reason !== undefined) {
  console.error(`error: older CPUs are not tried: ${reason}`)
  process.exit(1)
}

let passed = 0
for (const [cpu, features] of Object.entries(cpus)) {
  const args = ['-cpu', cpu, process.execPath, join(root, 'scripts/old-cpus-program.cjs')]
  const start = performance.now()
  const { status, signal, stdout, stderr } = spawnSync(qemu, args, { encoding: 'utf8', timeout: 300_000 })
  const good = status === 0 && stdout.trim() === 'ok'
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${cpu} (${features}): ${good ? 'ok' : `failed, ended with ${signal ?? status}`}, ${seconds} s`)
  if (good) passed++
  else console.error(stdout + stderr)
}
const failed = Object.keys(cpus).length - passed
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

function missing() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'they are emulated on x86-64 Linux only'
  const platform = thisPlatform()
  for (const file of ['dist/index.cjs', `npm/${platform}/xbind.${platform}.node`]) {
    if (!existsSync(join(root, file))) return `there is no ${file}; run "npm run build"`
  }
  if (runs(qemu, ['--version'])) return undefined
  if (process.getuid() !== 0) return `${qemu} is not installed; it is in Debian's package qemu-user`
  const options = ['install', '-y', '-qq', '--no-install-recommends', 'qemu-user']
  if (runs('apt-get', ['update', '-qq']) && runs('apt-get', options) && runs(qemu, ['--version'])) return undefined
  return `${qemu} is missing, and apt-get could not install qemu-user`
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}
