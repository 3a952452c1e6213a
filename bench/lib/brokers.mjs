// nats-servers for a suite, on ports of their own: one, or several that are one.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { natsServer } from '../../scripts/nats-server.mjs'

export const natsVersion = async () => {
  const [text] = await once(spawn(natsServer(), ['--version']).stdout, 'data')
  return String(text).trim()
}

export async function brokers(count) {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-bench-nats-'))
  const routes = (await freePorts(count)).map((port) => `nats://127.0.0.1:${port}`)
  const servers = await Promise.all(routes.map((route, at) => begin(join(folder, String(at)), at, route, routes)))
  const close = async () => {
    await Promise.all(servers.map(({ child }) => ended(child)))
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', () => servers.forEach(({ child }) => child.kill('SIGKILL')))
  while (!(await Promise.all(servers.map(isWell))).every(Boolean)) await pause(50)
  return { urls: servers.map(({ url }) => url), monitors: servers.map(({ monitor }) => monitor), close }
}

async function begin(folder, at, route, routes) {
  const usual = ['--addr', '127.0.0.1', '--port', '-1', '--http_port', '-1', '--jetstream', '--store_dir', join(folder, 'store')]
  const named = ['--server_name', `server-${at}`, '--cluster_name', 'bench', '--cluster', route, '--routes', routes.join(',')]
  const args = [...usual, ...(routes.length > 1 ? named : []), '--ports_file_dir', mkdtempSync(join(tmpdir(), 'xbind-bench-ports-'))]
  const child = spawn(natsServer(), args, { stdio: 'ignore' })
  const { nats, monitoring } = await portsIn(args.at(-1))
  rmSync(args.at(-1), { recursive: true, force: true })
  return { child, url: nats[0], monitor: monitoring[0] }
}

async function portsIn(folder) {
  for (;;) {
    const [file] = readdirSync(folder)
    try {
      if (file !== undefined) return JSON.parse(readFileSync(join(folder, file), 'utf8'))
    } catch {
      // It is still being written.
    }
    await pause(10)
  }
}

async function isWell({ monitor }) {
  return fetch(`${monitor}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  )
}

function ended(child) {
  const end = once(child, 'exit')
  child.kill('SIGKILL')
  return end
}

async function freePorts(count) {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  const ports = probes.map((probe) => probe.address().port)
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')))
  return ports
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
