import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { natsServer } from '../../scripts/nats-server.mjs'

/** A nats-server of a test, on a port of its own. */
export interface Broker {
  readonly url: string
  readonly port: number
  readonly child: ChildProcess
  /** Ends it at once. */
  kill(): Promise<void>
}

/** Starts one, with more arguments than it needs; its port is free unless one is named. */
export async function broker(port = -1, ...more: string[]): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-'))
  const usual = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', join(folder, 'store')]
  const args = [...usual, '--ports_file_dir', folder, ...more]
  const child = spawn(natsServer(), args, { stdio: ['ignore', 'ignore', 'pipe'] })
  process.once('exit', () => child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error('nats-server ended')))
    createInterface({ input: child.stderr }).on('line', (line) => line.includes('Server is ready') && resolve())
  })
  const url = await written(folder)
  const kill = async (): Promise<void> => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, port: Number(new URL(url).port), child, kill }
}

async function written(folder: string): Promise<string> {
  for (;;) {
    const file = readdirSync(folder).find((name) => name.endsWith('.ports'))
    try {
      if (file !== undefined) {
        const { nats } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { nats: [string] }
        return nats[0]
      }
    } catch {
      // It is still being written.
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
