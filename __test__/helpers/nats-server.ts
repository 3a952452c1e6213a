import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Identity } from '@private.me/autogen'
import { authKeys } from '@private.me/autogen/nats'
import { natsServer } from '../../scripts/nats-server.mjs'
import { valueOf } from './result'

const children = new Set<ChildProcess>()
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')))

/** Ends a process with this one. */
export function atExit(child: ChildProcess): void {
  children.add(child)
  child.once('exit', () => children.delete(child))
}

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
  atExit(child)
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

/** Starts one that asks the auth callout of that issuer about each connection. */
export async function guardedBroker(issuer: Identity): Promise<Broker> {
  const { issuer: account, callout } = valueOf(authKeys(issuer))
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-conf-'))
  const config = join(folder, 'nats-server.conf')
  writeFileSync(
    config,
    `accounts { AUTH: { users: [{ nkey: ${callout} }] }, AGENTS: { jetstream: enabled } }
     authorization { timeout: 2, auth_callout { issuer: ${account}, auth_users: [${callout}], account: AUTH } }`,
  )
  try {
    return await broker(-1, '--config', config)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Three nats-servers that are one. */
export interface Cluster {
  readonly urls: string[]
  /** Kills one of them and starts it again. */
  restart(at: number): Promise<void>
  kill(): Promise<void>
}

/** Starts three, which know each other. */
export async function cluster(): Promise<Cluster> {
  const ports = await freePorts(6)
  const [first = 0, second = 0, third = 0, ...routes] = ports
  const clients = [first, second, third]
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-cluster-'))
  const known = routes.map((port) => `nats://127.0.0.1:${port}`)
  const begin = (at: number): Promise<Broker> => {
    const named = ['--server_name', `server-${at}`, '--cluster_name', 'test', '--store_dir', join(folder, String(at))]
    return broker(clients[at], ...named, '--cluster', known[at] ?? '', '--routes', known.join(','))
  }
  const servers = await Promise.all([0, 1, 2].map(begin))
  return {
    urls: clients.map((port) => `nats://127.0.0.1:${port}`),
    async restart(at) {
      await servers[at]?.kill()
      servers[at] = await begin(at)
    },
    async kill() {
      await Promise.all(servers.map((server) => server.kill()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port)
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')))
  return ports
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
