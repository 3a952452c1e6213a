// From samples to one suite's result: a row per competitor, this package first, then by the first metric.
import { peers as everyone } from '../peers/list.mjs'
import { rounds } from './rounds.mjs'
import { spread } from './stats.mjs'

// What a suite is given to measure and report with.
export function comparison({ name, progress, refused }) {
  const table = ({ id = name, title, notes = [], metrics, samples, failed, compact = false, keepSamples = false }) => {
    const rows = [...samples].map(([peer, results]) => ({
      peer,
      ...everyone[peer],
      values: Object.fromEntries(metrics.flatMap(({ key }) => column(results, key))),
      ...(keepSamples && { samples: results }),
    }))
    const [first] = metrics
    const value = (row) => row.values[first.key]?.median ?? Number.POSITIVE_INFINITY
    rows.sort(
      (a, b) =>
        Number(b.ours ?? false) - Number(a.ours ?? false) || (value(a) - value(b)) * (first.better === 'less' ? 1 : -1),
    )
    const skipped = [...failed].map(([peer, reason]) => ({ peer, label: everyone[peer].label, reason }))
    return { id, title, notes, metrics, compact, rows, skipped }
  }
  const compare = async ({ peers, count, params, fresh, limitSeconds, ...description }) => {
    const fit = peers.filter((peer) => !refused.has(peer))
    const { samples, failed } = await rounds({
      module: `suites/${name}`,
      peers: fit,
      count,
      params,
      fresh,
      limitSeconds,
      progress,
    })
    const unfit = peers.filter((peer) => refused.has(peer)).map((peer) => [peer, refused.get(peer)])
    return table({ ...description, samples, failed: new Map([...unfit, ...failed]) })
  }
  return { table, compare }
}

function column(results, key) {
  const samples = results.map((result) => result[key]).filter((sample) => Number.isFinite(sample))
  return samples.length > 0 ? [[key, spread(samples)]] : []
}
