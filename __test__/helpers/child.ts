import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Ended {
  code: number | string
  stdout: string
  stderr: string
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program in the checkout to its end; one that hangs is killed, and its code is the signal. */
export function run(program: string, args: string[], env: NodeJS.ProcessEnv = {}, timeout = 60_000): Promise<Ended> {
  const options = { cwd: root, env: { ...process.env, ...env }, timeout, maxBuffer: 1 << 26 }
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? 'killed'), stdout, stderr })
    })
  })
}

/** Runs a program text as `node -e` does. An unhandled rejection ends it with code 1. */
export function node(program: string, flags: string[] = []): Promise<Ended> {
  return run(process.execPath, ['--input-type=module', ...flags, '-e', program])
}
