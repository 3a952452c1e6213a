import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent, type AgentConfig } from '@private.me/autogen'
import { StatusListSource } from '@private.me/autogen/tokens'
import { run } from './child.ts'
import { valueOf } from './result.ts'

const program = join(import.meta.dirname, '../../dist/cli.cjs')

interface Told {
  url: string
  did: string
  operator: { id: string; did: string }
}

/** Nothing is kept of it: what the built-in client fetched, all verifiers of a process have together for 15 s. */
const plain = async (url: string) => new Uint8Array(await (await fetch(url)).arrayBuffer())

/** An authority in a process of its own, with an operator and the agents `alice` and `bob`. */
export async function authority(...scopes: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-authority-'))
  const dir = join(folder, 'dev')
  const begin = async (...args: string[]) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve))
    return { child, told: JSON.parse(line) as Told }
  }
  const end = async (signal: NodeJS.Signals) => {
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await ended
  }
  const wanted = scopes.flatMap((scope) => ['--scopes', scope])
  let { child, told } = await begin('dev', '--json', '--quiet', '--dir', dir, ...wanted)
  const xbind = async (...own: string[]) => {
    const ended = await run(process.execPath, [program, ...own, '--json'], { NO_COLOR: '1' })
    if (ended.code !== 0) throw new Error(`${own.join(' ')}: ${ended.stderr}`)
    return JSON.parse(ended.stdout) as Record<string, unknown>
  }
  return {
    ...told,
    /** One of its agents, brought here with its key. */
    async agent(who: string, config: AgentConfig = {}) {
      const key = readFileSync(join(dir, 'profiles', who, 'keys/agent.key'), 'utf8')
      const { identityProvider: _, ...rest } = config
      return valueOf(await AutoGenxBindAgent.fromIdentity(key, { name: who, ...rest }))
    },
    key: (who: 'alice' | 'bob') => readFileSync(join(dir, 'profiles', who, 'keys/agent.key'), 'utf8'),
    dir,
    /** One more of its agents. */
    async join(who: string, ...granted: string[]) {
      const own = ['--profile', who, '--dir', dir]
      await xbind('init', '--domain', 'dev.example', '--server', told.url, ...own)
      await xbind('register', 'agent', ...own)
      await xbind('agent-scopes', 'set', ...granted.flatMap((scope) => ['--scopes', scope]), ...own)
    },
    /** Its status lists, as they are now. */
    revocations: () => new StatusListSource({ origins: [told.url], fetch: plain }),
    /** How it says that a token stands. */
    async status(token: string) {
      const [headers, body] = [{ 'content-type': 'application/json' }, JSON.stringify({ token })]
      const response = await fetch(`${told.url}/v1/introspection`, { method: 'POST', headers, body })
      return ((await response.json()) as { status: string }).status
    },
    xbind: (...own: string[]) => xbind(...own, '--dir', dir),
    /** A step of its key, while it runs. */
    step: (name: string, ...args: string[]) => xbind('authority', name, ...args, '--data', join(dir, 'authority')),
    /** It is killed, and back when that is done. */
    async away(meanwhile: () => Promise<void>) {
      await end('SIGKILL')
      try {
        await meanwhile()
      } finally {
        const listen = ['--listen', new URL(told.url).host, '--url', told.url, '--data', join(dir, 'authority')]
        child = (await begin('authority', 'serve', '--json', '--quiet', ...listen)).child
      }
    },
    /** It is killed, has a new key, and is where it was. */
    async rotate() {
      await end('SIGKILL')
      const data = ['--data', join(dir, 'authority')]
      const rotated = await xbind('authority', 'rotate-key', ...data)
      const listen = ['--listen', new URL(told.url).host, '--url', told.url]
      child = (await begin('authority', 'serve', '--json', '--quiet', ...data, ...listen)).child
      return rotated as { before: string; did: string }
    },
    /** It is killed, and is where it was, with more options. */
    async serve(...more: string[]) {
      await end('SIGKILL')
      const listen = ['--listen', new URL(told.url).host, '--url', told.url, '--data', join(dir, 'authority')]
      child = (await begin('authority', 'serve', '--json', '--quiet', ...listen, ...more)).child
    },
    async stop() {
      await end('SIGTERM')
      rmSync(folder, { recursive: true })
    },
  }
}
