export const order = 4
export const competitors = [
  'ours',
  'unsigned',
  'sodium-native',
  'node-crypto',
  'agent-governance-sdk',
  'agent-passport-system',
]

const AGENTS = 10_000
const WARM_UP = 200

export async function run({ quick, compare, peers }) {
  return compare({
    title: 'Memory: 10,000 idle agents, each with a name and a handler',
    notes: [
      'resident bytes per agent after a collection, each round in a new process; left: after close,',
      'which is mostly what allocators keep for the next agents',
    ],
    metrics: [
      { key: 'resident', label: 'resident', unit: 'bytes/agent', better: 'less', digits: 0 },
      { key: 'heap', label: 'JS heap', unit: 'bytes/agent', better: 'less', digits: 0 },
      { key: 'left', label: 'left', unit: 'bytes/agent', better: 'less', digits: 0 },
    ],
    peers,
    count: quick ? 2 : 3,
    fresh: true,
    params: () => ({}),
  })
}

export async function measure(peer) {
  const handler = async () => null
  const first = await peer.fleet(WARM_UP, handler)
  first.close()
  const before = await settled()
  const fleet = await peer.fleet(AGENTS, handler)
  const during = await settled()
  fleet.close()
  const after = await settled()
  const perAgent = (later, key) => (later[key] - before[key]) / AGENTS
  return {
    resident: perAgent(during, 'rss'),
    heap: perAgent(during, 'heapUsed'),
    left: perAgent(after, 'rss'),
  }
}

async function settled() {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20)) // finalizers run between turns
  }
  return process.memoryUsage()
}
