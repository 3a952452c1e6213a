import { monitorEventLoopDelay } from 'node:perf_hooks'

export const order = 3.5
export const competitors = ['ours', 'unsigned', 'sodium-native', 'node-crypto']

const RESOLUTION_MS = 1

export async function run({ quick, compare, peers }) {
  return compare({
    title: 'Stream: one agent reads the parts of an answer, tokens of a model',
    notes: [
      'parts of about 50 bytes of JSON, 32 at most ahead of the reader; the hand-rolled signed peers sign and verify each part',
      'this package lets parts of one turn of the event loop share a signature; each part is proven all the same',
    ],
    metrics: [
      { key: 'partsPerSecond', label: 'parts', unit: '1/s', better: 'more', digits: 0 },
      { key: 'cpuMicros', label: 'CPU per part', unit: 'µs', better: 'less' },
      { key: 'loopDelay', label: 'event loop delay', unit: 'ms', better: 'less' },
    ],
    peers,
    count: quick ? 3 : 9,
    params: () => ({ milliseconds: quick ? 150 : 500 }),
  })
}

export async function measure(peer, { milliseconds }, state) {
  if (!state.stream) {
    state.stream = peer.stream(tokens)
    await readFor(state.stream, milliseconds)
  }
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const count = await readFor(state.stream, milliseconds)
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  await new Promise(setImmediate) // lets the last delay be seen
  delay.disable()
  const loopDelay = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS)
  return { partsPerSecond: count / seconds, cpuMicros: (cpu.user + cpu.system) / count, loopDelay }
}

async function* tokens() {
  for (let seq = 0; ; seq += 1) yield { seq, token: ' identity', choice: 0, done: false }
}

// Each part is checked against its place: one that answers wrongly has no speed.
async function readFor(stream, milliseconds) {
  const end = performance.now() + milliseconds
  let count = 0
  for await (const part of stream()) {
    if (part.seq !== count || part.token !== ' identity') throw new Error(`part ${count} is ${JSON.stringify(part)}`)
    count += 1
    if (count % 100 === 0) {
      if (performance.now() >= end) break
      await new Promise(setImmediate) // as any program would, sooner or later
    }
  }
  return count
}
