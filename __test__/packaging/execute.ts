import { execFile } from 'node:child_process'

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end, whatever its exit code. */
export function attempt(cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  // npm and Vitest tell their children about themselves; a user's shell does not.
  const clean = Object.entries(process.env).filter(([name]) => !/^(npm_|vitest|node_env|test$|vite_)/i.test(name))
  const options = { cwd, env: { ...Object.fromEntries(clean), ...env }, maxBuffer: 1 << 26 }
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
  })
}

/** Runs a program that must succeed. */
export async function execute(cwd: string, command: string, args: string[], env?: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await attempt(cwd, command, args, env)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${stdout}\n${stderr}`)
  return stdout
}
