import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { reply, request } from '../lib/load.mjs'
import { shuffled } from '../lib/stats.mjs'

export const order = 5
export const peers = ['ours', 'node-crypto', 'sodium-native', 'jose', 'agent-governance-sdk', 'agent-passport-system']

const SELF = fileURLToPath(import.meta.url)

export async function run({ quick, peers, progress, table }) {
  const count = quick ? 5 : 25
  const everyone = ['bare', ...peers]
  const times = new Map(everyone.map((peer) => [peer, []]))
  const failed = new Map()
  progress.begin('start', count * everyone.length)
  for (let round = 0; round < count; round += 1) {
    for (const peer of shuffled(everyone)) {
      const startedAt = performance.now()
      const { status, stderr } = spawnSync(process.execPath, [SELF, peer], { stdio: ['ignore', 'ignore', 'pipe'] })
      times.get(peer).push(performance.now() - startedAt)
      if (status !== 0) failed.set(peer, stderr.toString().trim().split('\n').at(-1))
      progress.step(peer)
    }
  }
  const samples = new Map()
  for (const peer of peers) {
    if (failed.has(peer)) continue
    samples.set(
      peer,
      times.get(peer).map((time, round) => ({ over: time - times.get('bare')[round] })),
    )
  }
  const bare = [...times.get('bare')].sort((a, b) => a - b)[Math.floor(count / 2)]
  return table({
    title: 'Start: load, make two agents, one signed call, end',
    notes: [`a new process each time; milliseconds more than the same process without it (${bare.toFixed(0)} ms)`],
    metrics: [{ key: 'over', label: 'over bare Node.js', unit: 'ms', better: 'less' }],
    samples,
    failed,
  })
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
