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
export interface Process<Said = Line> {
  child: ChildProcess
  did: string
  pid: number
  lines: Said[]
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Starts one; `seed` gives its agent a key that others can have, too. */
export function member(server: string, space: string, name: string, seed = '', operators = ''): Promise<Process> {
  return program<Line>([process.execPath, script('nats-agents.mjs'), server, name, seed, space, operators])
}

/** Starts one whose agent has a mailbox, and reads it. */
export function reader(server: string, space: string, name: string, seed: string): Promise<Process> {
  return program<Line>([process.execPath, script('nats-reader.mjs'), server, name, seed, space])
}

/** Starts a program that says who it is, and then what it does, in lines of JSON. */
export function program<Said>([command = '', ...args]: readonly string[]): Promise<Process<Said>> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  atExit(child)
  const lines: Said[] = []
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the process ended')))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Said & Partial<Process>
      if (line.did !== undefined) resolve({ child, did: line.did, pid: line.pid ?? 0, lines })
      else lines.push(line)
    })
  })
}

/** Ends one at once. */
export async function kill({ child }: Pick<Process, 'child'>): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
