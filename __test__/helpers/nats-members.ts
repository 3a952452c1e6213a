import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { atExit } from './nats-server'

/** What a process of nats-agents.mjs says of itself. */
export interface Line {
  handled?: unknown
  aborted?: unknown
  ended?: number
  drained?: string
}

/** A process with an agent on a bus. */
export interface Process {
  child: ChildProcess
  did: string
  pid: number
  lines: Line[]
}

const script = fileURLToPath(new URL('nats-agents.mjs', import.meta.url))

/** Starts one; `seed` gives its agent a key that others can have, too. */
export async function member(server: string, space: string, name: string, seed = '', operators = ''): Promise<Process> {
  const args = [script, server, name, seed, space, operators]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  atExit(child)
  const lines: Line[] = []
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the process ended')))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line & Partial<Process>
      if (line.did !== undefined) resolve({ child, did: line.did, pid: line.pid ?? 0, lines })
      else lines.push(line)
    })
  })
}

/** Ends one at once. */
export async function kill({ child }: Process): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
