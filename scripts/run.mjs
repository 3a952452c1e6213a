import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a command in the terminal's own streams; ends this process with its code when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** npm as the client that started this script, or the one on the path. */
export function npm(args, options) {
  const script = process.env.npm_execpath
  if (script?.endsWith('.js')) run(process.execPath, [script, ...args], options)
  else run('npm', args, { shell: process.platform === 'win32', ...options })
}

/** Runs a command and hands over each line of its output; resolves with its exit code. */
export function lines(command, args, onLine, { stderr = 'inherit', ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', stderr], ...options })
    createInterface({ input: child.stdout }).on('line', onLine)
    if (stderr === 'pipe') createInterface({ input: child.stderr }).on('line', onLine)
    child.on('error', reject).on('close', (code) => resolve(code ?? 1))
  })
}
