// The heart of a fair comparison: competitors take turns within every round, in an order shuffled anew each time.
import { Competitor } from './competitor.mjs'
import { shuffled } from './stats.mjs'

// → Map peer → samples, and Map peer → the reason why it has none. `fresh` starts a new process for each round;
// otherwise a competitor keeps its process, warm, through all of them.
export async function rounds({ module, peers, count, params, progress, fresh = false, limitSeconds }) {
  const samples = new Map(peers.map((peer) => [peer, []]))
  const failed = new Map()
  const running = new Map()
  progress.begin(module.split('/').at(-1), count * peers.length)
  try {
    for (let round = 0; round < count; round += 1) {
      for (const peer of shuffled(peers)) {
        if (!failed.has(peer)) await turn(peer, round)
        progress.step(peer)
      }
    }
  } finally {
    await Promise.all([...running.values()].map((competitor) => competitor.stop()))
  }
  for (const peer of failed.keys()) samples.delete(peer)
  return { samples, failed }

  // A competitor that got stuck is started once more: one lost round is no verdict.
  async function turn(peer, round, secondTry = false) {
    const competitor = running.get(peer) ?? new Competitor(peer, module)
    running.set(peer, competitor)
    try {
      samples.get(peer).push(await competitor.run(params(peer, round), limitSeconds))
      if (fresh) await dismiss(peer)
    } catch (error) {
      await dismiss(peer)
      if (!secondTry && /no answer/.test(error.message)) return turn(peer, round, true)
      failed.set(peer, error.message)
    }
  }

  async function dismiss(peer) {
    await running.get(peer).stop()
    running.delete(peer)
  }
}
