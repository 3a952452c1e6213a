import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent, type AgentConfig } from '@private.me/autogen'
import { run } from './child.ts'
import { valueOf } from './result.ts'

const program = join(import.meta.dirname, '../../dist/cli.cjs')

interface Told {
  url: string
  did: string
  operator: { id: string; did: string }
}

/** An authority in a process of its own, with an operator and the agents `alice` and `bob`. */
export async function authority(...scopes: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-authority-'))
  const dir = join(folder, 'dev')
  const args = ['dev', '--json', '--quiet', '--dir', dir, ...scopes.flatMap((scope) => ['--scopes', scope])]
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise<string>((resolve) => child.stdout.setEncoding('utf8').once('data', resolve))
  const told = JSON.parse(line) as Told
  return {
    ...told,
    /** One of its agents, brought here with its key. */
    async agent(who: 'alice' | 'bob', config: AgentConfig = {}) {
      const key = readFileSync(join(dir, 'profiles', who, 'keys/agent.key'), 'utf8')
      const { identityProvider: _, ...rest } = config
      return valueOf(await AutoGenxBindAgent.fromIdentity(key, { name: who, ...rest }))
    },
    key: (who: 'alice' | 'bob') => readFileSync(join(dir, 'profiles', who, 'keys/agent.key'), 'utf8'),
    xbind: async (...own: string[]) => {
      const ended = await run(process.execPath, [program, ...own, '--json', '--dir', dir], { NO_COLOR: '1' })
      if (ended.code !== 0) throw new Error(`${own.join(' ')}: ${ended.stderr}`)
      return JSON.parse(ended.stdout) as Record<string, unknown>
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}
