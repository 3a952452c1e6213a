import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { reply, request } from '../lib/load.mjs'
import { median, shuffled } from '../lib/stats.mjs'

export const order = 5
export const competitors = [
  'ours',
  'node-crypto',
  'sodium-native',
  'jose',
  'agent-governance-sdk',
  'agent-passport-system',
]

const LIMIT_MS = 30_000
const SELF = fileURLToPath(import.meta.url)

export async function run({ quick, peers, progress, table }) {
  const count = quick ? 5 : 20
  const everyone = ['bare', ...peers]
  const times = new Map(everyone.map((peer) => [peer, []]))
  const failed = new Map()
  progress.begin('start', count * everyone.length)
  for (let round = 0; round < count; round += 1) {
    for (const peer of shuffled(everyone)) {
      const [milliseconds, problem] = timeProcess(peer)
      if (problem) failed.set(peer, problem)
      else times.get(peer).push(milliseconds)
      progress.step(peer)
    }
  }
  const bare = times.get('bare')
  const over = (peer) => {
    const [first, ...others] = times.get(peer).map((time) => ({ over: time - median(bare) }))
    return [{ ...first, fastest: Math.min(...times.get(peer)) - Math.min(...bare) }, ...others]
  }
  const samples = new Map(peers.filter((peer) => !failed.has(peer)).map((peer) => [peer, over(peer)]))
  return table({
    title: 'Start: load, make two agents, one signed call, end',
    notes: [
      `a new process each time, ${count} of each; fastest: over the fastest process that does nothing (${Math.min(...bare).toFixed(0)} ms),`,
      `all: over the median of those (${median(bare).toFixed(0)} ms)`,
    ],
    metrics: [
      { key: 'fastest', label: 'fastest', unit: 'ms', better: 'less' },
      { key: 'over', label: 'all', unit: 'ms', better: 'less' },
    ],
    samples,
    failed,
  })
}

function timeProcess(peer) {
  const startedAt = performance.now()
  const { status, stderr, error } = spawnSync(process.execPath, [SELF, peer], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LIMIT_MS,
  })
  const problem = error?.message ?? (status === 0 ? undefined : stderr.toString().trim().split('\n').at(-1))
  return [performance.now() - startedAt, problem]
}

if (process.argv[1] === SELF && process.argv[2] !== 'bare') {
  const peer = await import(`../peers/${process.argv[2]}.mjs`)
  if (peer.startUp) await peer.startUp()
  else {
    const fleet = await peer.fleet(2, reply)
    await fleet.call(0, 1, request(1))
    fleet.close()
  }
  process.exit()
}
