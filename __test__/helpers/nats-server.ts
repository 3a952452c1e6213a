import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
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

/** Where a server or a program runs: the address there, and the command that runs others in it. */
export interface Place {
  readonly address: string
  readonly inside: readonly string[]
}

const loopback: Place = { address: '127.0.0.1', inside: [] }

/** Starts one, with more arguments than it needs; its port is free unless one is named. */
export function broker(port = -1, ...more: string[]): Promise<Broker> {
  return brokerIn(loopback, port, ...more)
}

async function brokerIn({ address, inside }: Place, port: number, ...more: string[]): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-'))
  const usual = ['--addr', address, '--port', String(port), '--jetstream', '--store_dir', join(folder, 'store')]
  const [command = '', ...args] = [...inside, natsServer(), ...usual, '--ports_file_dir', folder, ...more]
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
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

/** Starts one that asks the auth callout of that issuer about each connection, encrypted to it or not. */
export async function guardedBroker(issuer: Identity, isEncrypted = false): Promise<Broker> {
  const { issuer: account, callout, xkey } = valueOf(authKeys(issuer))
  const encryption = isEncrypted ? `, xkey: ${xkey}` : ''
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-conf-'))
  const config = join(folder, 'nats-server.conf')
  writeFileSync(
    config,
    `accounts { AUTH: { users: [{ nkey: ${callout} }] }, AGENTS: { jetstream: enabled } }
     authorization { timeout: 2, auth_callout { issuer: ${account}, auth_users: [${callout}], account: AUTH${encryption} } }`,
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
  /** Kills one of them. */
  stop(at: number): Promise<void>
  /** Starts one again that was killed; resolves when it has all that the others have. */
  start(at: number): Promise<void>
  /** What one of them says of itself (`/varz`, `/jsz`, `/connz`); nothing if it says none. */
  look(at: number, what: string): Promise<unknown>
  kill(): Promise<void>
}

/** Starts three, which know each other. */
export async function cluster(
  places: readonly Place[] = [loopback, loopback, loopback],
  ...more: string[]
): Promise<Cluster> {
  const ports = await freePorts(9)
  const folder = mkdtempSync(join(tmpdir(), 'xbind-nats-cluster-'))
  const address = (at: number, kind: number): string => `${places[at]?.address}:${ports[at + 3 * kind]}`
  const known = [0, 1, 2].map((at) => `nats://${address(at, 1)}`)
  const begin = (at: number): Promise<Broker> => {
    const named = ['--server_name', `server-${at}`, '--cluster_name', 'test', '--store_dir', join(folder, String(at))]
    const routes = ['--cluster', known[at] ?? '', '--routes', known.join(',')]
    return brokerIn(
      places[at] ?? loopback,
      ports[at] ?? -1,
      ...named,
      ...routes,
      '--http_port',
      String(ports[at + 6]),
      ...more,
    )
  }
  const look = async (at: number, what: string): Promise<unknown> => {
    const inside = places[at]?.inside ?? []
    const url = `http://${address(at, 2)}${what}`
    try {
      return JSON.parse(inside.length === 0 ? await (await fetch(url)).text() : fetched(inside, url))
    } catch {
      return undefined
    }
  }
  const begun = async (at: number): Promise<Broker> => {
    const server = await begin(at)
    while (((await look(at, '/healthz')) as { status?: string } | undefined)?.status !== 'ok') await pause(50)
    return server
  }
  const servers = await Promise.all([0, 1, 2].map(begun))
  return {
    urls: [0, 1, 2].map((at) => `nats://${address(at, 0)}`),
    async restart(at) {
      await servers[at]?.kill()
      servers[at] = await begin(at)
    },
    stop: async (at) => servers[at]?.kill(),
    async start(at) {
      servers[at] = await begun(at)
    },
    look,
    async kill() {
      await Promise.all(servers.map((server) => server.kill()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function fetched(inside: readonly string[], url: string): string {
  const program = `fetch(${JSON.stringify(url)}, { signal: AbortSignal.timeout(2000) }).then(async (it) => process.stdout.write(await it.text()))`
  const [command, ...args] = [...inside, process.execPath, '-e', program]
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

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
